package probe

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// world is a folder for each node with programs that answer as the node of the
// recorded ring did, and an ssh that runs what it is given with them.
type world struct{ dir string }

const fakeIP = `#!/bin/sh
case "$*" in
"-j -d -s link show") cat "$NODE/ip-j-d-link.json" ;;
"-j addr show") cat "$NODE/ip-j-addr.json" ;;
"-j route show") cat "$NODE/ip-j-route.json" ;;
"-j -6 route show") echo '[]' ;;
"-j neigh show") cat "$NODE/ip-j-neigh.json" ;;
*) echo "ip: unknown: $*" >&2; exit 99 ;;
esac
`

const fakeBridge = `#!/bin/sh
case "$*" in
"-j link show") cat "$NODE/bridge-j-link.json" ;;
"-j fdb show") cat "$NODE/bridge-j-fdb.json" ;;
*) echo "bridge: unknown: $*" >&2; exit 99 ;;
esac
`

const fakePing = `#!/bin/sh
case "$*" in
"-n -q -c 10 -i 0.02 -W 0.7 10.77.1."?) n=10 ;;
"-n -q -c 4 -i 0.03 -W 0.7 -M do -s 65492 10.77.1."?) n=4 ;;
*) echo "ping: unknown: $*" >&2; exit 99 ;;
esac
echo
echo "$n packets transmitted, $n received, 0% packet loss, time 90ms"
echo "rtt min/avg/max/mdev = 0.064/0.080/0.091/0.011 ms"
`

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t.TempDir()}
	archive, err := txtar.ParseFile(filepath.Join("..", "testdata", "recorded", "healthy.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		w.write(t, f.Name, string(f.Data))
	}
	for _, node := range []string{"baobab", "ebony", "tapia"} {
		w.write(t, node+"/bin/ip", fakeIP)
		w.write(t, node+"/bin/bridge", fakeBridge)
		w.write(t, node+"/bin/ping", fakePing)
		w.write(t, node+"/bin/dmesg", "#!/bin/sh\n")
	}
	w.write(t, "bin/ssh", fmt.Sprintf(`#!/bin/sh
for last; do target=$line; line=$last; done
export NODE=%s/${target#root@}
export PATH=$NODE/bin:$PATH
exec /bin/sh -c "$line"
`, w.dir))
	t.Setenv("PATH", w.dir+"/bin:"+os.Getenv("PATH"))
	return w
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func plan() thunderbolt.Plan {
	p := thunderbolt.Plan{Bridge: "vmbr1", MTU: 65520}
	for i, name := range []string{"baobab", "ebony", "tapia"} {
		p.Nodes = append(p.Nodes, thunderbolt.PlanNode{Name: name, Hosts: []clustercontext.Host{{Target: "root@" + name}}, Interfaces: []string{"thunderbolt0", "thunderbolt1"},
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}), 24)}})
	}
	return p
}

func (w *world) look(t *testing.T, timeout time.Duration) thunderbolt.Diagnosis {
	t.Helper()
	p := &Probe{Plan: plan(), Timeout: timeout, Now: time.Now, Reach: func(target string) host.Remote { return host.Remote{Target: target} }}
	seen, err := p.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return thunderbolt.Diagnose(p.Plan, seen)
}

// A node that answers as it likes is a finding of its own; the others are judged
// as if it were not there, in time and in little memory.
func TestHostileNodes(t *testing.T) {
	const unreadable, slow, failed = "unreadable@ebony", "slow-ssh@ebony", "unreached@ebony"
	for name, test := range map[string]struct {
		file, text string
		want       string // fault
		note       string
	}{
		"fine":            {"unused", "", "", ""},
		"chatty login":    {"bin/profile", "", "", ""},
		"garbage":         {"bin/ip", "#!/bin/sh\nhead -c 5000 /dev/urandom\n", unreadable, ""},
		"half a JSON":     {"bin/ip", "#!/bin/sh\nhead -c 900 \"$NODE/ip-j-d-link.json\"\n", unreadable, ""},
		"another JSON":    {"bin/ip", "#!/bin/sh\necho '{\"a\": [1]}'\n", unreadable, ""},
		"no interface":    {"bin/ip", "#!/bin/sh\necho '[]'\n", unreadable, ""},
		"nothing":         {"bin/ip", "#!/bin/sh\n", unreadable, ""},
		"a deep JSON":     {"bin/ip", "#!/bin/sh\nhead -c 100000 /dev/zero | tr '\\0' '['\n", unreadable, ""},
		"MTU in words":    {"bin/ip", "#!/bin/sh\nsed 's/\"mtu\":65520/\"mtu\":\"65520\"/' \"$NODE/ip-j-d-link.json\"\n", unreadable, ""},
		"MTU beyond":      {"bin/ip", "#!/bin/sh\nsed 's/\"mtu\":65520/\"mtu\":6552000000000000000000/' \"$NODE/ip-j-d-link.json\"\n", unreadable, ""},
		"long name":       {"bin/ip", "#!/bin/sh\nsed 's/\"mgmt0\"/\"0123456789abcdef\"/' \"$NODE/ip-j-d-link.json\"\n", unreadable, ""},
		"name twice":      {"bin/ip", "#!/bin/sh\nsed 's/\"mgmt0\"/\"vmbr1\"/' \"$NODE/ip-j-d-link.json\"\n", unreadable, ""},
		"longest name":    {"ip-j-d-link.json", renamed("thunderbolt0123", "vmbr1"), "", "thunderbolt0123"},
		"escapes in name": {"ip-j-d-link.json", renamed(`\u001b[2J\u009bm`, "vmbr1"), "", "interface �[2J�m that"},
		"100 MB":          {"bin/ip", "#!/bin/sh\nhead -c 100000000 /dev/zero\n", failed, ""},
		"hangs":           {"bin/timeout", "#!/bin/sh\nprintf x\nexec sleep 30\n", slow, ""},
		"another clock":   {"bin/date", "#!/bin/sh\necho $(($(/bin/date +%s) + 3600))\n", "", "the clock of ebony differs from ours by "},
		"no clock":        {"bin/date", "#!/bin/sh\necho midnight\n", "", "date: is no number"},
		"no ping":         {"bin/ping", "#!/bin/sh\necho 'ping: socket: Operation not permitted'\nexit 2\n", "no-pings@ebony", ""},
		"ping garbage":    {"bin/ping", "#!/bin/sh\nhead -c 3000 /dev/urandom\n", "no-pings@ebony", "makes no sense"},
		"no iproute2":     {"bin/ip", "#!/bin/sh\nexit 127\n", unreadable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.write(t, "ebony/"+test.file, test.text)
			if name == "chatty login" {
				ssh, err := os.ReadFile(w.dir + "/bin/ssh")
				if err != nil {
					t.Fatal(err)
				}
				w.write(t, "bin/ssh", strings.Replace(string(ssh), "exec", "echo '[{\"ifname\":\"evil\"}]'; exec", 1))
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			begin := time.Now()
			d := w.look(t, 3*time.Second)
			if took := time.Since(begin); took > 8*time.Second {
				t.Errorf("took %s", took)
			}
			runtime.ReadMemStats(&after)
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 150<<20 {
				t.Errorf("took %d MiB", grown>>20)
			}
			var got []string
			for _, f := range d.Faults {
				got = append(got, f.ID())
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("found %q, want %q: %q", got, test.want, d.Faults)
			}
			notes := strings.Join(d.Notes, "; ")
			if !strings.Contains(notes, test.note) {
				t.Errorf("notes %q, want %q", notes, test.note)
			}
			var page strings.Builder
			if err := d.Write(&page); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsAny(page.String(), "\x1b\u009b\x00") {
				t.Errorf("what a node sends reaches the terminal: %q", page.String())
			}
			for _, n := range d.Nodes {
				if n.Name != "ebony" && (n.State != "seen" || len(n.Ports) != 2) {
					t.Errorf("%s is %+v", n.Name, n)
				}
			}
		})
	}
}

// renamed is ebony's recording with one more interface in the bridge.
func renamed(name, master string) string {
	archive, err := txtar.ParseFile(filepath.Join("..", "testdata", "recorded", "healthy.txtar"))
	if err != nil {
		panic(err)
	}
	i := slices.IndexFunc(archive.Files, func(f txtar.File) bool { return f.Name == "ebony/ip-j-d-link.json" })
	return strings.Replace(string(archive.Files[i].Data), "[{", fmt.Sprintf(`[{"ifindex":99,"ifname":"%s","flags":["UP","LOWER_UP"],"mtu":65520,"master":"%s"},{`, name, master), 1)
}

// allowed are the programs that a check may run on a node, with all their
// arguments. A line that is added here must only look.
func allowed() []string {
	return []string{
		"date -u +%s",
		"ip -j -d -s link show",
		"bridge -j link show",
		"ip -j addr show",
		"ip -j route show",
		"ip -j -6 route show",
		"ip -j neigh show",
		"bridge -j fdb show",
		"grep -s . /sys/bus/thunderbolt/devices/*/device_name /sys/bus/thunderbolt/devices/*/rx_speed /sys/bus/thunderbolt/devices/*/rx_lanes",
		"dmesg", "grep -i thunderbolt", "tail -n 10",
		"ping -n -q -c 10 -i 0.02 -W 0.7 10.77.1.1",
		"ping -n -q -c 9 -i 0.2 -W 0.7 10.77.1.1",
		"ping -n -q -c 4 -i 0.03 -W 0.7 -M do -s 65492 10.77.1.1",
		"ping -n -q -c 6 -i 0.2 -W 0.7 -M do -s 65492 10.77.1.1",
	}
}

// The kernel is asked what really was run on a node, and that is on the list.
func TestRunsOnlyWhatLooks(t *testing.T) {
	strace := mustrun.Command(t, "strace")
	w := newWorld(t)
	log := filepath.Join(w.dir, "log")
	ssh, err := os.ReadFile(w.dir + "/bin/ssh")
	if err != nil {
		t.Fatal(err)
	}
	// One ping that loses, for the second look.
	w.write(t, "baobab/bin/ping", "#!/bin/sh\necho '10 packets transmitted, 8 received, 20% packet loss, time 9ms'\n")
	w.write(t, "bin/ssh", strings.Replace(string(ssh), "exec /bin/sh", "exec "+strace+" -f -qq -s 500 -e trace=execve -o "+log+".${target#root@}.$$ /bin/sh", 1))
	w.look(t, 20*time.Second)
	logs, err := filepath.Glob(log + ".*")
	if err != nil || len(logs) != 3 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	ran := map[string]bool{}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			_, args, is := strings.Cut(line, "execve(")
			if !is || strings.Contains(line, " = -1") {
				continue // PATH is searched
			}
			_, args, _ = strings.Cut(args, ", [")
			args, _, _ = strings.Cut(args, "], 0x")
			words := strings.Split(strings.Trim(args, `"`), `", "`)
			words[0] = filepath.Base(words[0])
			// The wrappers: a shell, the watchdog, and the fakes' own insides.
			if words[0] == "sh" && len(words) > 2 && words[1] == "-c" || words[0] == "cat" && strings.HasPrefix(words[1], w.dir) {
				continue
			}
			if words[0] == "sh" {
				words = append([]string{filepath.Base(words[1])}, words[2:]...) // a fake
			}
			if words[0] == "timeout" && words[1] == fmt.Sprint(each) {
				continue // runs the next line
			}
			command := strings.Join(words, " ")
			for _, address := range []string{"10.77.1.2", "10.77.1.3"} {
				command = strings.ReplaceAll(command, address, "10.77.1.1")
			}
			ran[command] = true
			if !slices.Contains(allowed(), command) {
				t.Errorf("ran %q", command)
			}
		}
	}
	for _, command := range allowed() {
		if !ran[command] {
			t.Errorf("%q is allowed and was not run", command)
		}
	}
}
