// Package probe asks the nodes of a Thunderbolt network what they see. It
// changes nothing on them: every program that it may run there stands in
// commands.go, and nowhere else.
//
// The one thing to know: each node gets one call of ssh. It tells its state,
// waits until all have, and pings the others. What comes back is bounded and
// framed by a word that is new each time; a node that sends garbage, floods or
// hangs is a finding, and the others are still asked.
package probe

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// command is a program with its arguments that only looks.
type command struct {
	name string // of its answer
	line string // for a POSIX shell
}

// looking are the commands that tell a node's state. `ip` and `bridge` show
// where they are not told to do anything else.
func looking(routed bool) []command {
	all := []command{
		{"clock", "date -u +%s"},
		{"link", "ip -j -d -s link show"},
		{"port", "bridge -j link show"},
		{"addr", "ip -j addr show"},
		{"route", "ip -j route show"},
		{"route6", "ip -j -6 route show"},
		{"neigh", "ip -j neigh show"},
		{"fdb", "bridge -j fdb show"},
		{"bus", "grep -s . /sys/bus/thunderbolt/devices/*/device_name /sys/bus/thunderbolt/devices/*/rx_speed /sys/bus/thunderbolt/devices/*/rx_lanes"},
		{"kernel", "dmesg"},
	}
	if routed {
		all = append(all, command{"fabric", "vtysh -c 'show openfabric neighbor'"})
	}
	return all
}

// filtered are commands of which only some lines matter; the node leaves the
// others out, to keep the answer small.
func filtered() map[string]string {
	return map[string]string{"kernel": " | grep -i thunderbolt | tail -n 10"}
}

// afterwards are the commands that tell what passed while the pings went.
func afterwards() []command {
	return []command{{"link-after", "ip -j -d -s link show"}, {"neigh-after", "ip -j neigh show"}}
}

// pings are the packets to one address: fast ones, and slow ones for a second
// look if some of the fast were lost. ping does not wait for the last answer for
// longer than its interval, and a busy machine is late now and then. -W is for
// those to whom nobody answers, in seconds.
type pings struct{ fast, slow string }

func small(to netip.Addr) pings {
	return pings{"ping -n -q -c 10 -i 0.02 -W 0.7 " + to.String(), "ping -n -q -c 9 -i 0.2 -W 0.7 " + to.String()}
}

func full(to netip.Addr, size int) pings {
	return pings{fmt.Sprintf("ping -n -q -c 4 -i 0.03 -W 0.7 -M do -s %d %s", size, to), fmt.Sprintf("ping -n -q -c 6 -i 0.2 -W 0.7 -M do -s %d %s", size, to)}
}

// sh is the pings in shell, with their words in $o.
func (p pings) sh() string {
	return fmt.Sprintf(`o=$(timeout %d %s 2>&1); r=$?; case $o in *" 0%% packet loss"*|*" 100%% packet loss"*) ;; *" packet loss"*) o=$(timeout %d %s 2>&1);; esac`, each, p.fast, each, p.slow)
}

// client and server measure throughput, where that was asked for. The server
// serves once, to the address of the network alone, and ends by itself.
func server(on netip.Addr) string {
	return fmt.Sprintf("timeout %d iperf3 --server --one-off --bind %s --port %d --json", iperfSeconds+8, on, iperfPort)
}

func client(to netip.Addr) string {
	return fmt.Sprintf("iperf3 --client %s --port %d --time %d --json", to, iperfPort, iperfSeconds)
}

const (
	iperfPort    = 15201
	iperfSeconds = 2
)

// each is how long one command may take, in seconds. A node whose disk or
// kernel hangs must not hold the others up.
const each = 6

// start is what a script begins with: words that programs understand, and the
// places where they are, which a login without a terminal may not know.
const start = "LC_ALL=C; PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin; export LC_ALL PATH\n"

// script is all that a node is asked for.
func script(word string, routed bool, nodes []pinged) string {
	var b strings.Builder
	b.WriteString(start)
	look(&b, word, looking(routed))
	fmt.Fprintf(&b, "printf '\\n%s waits\\n'; read -r go || exit 0\n", word)
	ping(&b, word, nodes)
	look(&b, word, afterwards())
	return b.String()
}

// look runs the commands one after another.
func look(b *strings.Builder, word string, commands []command) {
	for _, c := range commands {
		fmt.Fprintf(b, "printf '\\n%s begin %s\\n'; timeout %d %s 2>/dev/null%s; printf '\\n%s end %%s\\n' \"$?\"\n", word, c.name, each, c.line, filtered()[c.name], word)
	}
}

// pinged is a node to be pinged.
type pinged struct {
	name string // of the answers: small-name and full-name
	at   netip.Addr
	size int // of the full-size packets; 0: none
}

// ping sends all small pings at once, then the full-size ones one after
// another to who answered: at once, the answers to one would fill the buffer of
// the others, and look like a loss. An answer is kept in a variable and written
// at one go: they must not mix.
func ping(b *strings.Builder, word string, nodes []pinged) {
	answer := fmt.Sprintf("printf '\\n%s begin %%s\\n%%s\\n%s end 0\\n'", word, word)
	for i, n := range nodes {
		fmt.Fprintf(b, "(%s; %s small-%s \"$o\"; exit $r) & p%d=$!\n", small(n.at).sh(), answer, n.name, i)
	}
	for i, n := range nodes {
		if n.size > 0 {
			fmt.Fprintf(b, "if wait $p%d; then %s; %s full-%s \"$o\"; fi\n", i, full(n.at, n.size).sh(), answer, n.name)
		}
	}
	b.WriteString("wait\n")
}

func shell(script string) host.Command { return host.Command{Args: []string{"sh", "-c", script}} }
