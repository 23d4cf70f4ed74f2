package tbdeploy

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// Whoever deploys may die at any moment: the node is then as it was, or as it
// was confirmed to be, and the next deployment works. The clock of the node may
// jump by an hour meanwhile.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	// One node after another is in the middle of something; the others rest.
	for _, test := range []struct {
		name, node string
		leave      func(t *testing.T, d *Deployment, files []File)
		left       bool // the next deployment must clear up first
		kept       bool // what was deployed stays
	}{
		{"after it was applied", "ebony", apply, false, false},
		{"and the node was switched off", "tapia", func(t *testing.T, d *Deployment, files []File) {
			apply(t, d, files)
			on(t, ring.Node(d.Node), "pkill -KILL -f /[p]ending/watch.sh; echo edited >>"+hookPath)
		}, true, false},
		{"while it is confirmed", "baobab", func(t *testing.T, d *Deployment, files []File) {
			apply(t, d, files)
			on(t, ring.Node(d.Node), "cd /var/lib/railiance/thunderbolt/pending; mv armed confirmed")
		}, true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			n := ring.Node(test.node)
			before := stateOf(t, n)
			d := deployment(t, ring, test.node)
			d.Window = 20 * time.Second
			remote, _, files := begun(t, d)
			test.leave(t, d, files)
			if !test.left {
				refused(t, d, state.ErrHeld.Error())
				other := deployment(t, ring, "ebony")
				if other.Node == test.node {
					other = deployment(t, ring, "tapia")
				}
				refused(t, other, "one node at a time")
				for end := time.Now().Add(d.Window + 20*time.Second); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
					if found, err := look(t.Context(), remote, "", nil); err == nil && !found.pending && !found.held {
						break
					}
				}
			} else {
				time.Sleep(1500 * time.Millisecond) // the timer sees that it is confirmed
				earlier := Undone
				if test.kept {
					earlier = Confirmed
				}
				var said strings.Builder
				d.Tell = &tell.Teller{W: &said}
				cleared(t, d, earlier)
				if want := "edited since it was deployed: " + hookPath; !test.kept && !strings.Contains(said.String(), want) {
					t.Errorf("%q says nothing of what was %s", said.String(), want)
				}
			}
			after := stateOf(t, n)
			if test.kept == (after == before) {
				t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
			}
			if _, found, _, err := d.look(t.Context()); err != nil || found.pending || found.held || found.recorded != test.kept {
				t.Errorf("pending %t, held %t, recorded %t, %v", found.pending, found.held, found.recorded, err)
			}
		})
	}
}

// begun is d begun: the node is held, and nothing of it changed.
func begun(t *testing.T, d *Deployment) (host.Remote, *node, []File) {
	t.Helper()
	remote, found, files, err := d.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.begin(t.Context(), remote, files); err != nil {
		t.Fatal(err)
	}
	return remote, found, files
}

func apply(t *testing.T, d *Deployment, _ []File) {
	t.Helper()
	remote := d.Reach("root@" + d.Node)
	if err := d.apply(t.Context(), remote); err != nil {
		t.Fatal(err)
	}
}

// A disk that is full stops it where it is, and leaves nothing.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	for node, full := range map[string]string{
		"baobab": "/var/lib/railiance",
		"tapia":  "/etc/network/interfaces.d",
	} {
		t.Run(full, func(t *testing.T) {
			n := ring.Node(node)
			on(t, n, "mkdir -p "+full+" && mount -t tmpfs -o size=4k tmpfs "+full+" && head -c 4000 /dev/zero >"+full+"/filler")
			before := stateOf(t, n)
			d := deployment(t, ring, node)
			if r, err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "No space left") {
				t.Errorf("%s, %v", r.Outcome, err)
			}
			if after := stateOf(t, n); after != before {
				t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
			}
			on(t, n, "umount "+full)
			if _, found, _, err := d.look(t.Context()); err != nil || found.pending {
				t.Errorf("%+v, %v", found, err)
			}
		})
	}
}

// Of two at once at most one goes on, and one node is never changed while
// another is.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	var wg sync.WaitGroup
	outcomes := make([]string, 3)
	for i, node := range []string{"ebony", "ebony", "tapia"} {
		d := deployment(t, ring, node)
		wg.Go(func() {
			r, err := d.Run(t.Context())
			outcomes[i] = r.Outcome
			if err != nil {
				t.Logf("%s: %v", node, err)
			}
		})
	}
	wg.Wait()
	confirmed := 0
	for _, o := range outcomes {
		if o == Confirmed {
			confirmed++
		}
	}
	if confirmed > 1 {
		t.Errorf("all were deployed at once: %v", outcomes)
	}
	healthy(t, deployment(t, ring, "ebony"), 30*time.Second)
}

// Where the ring is open elsewhere, a node is the bridge between the others, and
// is left alone.
func TestOpenElsewhere(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	if err := ring.Plant(t.Context(), tbtest.Fault{Kind: tbtest.MemberRemoved, End: tbtest.End{Node: "tapia", Interface: "thunderbolt0"}}); err != nil {
		t.Fatal(err)
	}
	d := deployment(t, ring, "ebony")
	refused(t, d, "the ring is open elsewhere")
	mend := deployment(t, ring, "tapia")
	run(t, mend, Confirmed)
	healthy(t, mend, 30*time.Second)

	// A node that cannot be asked may be in the middle of a deployment.
	if err := ring.Plant(t.Context(), tbtest.Fault{Kind: tbtest.SSHDDown, End: tbtest.End{Node: "tapia"}}); err != nil {
		t.Fatal(err)
	}
	d.Check = func(context.Context) (thunderbolt.Diagnosis, error) { return thunderbolt.Diagnosis{}, nil }
	refused(t, d, "whether a deployment is going on there is not known")
}
