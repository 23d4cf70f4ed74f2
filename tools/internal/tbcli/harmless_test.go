package tbcli

import (
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

// A check leaves a node as it was: no file is written, and nothing of its
// network changes.
func TestCheckChangesNothing(t *testing.T) {
	r := tbtest.New(t, 3)
	state := func(n *tbtest.Node) string {
		t.Helper()
		out, err := n.Run(t.Context(), "", "sh", "-euc",
			`ip addr; ip route; ip -6 route; bridge link; tc qdisc; nft list ruleset; ip -d link show vmbr1 | grep -o 'stp_state.*priority [0-9]*'; cat /proc/sys/net/ipv4/conf/*/* /proc/sys/net/bridge/* 2>/dev/null || true`)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	before := map[string]string{}
	for _, n := range r.Nodes {
		before[n.Name] = state(n)
		if _, err := n.Run(t.Context(), "", "touch", "/run/before"); err != nil {
			t.Fatal(err)
		}
	}
	if d := lookAt(t, r, 10*time.Second); !d.Healthy() {
		t.Errorf("not healthy: %q", d.Faults)
	}
	for _, n := range r.Nodes {
		if got := state(n); got != before[n.Name] {
			t.Errorf("%s: its network is\n%s\nand was\n%s", n.Name, got, before[n.Name])
		}
		out, err := n.Run(t.Context(), "", "find", "/run", "-type", "f", "-newer", "/run/before")
		if err != nil || out != "" {
			t.Errorf("%s: wrote %q, %v", n.Name, out, err)
		}
	}
}
