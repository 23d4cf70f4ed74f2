package tbtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// A ring is what its description says: ssh reaches every node, full-size
// packets pass between all, and one port blocks.
func TestRing(t *testing.T) {
	begin := time.Now()
	r := New(t, 3)
	t.Logf("three nodes took %s", time.Since(begin).Round(time.Millisecond))
	t.Setenv("PATH", r.Bin()+":"+os.Getenv("PATH"))
	for _, from := range r.Nodes {
		for _, to := range r.Nodes {
			if from == to {
				continue
			}
			out, err := host.Output(t.Context(), host.Remote{Target: "root@" + from.Name}.Command(host.Command{
				Args: []string{"ping", "-q", "-c", "2", "-i", "0.05", "-W", "1", "-M", "do", "-s", "65492", to.Address.String()}}), 1<<16)
			if err != nil {
				t.Errorf("%s to %s: %v\n%s", from.Name, to.Name, err, out)
			}
		}
	}
	states, err := r.states(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(states, "state blocking") != 1 || strings.Count(states, "state forwarding") != 5 {
		t.Errorf("spanning tree:\n%s", states)
	}
}

// What a node writes is nobody else's.
func TestNodesAreApart(t *testing.T) {
	t.Parallel()
	r := New(t, 3)
	for _, path := range []string{"/etc/network/interfaces", "/run/x", "/tmp/x", "/etc/udev/rules.d/x"} {
		if _, err := r.Nodes[0].Run(t.Context(), "ring", "tee", path); err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(b), "ring") {
			t.Errorf("%s of the machine was written", path)
		}
		if out, err := r.Nodes[1].Run(t.Context(), "", "cat", path); err == nil && strings.HasSuffix(out, "ring") {
			t.Errorf("%s of another node was written", path)
		}
	}
	if out, err := r.Nodes[0].Run(t.Context(), "", "ls", "/sys/class/net"); err != nil || strings.Join(strings.Fields(out), " ") != "lo mgmt0 thunderbolt0 thunderbolt1 vmbr1" {
		t.Errorf("sysfs shows %q, %v", out, err)
	}
}

// Every fault can be planted and healed, and leaves nothing of itself.
func TestHeal(t *testing.T) {
	t.Parallel()
	r := New(t, 3)
	before := r.look(t)
	for _, kind := range Kinds() {
		f := Fault{kind, End{Node: "ebony"}}
		if kind.OfInterface() {
			f.Interface = "thunderbolt1"
		}
		if err := r.Plant(t.Context(), f); err != nil {
			t.Error(err)
		}
		if kind != SlowSSH && kind != SSHDDown && kind != HostKey && r.look(t) == before {
			t.Errorf("%s: nothing is to be seen of it", f)
		}
		if err := r.Heal(t.Context()); err != nil {
			t.Error(err)
		}
		if got := r.look(t); got != before {
			t.Errorf("%s is not healed:\n%s\nit was\n%s", f, got, before)
		}
	}
}

// look is ebony without what changes by itself while spanning tree settles.
func (r *Ring) look(t *testing.T) string {
	t.Helper()
	out, err := r.Node("ebony").Run(t.Context(), "", "sh", "-euc", `
ip -br link | awk '{print $1, $4}' | sed 's/,LOWER_UP//; s/NO-CARRIER,//'
ip -br -4 addr | awk '{print $1, $3, $4}'
bridge link | grep -o '^[0-9]*: [^ ]*\|mtu [0-9]* master [a-z0-9]*' || true
ip -d link show vmbr1 | grep -o 'stp_state [01]\|mtu [0-9]*' || true
tc qdisc | grep blackhole || true
nft list ruleset | grep -v limit`)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A process that is killed leaves neither namespaces nor interfaces nor files.
func TestKilled(t *testing.T) {
	if os.Getenv("RING_TO_BE_KILLED") != "" {
		r, err := Start(context.Background(), 3)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Println(r.Dir(), r.Nodes[0].outside); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
	}
	Need(t)
	t.Parallel()
	child := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	child.Env = append(os.Environ(), "RING_TO_BE_KILLED=1")
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var dir, outside string
	if _, err := fmt.Fscan(stdout, &dir, &outside); err != nil {
		t.Fatalf("the ring does not stand: %v", err)
	}
	if _, err := os.Stat("/sys/class/net/" + outside); err != nil {
		t.Fatalf("the ring does not stand: %v", err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		_, net := os.Stat("/sys/class/net/" + outside)
		_, files := os.Stat(dir)
		left, _ := exec.Command("pgrep", "-f", dir).Output()
		if os.IsNotExist(net) && os.IsNotExist(files) && len(left) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("left behind: %v, %v, %s", net, files, left)
		}
	}
}
