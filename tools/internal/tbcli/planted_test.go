package tbcli

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

var update = flag.Bool("update", false, "write the goldens anew")

// What is planted into real rings is found, and nothing else. Each kind of
// fault alone; RING_PAIRS=all adds every pair of kinds, on two nodes, which
// takes minutes, and RING_PAIRS=same every pair of kinds on one node.
func TestPlantedIsFound(t *testing.T) {
	t.Parallel()
	var cases [][]tbtest.Fault
	pairs := os.Getenv("RING_PAIRS")
	golden := "singles"
	switch pairs {
	case "":
		cases = append(singles(), somePairs()...)
	default:
		golden = "pairs-" + pairs
		cases = allPairs(pairs == "same")
	}
	if only := os.Getenv("RING_ONLY"); only != "" {
		cases = slices.DeleteFunc(cases, func(c []tbtest.Fault) bool { return !strings.Contains(planted(c), only) })
	}
	lines := make([]string, len(cases))
	todo := make(chan int)
	var wg sync.WaitGroup
	for _, r := range rings(t, min(7, len(cases))) { // they mostly wait for spanning tree
		wg.Go(func() {
			for k := range todo {
				lines[k] = tryOut(t, r, cases[k])
			}
		})
	}
	for k := range cases {
		todo <- k
	}
	close(todo)
	wg.Wait()
	if os.Getenv("RING_ONLY") == "" {
		compare(t, filepath.Join("testdata", "planted-"+golden+".golden"), strings.Join(lines, ""))
	}
}

// rings are n rings of three nodes.
func rings(t *testing.T, n int) []*tbtest.Ring {
	t.Helper()
	tbtest.Need(t)
	all := make([]*tbtest.Ring, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { all[i], errs[i] = tbtest.Start(t.Context(), 3) })
	}
	wg.Wait()
	t.Cleanup(func() {
		for _, r := range all {
			if r != nil {
				errs = append(errs, r.Close())
			}
		}
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return all
}

// tryOut plants the faults, looks, and heals.
func tryOut(t *testing.T, r *tbtest.Ring, faults []tbtest.Fault) string {
	t.Helper()
	ctx := t.Context()
	for _, f := range faults {
		if err := r.Plant(ctx, f); err != nil {
			t.Error(err)
		}
	}
	if err := r.Settle(ctx); err != nil {
		t.Error(err)
	}
	d := lookAt(t, r, 8*time.Second)
	if err := r.Heal(ctx); err != nil {
		t.Error(err)
	}
	line, complaint := judge(faults, d)
	if complaint != "" {
		var page strings.Builder
		_ = d.Write(&page)
		t.Errorf("%s: %s\n%s", planted(faults), complaint, &page)
	}
	return line
}

// lookAt looks at a ring as tb-check does.
func lookAt(t testing.TB, r *tbtest.Ring, timeout time.Duration) thunderbolt.Diagnosis {
	t.Helper()
	plan := planOf(t, r)
	p := &probe.Probe{Plan: plan, Timeout: timeout, Now: time.Now, Reach: func(target string) host.Remote { return remote(r, target) }}
	d, err := p.Diagnose(context.Background())
	if err != nil {
		t.Error(err)
	}
	return d
}

// remote reaches a node without the ring's ssh in PATH, which tests that run
// beside each other share.
func remote(r *tbtest.Ring, target string) host.Remote {
	return host.Remote{Target: target, ConnectTimeout: 2 * time.Second, Options: r.SSHOptions(target)}
}

func planOf(t testing.TB, r *tbtest.Ring) thunderbolt.Plan {
	t.Helper()
	text, err := r.Context(true)
	if err != nil {
		t.Error(err)
	}
	c, err := clustercontext.Parse("ring", text)
	if err != nil {
		t.Error(err) // called beside the test, where nothing may be fatal
		return thunderbolt.Plan{}
	}
	plan, err := thunderbolt.PlanOf(c.Clusters[0])
	if err != nil {
		t.Error(err)
	}
	return plan
}

func at(kind tbtest.Kind, node, name string) tbtest.Fault {
	f := tbtest.Fault{Kind: kind, End: tbtest.End{Node: node}}
	if kind.OfInterface() {
		f.Interface = name
	}
	return f
}

func singles() [][]tbtest.Fault {
	all := [][]tbtest.Fault{{}}
	for _, k := range tbtest.Kinds() {
		all = append(all, []tbtest.Fault{at(k, "ebony", "thunderbolt1")})
	}
	return all
}

// somePairs are pairs in which one fault hides behind the other.
func somePairs() [][]tbtest.Fault {
	return [][]tbtest.Fault{
		{at(tbtest.MemberRemoved, "ebony", "thunderbolt1"), at(tbtest.MTUPinned, "tapia", "thunderbolt0")},
		{at(tbtest.LinkDown, "ebony", "thunderbolt1"), at(tbtest.Loss, "tapia", "thunderbolt0")},
		{at(tbtest.SSHDDown, "ebony", ""), at(tbtest.MTULow, "ebony", "thunderbolt1")},
		{at(tbtest.SSHDDown, "ebony", ""), at(tbtest.LinkDown, "tapia", "thunderbolt0")},
		{at(tbtest.NodeDown, "ebony", ""), at(tbtest.Loss, "tapia", "thunderbolt0")},
		{at(tbtest.NodeDown, "ebony", ""), at(tbtest.MemberRemoved, "ebony", "thunderbolt0")},
	}
}

// allPairs are all pairs of kinds, on two nodes or on one.
func allPairs(same bool) [][]tbtest.Fault {
	var all [][]tbtest.Fault
	for i, a := range tbtest.Kinds() {
		for _, b := range tbtest.Kinds()[i:] {
			second := at(b, "tapia", "thunderbolt0")
			if same {
				if a == b || !together(a, b) {
					continue
				}
				second = at(b, "ebony", "thunderbolt1")
			}
			all = append(all, []tbtest.Fault{at(a, "ebony", "thunderbolt1"), second})
		}
	}
	return all
}

// together tells whether one node can have both: there is one sshd, and what is
// wrong in a bridge needs one.
func together(a, b tbtest.Kind) bool {
	inBridge := []tbtest.Kind{tbtest.STPOff, tbtest.Duplicate}
	return !(slices.Contains(access(), a) && slices.Contains(access(), b)) && !(a == tbtest.NoBridge && slices.Contains(inBridge, b)) &&
		!(b == tbtest.NoBridge && slices.Contains(inBridge, a)) && !(a == tbtest.MemberRemoved && b == tbtest.NoBridge)
}

func planted(faults []tbtest.Fault) string {
	if len(faults) == 0 {
		return "nothing"
	}
	var all []string
	for _, f := range faults {
		all = append(all, f.String())
	}
	return strings.Join(all, " + ")
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is no longer what is found:\n%s", path, got)
	}
}
