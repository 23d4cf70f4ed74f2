package thunderbolt

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Write writes the diagnosis for a person: the ring, what is wrong with it, and
// the nodes and pings in tables.
func (d Diagnosis) Write(w io.Writer) error {
	var b strings.Builder
	d.draw(&b)
	if d.Healthy() {
		b.WriteString("healthy\n")
	}
	for _, f := range d.Faults {
		fmt.Fprintf(&b, "%s: %s\n", f.Severity, f.What)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "    seen: %s\n", e)
		}
		for _, m := range f.Mend {
			fmt.Fprintf(&b, "    mend: %s\n", m)
		}
	}
	for _, n := range d.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	b.WriteString("\n")
	d.tables(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// draw draws the ring, one cable a line.
func (d Diagnosis) draw(b *strings.Builder) {
	ring := inRing(d.Ring)
	left, right := 0, 0
	for _, c := range ring {
		left, right = max(left, width(c.Cable[0])), max(right, width(c.Cable[1]))
	}
	for i, c := range ring {
		frame := "  "
		if len(ring) > 2 {
			frame = "│ "
			switch i {
			case 0:
				frame = "╭ "
			case len(ring) - 1:
				frame = "╰ "
			}
		}
		line := map[string]string{Carries: "════════", Blocks: "═══■════", Broken: "═══ ✗ ══", Unseen: "══ ? ═══"}[c.State]
		a, z := c.Cable[0], c.Cable[1]
		fmt.Fprintf(b, "%s%s%s %s %s%s %s\n", frame, a, strings.Repeat(" ", left-width(a)), line, z, strings.Repeat(" ", right-width(z)), c.State)
	}
	if len(d.Ring) > 0 {
		b.WriteString("\n")
	}
}

func width(e End) int { return len([]rune(e.String())) }

// inRing puts the cables behind one another, each beginning where the one
// before it ends, as far as they do.
func inRing(cables []CableSeen) []CableSeen {
	rest := slices.Clone(cables)
	var ring []CableSeen
	for len(rest) > 0 {
		next := 0
		if len(ring) > 0 {
			at := ring[len(ring)-1].Cable[1].Node
			for i, c := range rest {
				if c.Cable[1].Node == at && c.Cable[0].Node != at {
					c.Cable[0], c.Cable[1] = c.Cable[1], c.Cable[0]
					rest[i] = c
				}
				if c.Cable[0].Node == at {
					next = i
					break
				}
			}
		}
		ring = append(ring, rest[next])
		rest = slices.Delete(rest, next, next+1)
	}
	return ring
}

func (d Diagnosis) tables(b *strings.Builder) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tSTATE\tBRIDGE\tINTERFACES")
	for _, n := range d.Nodes {
		bridge := "-"
		if n.Bridge != nil {
			bridge = fmt.Sprintf("%s %d, %s", clean(n.Bridge.Name), n.Bridge.MTU, n.Bridge.State)
		}
		var ports []string
		for _, p := range n.Ports {
			ports = append(ports, fmt.Sprintf("%s %d %s", clean(p.Name), p.MTU, clean(p.State)))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", clean(n.Name), n.State, bridge, strings.Join(ports, ", "))
	}
	_ = t.Flush() // into memory, as below
	if len(d.Pairs) == 0 {
		return
	}
	fmt.Fprintln(t, "\nFROM\tTO\tSMALL\tFULL-SIZE")
	for _, p := range d.Pairs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", clean(p.From), clean(p.To), p.Small, p.Full)
	}
	_ = t.Flush()
}

// String is how the packets fared.
func (p *Ping) String() string {
	switch {
	case p == nil:
		return "-"
	case p.Sent == 0 || p.Received == 0 && p.Said != "":
		return "lost: " + clean(p.Said)
	case p.Received == 0:
		return "lost"
	case p.Received < p.Sent:
		return fmt.Sprintf("%d of %d, %.2f ms", p.Received, p.Sent, float64(p.Latency.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f ms", float64(p.Latency.Microseconds())/1000)
}
