package thunderbolt

import (
	"fmt"
	"strings"
	"time"
)

// Prometheus is the diagnosis for node_exporter's textfile collector.
func (d Diagnosis) Prometheus(cluster string, at time.Time) []byte {
	var b strings.Builder
	metric := func(name, help string) {
		fmt.Fprintf(&b, "# HELP railiance_thunderbolt_%s %s\n# TYPE railiance_thunderbolt_%s gauge\n", name, help, name)
	}
	sample := func(name, value string, labels ...string) {
		fmt.Fprintf(&b, "railiance_thunderbolt_%s{cluster=\"%s\"", name, label(cluster))
		for i := 0; i < len(labels); i += 2 {
			fmt.Fprintf(&b, ",%s=\"%s\"", labels[i], label(labels[i+1]))
		}
		fmt.Fprintf(&b, "} %s\n", value)
	}
	truth := map[bool]string{true: "1", false: "0"}
	metric("check_timestamp_seconds", "When the network was last checked.")
	sample("check_timestamp_seconds", fmt.Sprint(at.Unix()))
	metric("healthy", "Whether the check found nothing wrong.")
	sample("healthy", truth[d.Healthy()])
	metric("fault", "1 for each fault that the check found.")
	told := map[[5]string]bool{}
	for _, f := range d.Faults {
		cable := ""
		if f.Cable != nil {
			cable = f.Cable[0].Node + ":" + f.Cable[0].Interface + "-" + f.Cable[1].Node + ":" + f.Cable[1].Interface
		}
		// Two addresses that a node lacks are two faults with the same labels, and
		// for a sample that is there twice the whole file is thrown away.
		labels := [5]string{string(f.Kind), f.Node, label(f.Interface), label(cable), f.Severity.String()}
		if told[labels] {
			continue
		}
		told[labels] = true
		sample("fault", "1", "kind", string(f.Kind), "node", f.Node, "interface", f.Interface, "cable", cable, "severity", f.Severity.String())
	}
	metric("node_seen", "Whether the node told its state.")
	for _, n := range d.Nodes {
		sample("node_seen", truth[n.State == NodeIsSeen], "node", n.Name)
	}
	metric("cable_whole", "Whether the cable carries, or could if spanning tree let it.")
	for _, c := range d.Ring {
		sample("cable_whole", truth[c.State == Carries || c.State == Blocks],
			"cable", c.Cable[0].Node+":"+c.Cable[0].Interface+"-"+c.Cable[1].Node+":"+c.Cable[1].Interface)
	}
	metric("ping_loss_ratio", "Part of the packets that did not come back.")
	d.eachPing(func(p PairSeen, size string, g Ping) {
		if g.Sent > 0 {
			sample("ping_loss_ratio", fmt.Sprintf("%.3f", 1-float64(g.Received)/float64(g.Sent)), "from", p.From, "to", p.To, "size", size)
		}
	})
	metric("ping_seconds", "Mean time of the packets that came back.")
	d.eachPing(func(p PairSeen, size string, g Ping) {
		if g.Received > 0 {
			sample("ping_seconds", fmt.Sprintf("%.6f", g.Latency.Seconds()), "from", p.From, "to", p.To, "size", size)
		}
	})
	return []byte(b.String())
}

func (d Diagnosis) eachPing(do func(PairSeen, string, Ping)) {
	for _, p := range d.Pairs {
		if p.Small != nil {
			do(p, "small", *p.Small)
		}
		if p.Full != nil {
			do(p, "full", *p.Full)
		}
	}
}

// label is a label's value: names of nodes and of interfaces come from outside.
func label(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(clean(s))
}
