package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// Throughput is what one node could send to another.
type Throughput struct {
	From string  `json:"from"`
	To   string  `json:"to"`
	Bits float64 `json:"bits_per_second"` // 0: see Why
	Why  string  `json:"why,omitempty"`
}

func (t Throughput) String() string {
	if t.Why != "" {
		return fmt.Sprintf("%s to %s: not measured: %s", t.From, t.To, t.Why)
	}
	return fmt.Sprintf("%s to %s: %.2f Gbit/s", t.From, t.To, t.Bits/1e9)
}

// Measure measures each ordered pair of nodes that were seen, one after
// another: two at once would share the cables.
func (p *Probe) Measure(ctx context.Context, d thunderbolt.Diagnosis) []Throughput {
	var all []Throughput
	for _, from := range p.Plan.Nodes {
		for _, to := range p.Plan.Nodes {
			asked := func(n thunderbolt.PlanNode) bool {
				return slices.ContainsFunc(d.Nodes, func(s thunderbolt.NodeSeen) bool { return s.Name == n.Name && s.State == thunderbolt.NodeIsSeen })
			}
			if from.Name == to.Name || !asked(from) || !asked(to) {
				continue
			}
			t := Throughput{From: from.Name, To: to.Name}
			if bits, err := p.measure(ctx, from, to); err != nil {
				t.Why = host.Printable(err.Error())
			} else {
				t.Bits = bits
			}
			all = append(all, t)
		}
	}
	return all
}

func (p *Probe) measure(ctx context.Context, from, to thunderbolt.PlanNode) (float64, error) {
	address, there := first(to)
	if !there {
		return 0, errors.New("no address")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, (iperfSeconds+12)*time.Second, errTimeout)
	defer cancel()
	serving, err := host.Start(ctx, p.Reach(to.Hosts[0].Target).Command(shell(start+server(address))))
	if err != nil {
		return 0, err
	}
	var result struct {
		Error string `json:"error"`
		End   struct {
			Received struct {
				Bits float64 `json:"bits_per_second"`
			} `json:"sum_received"`
		} `json:"end"`
	}
	// The server needs a moment to listen.
	for range 10 {
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
		var out []byte
		out, err = host.Output(ctx, p.Reach(from.Hosts[0].Target).Command(shell(start+client(address))), answerMax)
		if wrong := json.Unmarshal(out, &result); wrong == nil && result.Error != "" {
			err = errors.New(result.Error)
		} else if wrong != nil && err == nil {
			err = errors.New("iperf3 answers no JSON")
		}
		if err == nil || ctx.Err() != nil {
			break
		}
		result.Error = ""
	}
	cancel() // a server that nobody reached is not waited for
	_ = serving.Wait()
	return result.End.Received.Bits, err
}
