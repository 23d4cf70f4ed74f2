package tbdeploy

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What the bridge has besides is not lost unasked: its VLANs never, members that
// the context does not know by --force alone, and undoing it puts these back.
func TestBridgeHasMore(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	on(t, n, "ip link add tap100i0 type veth peer name guest; ip link set tap100i0 mtu 65520 master vmbr1 up")
	d := deployment(t, ring, "ebony")
	before := stateOf(t, n)
	const why = "vmbr1 has members that the context does not declare, and may lose them: tap100i0"
	refused(t, d, why)
	d.DryRun = true
	refused(t, d, why)
	d.DryRun, d.Force = false, true

	// The kernel of a test may know no VLANs.
	on(t, n, "mkdir /run/like; cp -r /sys/class/net/vmbr1/bridge/. /run/like/ 2>/dev/null || true; echo 1 >/run/like/vlan_filtering; mount --bind /run/like /sys/class/net/vmbr1/bridge")
	refused(t, d, "vmbr1 is VLAN-aware (vlan_filtering 1): its VLANs would be lost")
	on(t, n, "umount /sys/class/net/vmbr1/bridge")
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}

	interruptAfter(t, d, func() {
		if got := on(t, n, "readlink /sys/class/net/tap100i0/master || true"); got != "" {
			t.Errorf("it is still in %s: this test shows nothing", got)
		}
	})
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
	run(t, d, Confirmed)
	d.Force = false
	run(t, d, Nothing)
}

// interruptAfter lets a deployment come as far as the check of what it did.
func interruptAfter(t *testing.T, d *Deployment, then func()) {
	t.Helper()
	check, checks := d.Check, 0
	defer func() { d.Check = check }()
	stop := errors.New("interrupted")
	d.Check = func(ctx context.Context) (thunderbolt.Diagnosis, error) {
		if checks++; checks == 2 {
			then()
			return thunderbolt.Diagnosis{}, stop
		}
		return check(ctx)
	}
	if r, err := d.Run(t.Context()); !errors.Is(err, stop) || r.Outcome != Undone {
		t.Errorf("%s, %v", r.Outcome, err)
	}
}

// Links that were at our places come back as links, what was not there goes, and
// all else is whose it was: where it is undone, and where it is rolled back.
func TestLinksComeBack(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("tapia")
	on(t, n, "echo '# mine' >/etc/mine.rules; ln -s ../../mine.rules "+rulesPath+"; ln -s '/no where' "+hookPath+`
mkdir -p /etc/systemd/network; echo '[Match]' >/etc/systemd/network/10-railiance-thunderbolt0.link; cd /etc/systemd/network; chmod 640 *; chown 0:4 *; : >"10-a copy.link"; : >"/etc/network/interfaces.d/a copy"`)
	before, tree := stateOf(t, n), treeOf(t, n)
	d := deployment(t, ring, "tapia")
	d.Paths = map[string]string{"thunderbolt0": "pci-0000:00:0d.2", "thunderbolt1": "pci-0000:00:0d.3"}
	refused(t, d, "or was not made by tb-deploy: "+rulesPath+", "+hookPath+", /etc/systemd/network/10-railiance-thunderbolt0.link")
	d.Overwrite = true
	interruptAfter(t, d, func() {
		if got := on(t, n, "[ -L "+rulesPath+" ] || [ -L "+hookPath+" ] || echo plain; cat /etc/mine.rules"); got != "plain\n# mine\n" {
			t.Errorf("while it waits, it is %q", got)
		}
	})
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
	run(t, d, Confirmed)
	if got := on(t, n, "ls -d /etc/systemd/system/networking.service.wants 2>/dev/null || true"); got != "" {
		t.Errorf("%s is left", got)
	}
	if got := on(t, n, "cat "+hookPath); !strings.HasPrefix(got, "#!/bin/sh") {
		t.Errorf("the hook is %q", got)
	}
	// Of what was there before a first deployment ifup knows nothing, and that is
	// no failure.
	back := *d
	back.Rollback = true
	deployed := treeOf(t, n)
	interruptAfter(t, &back, func() {
		if got := treeOf(t, n); got == deployed {
			t.Error("nothing was rolled back: this test shows nothing")
		}
	})
	// Done twice, it is undone; a third time leads back again.
	for i, want := range []string{deployed, tree, deployed, tree} {
		if i > 0 {
			run(t, &back, Confirmed)
		}
		if got := treeOf(t, n); got != want {
			t.Errorf("%d times rolled back, what was to be there (-) and is (+):\n%s", i, diff(want, got))
		}
	}
	run(t, d, Confirmed)
	if got := treeOf(t, n); got != deployed {
		t.Errorf("deployed anew, what was to be there (-) and is (+):\n%s", diff(deployed, got))
	}
}
