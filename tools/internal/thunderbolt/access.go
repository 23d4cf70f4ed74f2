package thunderbolt

import (
	"fmt"
	"strings"
	"time"
)

// access judges how ssh reached the node. What could be a node that is down is
// left to carriers, which the neighbours know of.
func (m *mind) access(n PlanNode) {
	s := m.seen[n.Name]
	at := End{Node: n.Name}
	name, target := clean(n.Name), m.target(n.Name)
	machine := target[strings.LastIndex(target, "@")+1:]
	said := []string{fmt.Sprintf("ssh %s: %s", target, clean(s.SSH.Said))}
	switch s.SSH.Trouble {
	case Refused:
		m.fault(Fault{Kind: SSHDDown, Severity: Error, End: at, Evidence: said,
			What: fmt.Sprintf("%s refuses ssh: its sshd does not run", name),
			Mend: []string{on(n.Name, "systemctl restart ssh (on its console)")}})
	case Slow:
		m.fault(Fault{Kind: SSHSlow, Severity: Error, End: at, Evidence: said,
			What: fmt.Sprintf("%s listens for ssh, and did not let us work within %s", name, s.SSH.Took.Round(time.Second)),
			Mend: []string{fmt.Sprintf("ssh -v %s true; its name service, its disk and its load are the usual reasons", target)}})
	case KeyChanged:
		m.fault(Fault{Kind: HostKey, Severity: Error, End: at, Evidence: said,
			What: fmt.Sprintf("%s shows another host key than is known: it was installed anew, or somebody stands between", name),
			Mend: []string{on(n.Name, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub (on its console, to compare)"), fmt.Sprintf("ssh-keygen -R %s && ssh %s true (only if it is the same)", machine, target)}})
	case KeyUnknown:
		m.fault(Fault{Kind: HostUnknown, Severity: Error, End: at, Evidence: said,
			What: fmt.Sprintf("the host key of %s is not known here", name),
			Mend: []string{on(n.Name, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub (on its console, to compare)"), fmt.Sprintf("ssh %s true", target)}})
	case Denied, Failed:
		m.fault(Fault{Kind: Unreached, Severity: Error, End: at, Evidence: said,
			What: fmt.Sprintf("ssh does not get into %s (%s)", name, s.SSH.Trouble),
			Mend: []string{fmt.Sprintf("ssh -v %s true", target)}})
	case Silent:
		// carriers
	default:
		if s.Links == nil {
			m.fault(Fault{Kind: Unreadable, Severity: Error, End: at, Evidence: cleanAll(s.Unread),
				What: fmt.Sprintf("what %s answers makes no sense", name),
				Mend: []string{fmt.Sprintf("ssh %s ip -j -d -s link", target)}})
			return
		}
		for _, u := range s.Unread {
			m.note("%s: %s", name, clean(u))
		}
		if s.SSH.Took > slow && s.SSH.Took > 3*m.quickest() {
			m.fault(Fault{Kind: SSHSlow, Severity: Warning, End: at,
				What: fmt.Sprintf("ssh to %s took %s", name, s.SSH.Took.Round(100*time.Millisecond)),
				Mend: []string{fmt.Sprintf("ssh -v %s true; its name service, its disk and its load are the usual reasons", target)}})
		}
		if s.Clock.Abs() > time.Minute {
			m.note("the clock of %s differs from ours by %s", name, s.Clock.Round(time.Second))
		}
	}
}

// quickest is how long ssh took to the quickest node: where all are slow, it is
// us.
func (m *mind) quickest() time.Duration {
	var least time.Duration
	for _, n := range m.plan.Nodes {
		if s := m.seen[n.Name]; s.judged() && (least == 0 || s.SSH.Took < least) {
			least = s.SSH.Took
		}
	}
	if len(m.plan.Nodes) == 1 {
		return 0 // nothing to compare with
	}
	return least
}

func cleanAll(lines []string) []string {
	var all []string
	for _, l := range lines {
		all = append(all, clean(l))
	}
	return all
}

// carriers judges the cables by what their ends receive, and with it the nodes
// from which nothing was heard.
func (m *mind) carriers() {
	for _, n := range m.plan.Nodes {
		if m.seen[n.Name].SSH.Trouble == Silent {
			m.silent(n)
		}
	}
	for i := range m.cables {
		c := &m.cables[i]
		for k, end := range c {
			l, there, judged := m.link(end)
			if !judged || !there || !l.Up || l.Carrier {
				continue
			}
			peer := c[1-k]
			p, peerThere, peerJudged := m.link(peer)
			evidence := fmt.Sprintf("%s is up and has no carrier", end)
			switch {
			case m.down[peer.Node]:
			case peerJudged && (!peerThere || !p.Up):
				m.explain(peer, evidence)
			case peerJudged && !p.Carrier && k == 1:
				// Said with the first end.
			case peerJudged:
				f := m.fault(Fault{Kind: NoCarrier, Severity: Error, Cable: c, Evidence: []string{evidence},
					What: fmt.Sprintf("the cable %s carries no signal, and both its ends are up", c),
					Mend: []string{fmt.Sprintf("unplug and plug in the cable between %s and %s, or replace it", clean(end.Node), clean(peer.Node))}})
				f.Evidence = append(f.Evidence, m.seen[end.Node].Kernel...)
			default:
				m.fault(Fault{Kind: LinkDown, Severity: Error, End: peer, Cable: c, Evidence: []string{evidence, clean(peer.Node) + " itself could not be looked at"},
					What: fmt.Sprintf("no signal from %s", peer),
					Mend: []string{on(peer.Node, "ip link set %s up", clean(peer.Interface)), "or the cable is out"}})
			}
		}
	}
}

// explain adds evidence to what is known to be wrong at end.
func (m *mind) explain(end End, evidence string) {
	for i := range m.faults {
		if m.faults[i].End == end && (m.faults[i].Kind == LinkDown || m.faults[i].Kind == Missing) {
			m.faults[i].Evidence = append(m.faults[i].Evidence, evidence)
		}
	}
}

// silent judges a node of which ssh heard nothing: its neighbours see whether
// it has power.
func (m *mind) silent(n PlanNode) {
	s := m.seen[n.Name]
	evidence := []string{fmt.Sprintf("ssh %s: %s", m.target(n.Name), clean(s.SSH.Said))}
	lit, dark := 0, 0
	for _, name := range n.Interfaces {
		c := m.cable(End{n.Name, name})
		if c == nil {
			continue
		}
		far := c.other(End{n.Name, name})
		switch l, there, judged := m.link(far); {
		case !judged || !there || !l.Up:
		case l.Carrier:
			lit++
		default:
			dark++
			evidence = append(evidence, fmt.Sprintf("%s has no carrier", far))
		}
	}
	var heard []string
	for _, from := range m.plan.Nodes {
		if p := m.ping(from.Name, n.Name, false); p != nil && p.Received > 0 && m.claimed[n.Name] == "" {
			heard = append(heard, clean(from.Name))
		}
	}
	if lit == 0 && len(heard) == 0 {
		m.down[n.Name] = true
		m.fault(Fault{Kind: NodeDown, Severity: Error, End: End{Node: n.Name}, Evidence: evidence,
			What: fmt.Sprintf("%s is down: nothing is heard of it, neither by ssh nor by its neighbours", clean(n.Name)),
			Mend: []string{fmt.Sprintf("power %s on, or look at its console", clean(n.Name))}})
		return
	}
	if len(heard) > 0 {
		evidence = append(evidence, fmt.Sprintf("it answers %s in the Thunderbolt network", names(heard)))
	}
	m.fault(Fault{Kind: Unreached, Severity: Error, End: End{Node: n.Name}, Evidence: evidence,
		What: fmt.Sprintf("%s lives, and ssh does not reach it: its management network is away", clean(n.Name)),
		Mend: []string{on(n.Name, "ip -br addr (on its console)")}})
}
