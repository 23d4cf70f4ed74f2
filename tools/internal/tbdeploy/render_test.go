package tbdeploy

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

func threeNodes() thunderbolt.Plan {
	p := thunderbolt.Plan{Bridge: "vmbr1", MTU: 65520}
	for i, name := range []string{"baobab", "ebony", "tapia"} {
		p.Nodes = append(p.Nodes, thunderbolt.PlanNode{Name: name, Interfaces: []string{"thunderbolt0", "en06"},
			Addresses: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 77, 1, byte(i + 1)}), 24), netip.MustParsePrefix("fd00::" + string(rune('1'+i)) + "/64")}})
	}
	return p
}

func rendered(t *testing.T, p thunderbolt.Plan, paths map[string]string) map[string]string {
	t.Helper()
	files, err := Files(p, "ebony", paths)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		if !ours(f.Path) {
			t.Errorf("%s is not known as ours", f.Path)
		}
		all[f.Path] = f.Text
	}
	return all
}

func TestRendered(t *testing.T) {
	files := rendered(t, threeNodes(), map[string]string{"en06": "pci-0000:00:0d.3"})
	for path, wants := range map[string][]string{
		stanzaPath: {"auto vmbr1\niface vmbr1\n    address 10.77.1.2/24\n    address fd00::2/64\n    bridge-ports thunderbolt0 en06\n    bridge-stp on\n    bridge-bridgeprio 8192\n",
			"    bridge-maxage 6\n    bridge-fd 4\n    mtu 65520\n", "\nallow-hotplug en06\niface en06\n    mtu 65520\n"},
		rulesPath: {`KERNEL=="en06", ATTR{mtu}="65520", RUN+="/usr/local/sbin/railiance-thunderbolt-join en06"`},
		hookPath:  {"thunderbolt0 | en06) ;;", `ip link set dev "$1" master vmbr1`},
		"/etc/systemd/network/10-railiance-en06.link": {"[Match]\nPath=pci-0000:00:0d.3\n\n[Link]\nName=en06\nMTUBytes=65520\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(files[path], want) {
				t.Errorf("%s lacks %q:\n%s", path, want, files[path])
			}
		}
	}
	if len(files) != 4 {
		t.Errorf("there are %d files", len(files))
	}
	routed := threeNodes()
	routed.Routed, routed.Bridge = true, ""
	files = rendered(t, routed, nil)
	if text := files[stanzaPath] + files[hookPath]; strings.Contains(text, "bridge-") || strings.Contains(text, "master") || strings.Count(text, "address 10.77.1.2/24") != 1 {
		t.Errorf("routed has\n%s", text)
	}
	if !strings.Contains(files[hookPath], "|| { setsid ifup") {
		t.Errorf("udev ends what is in the background as a whole:\n%s", files[hookPath])
	}
	// What belongs to the node must outlive every cable.
	routed.Nodes[1].Addresses = []netip.Prefix{netip.MustParsePrefix("10.77.1.2/32"), netip.MustParsePrefix("fd00::2/128")}
	if text := rendered(t, routed, nil)[stanzaPath]; !strings.Contains(text, "auto lo\niface lo\n    address 10.77.1.2/32\n    address fd00::2/128\n\nallow-hotplug thunderbolt0\niface thunderbolt0\n    mtu") {
		t.Errorf("routed, with addresses of its own, has\n%s", text)
	}
	off := threeNodes()
	off.NoSTP = true
	if text := rendered(t, off, nil)[stanzaPath]; !strings.Contains(text, "bridge-stp off") {
		t.Errorf("without spanning tree it is\n%s", text)
	}
	if _, err := Files(threeNodes(), "stranger", nil); err == nil {
		t.Error("a node that is not there has files")
	}
}

// The timers are legal for every ring that there can be: 802.1D, 17.14.
func TestTimers(t *testing.T) {
	for n := 1; n < 60; n++ {
		age, delay := timers(n)
		const hello = 2
		if age < 6 || age > 40 || delay < 4 || delay > 30 || 2*(delay-1) < age || age < 2*(hello+1) || n <= 38 && age < n {
			t.Errorf("%d nodes: maximum age %d, delay %d", n, age, delay)
		}
	}
}

// What runs on a node is POSIX sh, also where sh is no bash.
func TestScriptsArePOSIX(t *testing.T) {
	dash := mustrun.Command(t, "dash")
	names, err := filepath.Glob("node/*.sh")
	if err != nil || len(names) < 7 {
		t.Fatalf("%v, %v", names, err)
	}
	texts := map[string]string{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = string(text)
	}
	texts["hook"] = rendered(t, threeNodes(), nil)[hookPath]
	for name, text := range texts {
		cmd := exec.Command(dash, "-n")
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		for _, bashism := range []string{"[[", "local ", "function ", "<<<", "&>", "source "} {
			if strings.Contains(text, bashism) {
				t.Errorf("%s has %q", name, bashism)
			}
		}
	}
}

func TestConflicts(t *testing.T) {
	const sourced = "auto lo\nsource /etc/network/interfaces.d/*\n"
	for name, test := range map[string]struct {
		has  node
		want string
	}{
		"fine":              {node{others: map[string]string{"/etc/network/interfaces": sourced}, over: []string{"vmbr0"}}, ""},
		"a folder":          {node{others: map[string]string{"/etc/network/interfaces": "source-directory /etc/network/interfaces.d/\n"}}, ""},
		"not read":          {node{others: map[string]string{"/etc/network/interfaces": "auto lo\n"}}, "does not read"},
		"read by another":   {node{others: map[string]string{"/etc/network/interfaces.d/x": sourced, "/etc/network/interfaces": ""}}, "does not read"},
		"defined elsewhere": {node{others: map[string]string{"/etc/network/interfaces": sourced + "iface vmbr1 inet static\n"}}, "/etc/network/interfaces defines vmbr1 already"},
		"our own way":       {node{others: map[string]string{"/etc/network/interfaces": sourced}, over: []string{"vmbr1"}}, "ssh comes over vmbr1"},
		// As Proxmox writes it, unasked.
		"a bare card":      {node{others: map[string]string{"/etc/network/interfaces": "iface en06 inet manual\n#thunder\n\niface thunderbolt0 inet manual\nauto vmbr0\n" + sourced}}, ""},
		"a card with more": {node{others: map[string]string{"/etc/network/interfaces": "iface en06 inet manual\n\tmtu 9000\n" + sourced}}, "defines en06 already"},
		"not applied yet":  {node{others: map[string]string{"/etc/network/interfaces": sourced, "/etc/network/interfaces.new": sourced + "iface vmbr1 inet manual\n\tbridge-ports none\n"}}, "interfaces.new defines vmbr1 already"},
		"another .link":    {node{others: map[string]string{"/etc/network/interfaces": sourced}, links: map[string]string{"/etc/systemd/network/00-thunderbolt1.link": "[Match]\nPath=pci-0000:00:0d.3\nDriver=thunderbolt-net\n[Link]\nName=en06\n"}}, "00-thunderbolt1.link names what is at pci-0000:00:0d.3"},
		"a later .link":    {node{others: map[string]string{"/etc/network/interfaces": sourced}, links: map[string]string{"/usr/local/lib/systemd/network/50-pve-nic0.link": "[Match]\nPath=pci-0000:00:0d.3\n"}}, ""},
		"ifupdown":         {node{others: map[string]string{"/etc/network/interfaces": sourced}, lacks: []string{"ifreload"}}, "lacks ifreload"},
		"no ifupdown2":     {node{others: map[string]string{"/etc/network/interfaces": sourced}, lacks: []string{"ifquery"}}, "lacks ifquery"},
	} {
		err := test.has.conflicts(threeNodes(), "ebony", map[string]string{"en06": "pci-0000:00:0d.3"})
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestDiff(t *testing.T) {
	old := "1\n2\n3\n4\n5\n6\n7\n8\n9\n"
	if got, want := diff(old, strings.Replace(old, "5\n", "five\n\x1b[2J\n", 1)), " …\n 2\n 3\n 4\n-5\n+five\n+�[2J\n 6\n 7\n 8\n …\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := diff(strings.Repeat("x\n", 3000), ""); !strings.Contains(got, "too long") {
		t.Errorf("%.100q", got)
	}
}

// A node that answers as it likes leads to an error, or to less than nothing: it
// names no place to write to.
func TestHostileAnswers(t *testing.T) {
	for _, args := range [][]string{
		{"was", "x", "=%%%"}, {"was", "x", "eA=="}, {"path", "0644", stanzaPath}, {"file"}, {"file", "="}, {"record"}, {"record", "-"},
		{"leads", "x", "=eA=="}, {"leads", "x", "="}, {"leads", "x"},
	} {
		n := node{files: map[string]Has{}, record: map[string]string{}}
		if err := n.tell(args[0], args[1:]); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
	for _, path := range []string{"/etc/shadow", "/etc/systemd/network/10-railiance-../../shadow.link", "/etc/systemd/network/10-railiance-a/b.link", "", "/etc/network/interfaces"} {
		n := node{before: []File{{}}}
		if err := n.tell("path", []string{"0644", path}); err == nil {
			t.Errorf("%q is taken as a place to write to", path)
		}
	}
	// Somebody else's file may be called as it likes.
	n := node{others: map[string]string{}}
	if err := n.tell("other", []string{"/etc/network/interfaces.d/a", "copy", "=YQ=="}); err != nil || n.others["/etc/network/interfaces.d/a copy"] != "a" {
		t.Errorf("%q, %v", n.others, err)
	}
	n = node{before: []File{{}}}
	if err := n.tell("path", []string{"4755", hookPath}); err == nil {
		t.Error("a kept file with a mode of its own is taken")
	}
}
