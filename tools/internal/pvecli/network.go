package pvecli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/setrun"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
	"github.com/railiance/railiance/tools/internal/thunderbolt/probe"
)

// network is what tb-check would say of the network between the nodes, before
// anything is copied while it may be at its weakest.
type network struct {
	verdict  string // one line for the changelog; empty: nobody asked
	findings []catalog.Finding
}

// lookAtNetwork asks tb-check's question, as the policy wants it. Its error
// means that nothing is to be backed up.
func (e *estate) lookAtNetwork(ctx context.Context, cluster *pve.Cluster) (network, error) {
	policy := e.layer.Guests.Network
	if policy == guestpolicy.Ignore || e.cluster.Thunderbridge == nil && policy != guestpolicy.Require {
		return network{}, nil
	}
	found, err := e.judgeNetwork(ctx, cluster)
	switch {
	case ctx.Err() != nil:
		return network{}, context.Cause(ctx)
	case err != nil:
		found = unwell("cannot be judged: "+tell.Line(err.Error()), catalog.Finding{What: "network: cannot be judged", Why: tell.Line(err.Error())})
	}
	if len(found.findings) == 0 {
		e.Tell.Say("", "%s", found.verdict)
		return found, nil
	}
	if policy == guestpolicy.Require {
		return found, tell.Hint(errors.New(found.verdict),
			"the policy requires the network to be well, so nothing is backed up; make check says what to do, network: warn in %s goes on all the same", layer.FileName)
	}
	e.Tell.Warn("", "%s: what is copied now may be slow, and cross the last way that is left; make check says what to do", found.verdict)
	return found, nil
}

// mostFaults is how many of them a line, and a manifest, is told.
const mostFaults = 10

func (e *estate) judgeNetwork(ctx context.Context, cluster *pve.Cluster) (network, error) {
	plan, err := thunderbolt.PlanOf(cluster.Context)
	if err != nil {
		return network{}, err
	}
	p := &probe.Probe{Plan: plan, Now: e.Now, Reach: func(target string) host.Remote {
		r := cluster.Connections.Remote(target)
		r.Options = cluster.Options
		return r
	}, Wait: func(what string) { e.Tell.Say("", "network: %s", what) }}
	d, err := p.Diagnose(ctx)
	switch {
	case err != nil:
		return network{}, err
	case d.Healthy():
		return network{verdict: "network: well"}, nil
	}
	var whats []string
	var findings []catalog.Finding
	for i, f := range d.Faults {
		if i == mostFaults {
			whats = append(whats, fmt.Sprintf("and %d more faults", len(d.Faults)-i))
			break
		}
		whats = append(whats, f.What)
		findings = append(findings, catalog.Finding{What: "network: " + f.What, Why: f.Severity.String() + " when the backup was made"})
	}
	return unwell(strings.Join(whats, "; "), findings...), nil
}

func unwell(why string, findings ...catalog.Finding) network {
	return network{"network: not well: " + setrun.Short(why), findings}
}
