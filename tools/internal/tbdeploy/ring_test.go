package tbdeploy

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

// liveRing is a ring of three nodes on which ifupdown2 and udevd really run.
func liveRing(t *testing.T) *tbtest.Ring {
	t.Helper()
	tbtest.Need(t)
	for _, program := range tbtest.LivePrograms() {
		mustrun.Command(t, program)
	}
	r := tbtest.New(t, 3)
	if err := r.Live(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// deployment is one to a node of the ring, as tb-deploy would do it.
func deployment(t *testing.T, r *tbtest.Ring, name string) *Deployment {
	t.Helper()
	text, err := r.Context(true)
	if err != nil {
		t.Fatal(err)
	}
	c, err := clustercontext.Parse("ring", text)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := thunderbolt.PlanOf(c.Clusters[0])
	if err != nil {
		t.Fatal(err)
	}
	reach := func(target string) host.Remote {
		return host.Remote{Target: target, ConnectTimeout: 2 * time.Second, Options: r.SSHOptions(target)}
	}
	p := &probe.Probe{Plan: plan, Timeout: 10 * time.Second, Now: time.Now, Reach: reach}
	return &Deployment{
		Plan: plan, Node: name, Window: 60 * time.Second, Reach: reach, Tell: &tell.Teller{W: t.Output()}, Show: func([]Change) {},
		Check: func(ctx context.Context) (thunderbolt.Diagnosis, error) {
			seen, err := p.Look(ctx)
			return thunderbolt.Diagnose(plan, seen), err
		},
	}
}

func run(t *testing.T, d *Deployment, want string) Result {
	t.Helper()
	r, err := d.Run(t.Context())
	if err != nil || r.Outcome != want {
		t.Fatalf("%s: %v, want %s", r.Outcome, err, want)
	}
	return r
}

func refused(t *testing.T, d *Deployment, why string) {
	t.Helper()
	if r, err := d.Run(t.Context()); r.Outcome != Refused || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want a refusal: %s", r.Outcome, err, why)
	}
}

// cleared runs d where an earlier one was left in the middle.
func cleared(t *testing.T, d *Deployment, earlier string) {
	t.Helper()
	r, err := d.Run(t.Context())
	if r.Outcome != Cleared || r.Earlier != earlier || err == nil || errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "had not come to its end, and is "+earlier+" now") {
		t.Errorf("%s, %q: %v", r.Outcome, r.Earlier, err)
	}
}

func healthy(t *testing.T, d *Deployment, within time.Duration) {
	t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(time.Second) {
		diagnosis, err := d.Check(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diagnosis.Healthy() {
			return
		}
		if time.Now().After(end) {
			var page strings.Builder
			_ = diagnosis.Write(&page)
			t.Fatalf("is not healthy:\n%s", &page)
		}
	}
}

func on(t *testing.T, n *tbtest.Node, line string) string {
	t.Helper()
	out, err := n.Run(t.Context(), "", "sh", "-euc", line)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// treeOf is every file of a node where a deployment has any, with what it holds,
// who may read it, and where it leads.
func treeOf(t *testing.T, n *tbtest.Node) string {
	t.Helper()
	return on(t, n, `
find /etc/mine* /etc/network/interfaces* /etc/udev/rules.d /etc/systemd /usr/local/sbin -printf '%p %y %m %U:%G %l\n' 2>/dev/null | LC_ALL=C sort
find /etc/mine* /etc/network/interfaces* /etc/udev/rules.d /etc/systemd /usr/local/sbin -type f -exec sha256sum {} + 2>/dev/null | LC_ALL=C sort -k 2`)
}

// stateOf is all of a node that a deployment could change.
func stateOf(t *testing.T, n *tbtest.Node) string {
	t.Helper()
	return treeOf(t, n) + on(t, n, `
for i in $(ls /sys/class/net); do
	echo "$i $(cat /sys/class/net/$i/mtu) $(cat /sys/class/net/$i/flags) $(readlink /sys/class/net/$i/master || true) $(cat /proc/sys/net/ipv6/conf/$i/disable_ipv6)"
	ip -o addr show dev $i scope global | awk '{print $4}'
done
cat /sys/class/net/vmbr1/bridge/stp_state /sys/class/net/vmbr1/bridge/priority`)
}

// A cable that is plugged in anew comes back into the bridge with its MTU, by
// udev and the files that were deployed; before, it did not.
func TestReplugged(t *testing.T) {
	t.Parallel()
	r := liveRing(t)
	d := deployment(t, r, "ebony")
	cable := r.Cables[0]
	if cable[1] != (tbtest.End{Node: "ebony", Interface: "thunderbolt1"}) {
		t.Fatalf("the first cable is %v", cable)
	}
	dry := *d
	dry.DryRun = true
	before := stateOf(t, r.Node("ebony"))
	if got := run(t, &dry, Shown); len(got.Changes) != 3 {
		t.Errorf("shows %+v", got.Changes)
	}
	if after := stateOf(t, r.Node("ebony")); after != before {
		t.Errorf("a dry run changed the node:\n%s\nit was\n%s", after, before)
	}
	run(t, d, Confirmed)
	run(t, d, Nothing)
	// ebony's end is the one that was deployed to; the other is set up by hand.
	if err := r.Unplug(t.Context(), cable); err != nil {
		t.Fatal(err)
	}
	if err := r.Plug(t.Context(), cable); err != nil {
		t.Fatal(err)
	}
	on(t, r.Node("baobab"), "ip link set thunderbolt0 mtu 1500; ip link set thunderbolt0 mtu 65520 master vmbr1 up")
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		got := on(t, r.Node("ebony"), "echo $(cat /sys/class/net/thunderbolt1/mtu) $(readlink /sys/class/net/thunderbolt1/master) $(($(cat /sys/class/net/thunderbolt1/flags) & 1)) $(cat /sys/class/net/vmbr1/mtu) $(cat /proc/sys/net/ipv6/conf/thunderbolt1/disable_ipv6)")
		if strings.Contains(got, "65520 ../vmbr1 1 65520 1") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("ebony's thunderbolt1 does not come back: %s", got)
		}
	}
	healthy(t, d, 30*time.Second)

	// What somebody edits is neither overwritten nor lost.
	on(t, r.Node("ebony"), "echo '# mine' >>"+stanzaPath)
	refused(t, d, "edited by hand")
	back := *d
	back.Rollback = true
	// The way out of that is not to deploy.
	if _, err := back.Run(t.Context()); !strings.Contains(strings.Join(tell.Hints(err), ""), "--rollback --overwrite") {
		t.Errorf("%v, with the hints %q", err, tell.Hints(err))
	}
	force := *d
	force.Overwrite = true
	run(t, &force, Confirmed)
	run(t, &back, Confirmed)
	if got := on(t, r.Node("ebony"), "tail -n 1 "+stanzaPath); got != "# mine\n" {
		t.Errorf("the rollback brought %q", got)
	}
}

// A deployment that cuts the node off is undone by the node itself: here by an
// address that is the one of whoever deploys.
func TestCutOff(t *testing.T) {
	t.Parallel()
	r := liveRing(t)
	n := r.Node("ebony")
	before := stateOf(t, n)
	d := deployment(t, r, "ebony")
	d.Window = 15 * time.Second
	address := n.Management.As4()
	address[3]--
	d.Plan.Node("ebony").Addresses = append(d.Plan.Node("ebony").Addresses, netip.PrefixFrom(netip.AddrFrom4(address), 32))
	result, err := d.Run(t.Context())
	if err == nil || result.Outcome != Undone {
		t.Fatalf("%s, %v", result.Outcome, err)
	}
	if !errors.Is(err, errCutOff) {
		t.Errorf("the node was not cut off: %v", err)
	}
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
	if log := on(t, n, "cat /var/lib/railiance/thunderbolt/undone/log"); !strings.Contains(log, "not confirmed within 15 s: undone") {
		t.Errorf("the node says %q", log)
	}
	d = deployment(t, r, "ebony")
	healthy(t, d, 30*time.Second)
	run(t, d, Confirmed)
}
