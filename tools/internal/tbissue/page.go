package tbissue

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// nodesOf are the nodes that a fault is about.
func nodesOf(f thunderbolt.Fault) []string {
	var all []string
	if f.Node != "" {
		all = append(all, f.Node)
	}
	if f.Cable != nil {
		for _, end := range f.Cable {
			if !slices.Contains(all, end.Node) {
				all = append(all, end.Node)
			}
		}
	}
	return all
}

// fill is the page of a new issue.
func fill(template, id, change string, c Check, f thunderbolt.Fault, known []Issue) string {
	var related []string
	for _, k := range known {
		if k.Fault == f.ID() {
			related = append(related, fmt.Sprintf("- %s: the same, closed %s", k.ID, k.Closed))
		} else if k.Status == Open && slices.ContainsFunc(k.Nodes, func(n string) bool { return slices.Contains(nodesOf(f), n) }) {
			related = append(related, "- "+k.ID+": open, at the same nodes")
		}
	}
	var others []string
	for _, o := range c.Faults {
		if o.ID() != f.ID() {
			others = append(others, "- at the same time: "+plain(o.What))
		}
	}
	for _, n := range c.Notes {
		others = append(others, "- "+plain(n))
	}
	steps := "1. `make -C layers/madagascar check`"
	return strings.NewReplacer(
		"{{id}}", id, "{{summary}}", plain(host.Printable(f.What)), "{{time}}", c.Time.UTC().Format(time.RFC3339), "{{severity}}", f.Severity.String(),
		"{{fault}}", "`"+f.ID()+"`", "{{nodes}}", strings.Join(nodesOf(f), ", "),
		"{{environment}}", environment(c), "{{steps}}", steps, "{{expected}}", expected(c.Plan), "{{actual}}", plain(f.What)+".",
		"{{evidence}}", evidence(c, f), "{{investigation}}", listed(others, "Nothing else was wrong at the time."),
		"{{solution}}", listed(mends(f), "Not known."), "{{related}}", listed(related, "None."), "{{changelog}}", "- "+change+": opened",
	).Replace(template)
}

func listed(lines []string, none string) string {
	if len(lines) == 0 {
		return none
	}
	return strings.Join(lines, "\n")
}

func mends(f thunderbolt.Fault) []string {
	var all []string
	for _, m := range f.Mend {
		all = append(all, "- at once, until the next boot: `"+strings.ReplaceAll(m, "`", "'")+"`")
	}
	if f.Node != "" {
		all = append(all, fmt.Sprintf("- so that it stays: `make -C layers/madagascar deploy NODE=%s`", f.Node))
	}
	return all
}

func environment(c Check) string {
	mode := "bridge " + c.Plan.Bridge
	if c.Plan.Routed {
		mode = "routed"
	}
	var names []string
	for _, n := range c.Plan.Nodes {
		names = append(names, n.Name)
	}
	return fmt.Sprintf("Cluster %s, %s, MTU %d, nodes %s; seen by %s.", c.Cluster, mode, c.Plan.MTU, strings.Join(names, ", "), c.Tool)
}

func expected(p thunderbolt.Plan) string {
	if p.Routed {
		return fmt.Sprintf("Every interface is up with an MTU of %d, and every node reaches every other one with full-size packets.", p.MTU)
	}
	return fmt.Sprintf("Every Thunderbolt interface is up, in %s and has an MTU of %d; one port of the ring blocks; full-size packets pass between all nodes.", p.Bridge, p.MTU)
}

// evidence is what one check saw of a fault.
func evidence(c Check, f thunderbolt.Fault) string {
	lines := append([]string{f.What}, f.Evidence...)
	return fmt.Sprintf("### Seen %s\n\n%s", c.Time.UTC().Format(time.RFC3339), fenced(strings.Join(lines, "\n")+"\n\n"+page(c)))
}

func page(c Check) string {
	var b strings.Builder
	_ = c.Write(&b) // into memory
	return b.String()
}

// verification is the proof that it is gone.
func verification(c Check, i Issue) string {
	return fmt.Sprintf("%s: %s was not found, and %s could be looked at.\n\n%s", c.Time.UTC().Format(time.RFC3339), "`"+i.Fault+"`", strings.Join(i.Nodes, ", "), fenced(page(c)))
}
