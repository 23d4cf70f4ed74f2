package tbcli

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

func planOf(t *testing.T, r *tbtest.Ring) thunderbolt.Plan {
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
	return plan
}

func TestTry(t *testing.T) {
	r := tbtest.New(t, 3)
	t.Setenv("PATH", r.Bin()+":"+os.Getenv("PATH"))
	plan := planOf(t, r)
	try := func(faults ...tbtest.Fault) {
		for _, f := range faults {
			if err := r.Plant(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		b := time.Now()
		if err := r.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		settle := time.Since(b)
		p := &probe.Probe{Plan: plan, Now: time.Now, Reach: func(target string) host.Remote {
			return host.Remote{Target: target, ConnectTimeout: 3 * time.Second}
		}, Timeout: 8 * time.Second}
		b = time.Now()
		seen, err := p.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(b)
		d := thunderbolt.Diagnose(plan, seen)
		t.Logf("===== %v: settled %s, looked %s", faults, settle, took)
		for n, s := range seen {
			if len(s.Unread) > 0 {
				t.Log(n, s.Unread)
			}
			for _, name := range []string{"thunderbolt0", "thunderbolt1"} {
				t.Log(n, name, s.Links[name].Port.State, s.Passed[name])
			}
		}
		d.Write(os.Stdout)
		b = time.Now()
		if err := r.Heal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := r.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("healed %s", time.Since(b))
	}
	try()
	for _, k := range tbtest.Kinds() {
		if s := os.Getenv("KINDS"); s != "" && !strings.Contains(s, string(k)) {
			continue
		}
		f := tbtest.Fault{Kind: k, End: tbtest.End{Node: "ebony"}}
		if k.OfInterface() {
			f.Interface = "thunderbolt1"
		}
		try(f)
	}
}
