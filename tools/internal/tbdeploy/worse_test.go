package tbdeploy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What makes it worse, or is interrupted, is undone at once, though the node is
// still reached.
func TestWorse(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	before := stateOf(t, n)

	t.Run("another MTU", func(t *testing.T) {
		d := deployment(t, ring, "ebony") // its checks know the right one
		d.Plan.MTU, d.Window = 9000, 25*time.Second
		var said strings.Builder
		d.Tell = &tell.Teller{W: &said}
		r, err := d.Run(t.Context())
		if err == nil || r.Outcome != Undone || !strings.Contains(err.Error(), "it is worse than before: ebony thunderbolt0 has an MTU of 9000 instead of 65520") {
			t.Errorf("%s, %v", r.Outcome, err)
		}
		// Who waits knows at once what for.
		if strings.Count(said.String(), "so far it is worse than before: ebony thunderbolt0 has an MTU") != 1 {
			t.Errorf("is told\n%s", &said)
		}
		if after := stateOf(t, n); after != before {
			t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		d := deployment(t, ring, "ebony")
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		interrupt := errors.New("interrupted")
		checks := 0
		check := d.Check
		d.Check = func(ctx context.Context) (thunderbolt.Diagnosis, error) {
			if checks++; checks > 1 {
				cancel(interrupt)
			}
			return check(ctx)
		}
		if r, err := d.Run(ctx); !errors.Is(err, interrupt) || r.Outcome != Undone {
			t.Errorf("%s, %v", r.Outcome, err)
		}
		if after := stateOf(t, n); after != before {
			t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
		}
	})
	t.Run("named by path", func(t *testing.T) { namedByPath(t, ring) })
}

// An interface that the kernel brings under another name gets its own by its
// place on the bus, and then joins its bridge. A veth has no place: a rule makes
// one up for it.
func namedByPath(t *testing.T, ring *tbtest.Ring) {
	n := ring.Node("tapia")
	on(t, n, `echo 'SUBSYSTEM=="net", ENV{INTERFACE}=="eth7", ENV{ID_PATH}="pci-0000:00:0d.3"' >/etc/udev/rules.d/76-place.rules`)
	d := deployment(t, ring, "tapia")
	healthy(t, d, 30*time.Second)
	d.Paths = map[string]string{"thunderbolt1": "pci-0000:00:0d.3"}
	run(t, d, Confirmed)
	old := ring.Cables[1]
	if old[1] != (tbtest.End{Node: "tapia", Interface: "thunderbolt1"}) {
		t.Fatalf("the second cable is %v", old)
	}
	if err := ring.Unplug(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if err := ring.Plug(t.Context(), tbtest.Cable{old[0], {Node: "tapia", Interface: "eth7"}}); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		got := on(t, n, "ls /sys/class/net | tr '\\n' ' '; cat /sys/class/net/thunderbolt1/mtu || true; readlink /sys/class/net/thunderbolt1/master || true")
		if strings.Contains(got, "65520\n../vmbr1") && !strings.Contains(got, "eth7") {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("it does not get its name and its bridge: %s", got)
		}
	}
}

// What ifup could not do is undone, though nothing is worse for it: here another
// one holds ifupdown2's lock, then a script of the node's makes the file untrue.
func TestNotTakenOver(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	before := stateOf(t, n)
	failed := func(want string) {
		t.Helper()
		d := deployment(t, ring, "ebony")
		if r, err := d.Run(t.Context()); err == nil || r.Outcome != Undone || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, %v", r.Outcome, err)
		}
		if after := stateOf(t, n); after != before {
			t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
		}
	}
	on(t, n, "setsid flock /run/network/.lock sleep 120 </dev/null >/dev/null 2>&1 &")
	failed("ifup failed (exit status 89): error: Another instance")
	on(t, n, "pkill -f '[s]leep 120'; mkdir -p /etc/network/if-up.d; printf '#!/bin/sh\n[ $IFACE != vmbr1 ] || ip addr del 10.77.1.2/24 dev vmbr1\n' >/etc/network/if-up.d/zz; chmod +x /etc/network/if-up.d/zz")
	failed("it is not as the file says: address 10.77.1.2/24")
	on(t, n, "rm /etc/network/if-up.d/zz")

	// Another ifup that ends soon is waited for; a cable that is out is no reason
	// to leave the rest unmended.
	on(t, n, "setsid flock /run/network/.lock sleep 3 </dev/null >/dev/null 2>&1 &")
	if err := ring.Unplug(t.Context(), ring.Cables[0]); err != nil {
		t.Fatal(err)
	}
	run(t, deployment(t, ring, "ebony"), Confirmed)
}

// Of two faults the mend of one brings the other to light: it stays, and is told.
func TestMendReveals(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	for _, i := range n.Interfaces {
		on(t, n, "nft 'add table netdev big; add chain netdev big "+i+" { type filter hook ingress device \""+i+"\" priority 1; }; add rule netdev big "+i+" meta length > 2000 drop'")
	}
	if err := ring.Plant(t.Context(), tbtest.Fault{Kind: tbtest.NoBridge, End: tbtest.End{Node: "ebony"}}); err != nil {
		t.Fatal(err)
	}
	r := run(t, deployment(t, ring, "ebony"), Confirmed)
	found := func(faults []thunderbolt.Fault) string {
		var all []string
		for _, f := range faults {
			all = append(all, string(f.Kind))
		}
		return strings.Join(all, " ")
	}
	if got := found(r.Before.Faults); got != "no-bridge" {
		t.Errorf("before, there was %s", got)
	}
	if got := found(r.Revealed); got != "full-size" || len(r.After.Faults) != 1 {
		t.Errorf("came to light: %q, of %q", got, found(r.After.Faults))
	}
}
