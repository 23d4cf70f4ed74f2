package tbcli

import (
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
)

// After the tree has changed, bridges may send the old way for a long time where
// nothing but the nodes' own packets teaches them the new one. It is no fault of
// the cable that takes over, and no excuse for one that is dead one way.
func TestOldWays(t *testing.T) {
	t.Parallel()
	tbtest.Need(t)
	gone := tbtest.Fault{Kind: tbtest.NoBridge, End: tbtest.End{Node: "baobab"}}
	for _, faults := range [][]tbtest.Fault{
		{gone},
		{gone, {Kind: tbtest.OneWay, End: tbtest.End{Node: "tapia", Interface: "thunderbolt1"}}},
		{gone, {Kind: tbtest.OneWay, End: tbtest.End{Node: "ebony", Interface: "thunderbolt0"}}},
	} {
		t.Run(planted(faults), func(t *testing.T) {
			t.Parallel()
			r := rings(t, 1)[0]
			run := func(node, line string, args ...string) string {
				t.Helper()
				out, err := r.Node(node).Run(t.Context(), "", append([]string{"sh", "-euc", line, "sh"}, args...)...)
				if err != nil {
					t.Fatal(err)
				}
				return strings.TrimSpace(out)
			}
			for _, f := range faults {
				if err := r.Plant(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			// As it is where the nodes have last talked through baobab. Any packet that
			// goes to all would teach the bridges the new way: for a while they do not
			// learn.
			for _, way := range [][3]string{{"ebony", "thunderbolt1", "tapia"}, {"tapia", "thunderbolt0", "ebony"}} {
				mac := run(way[2], "cat /sys/class/net/vmbr1/address")
				run(way[0], `for i in thunderbolt0 thunderbolt1; do bridge link set dev $i learning off; done
bridge fdb replace "$1" dev "$2" master dynamic
ip neigh replace "$3" lladdr "$1" dev vmbr1 nud stale`, mac, way[1], r.Node(way[2]).Address.String())
			}
			learned := make(chan struct{})
			time.AfterFunc(5*time.Second, func() {
				defer close(learned)
				for _, n := range []string{"ebony", "tapia"} {
					if _, err := r.Node(n).Run(t.Context(), "", "sh", "-euc", "for i in thunderbolt0 thunderbolt1; do bridge link set dev $i learning on; done"); err != nil {
						t.Error(err)
					}
				}
			})
			d := lookAt(t, r, 0)
			<-learned
			if _, complaint := judge(faults, d); complaint != "" {
				t.Errorf("%s: %+v", complaint, d.Faults)
			}
			if notes := strings.Join(d.Notes, "; "); len(faults) == 1 && !strings.Contains(notes, "bridges still send where the way led before") {
				t.Errorf("notes %q: the case did not come about", notes)
			}
		})
	}
}
