package tbdeploy

import (
	"strings"
	"testing"
)

// What ifupdown2 said on Debian 12, and what of it is a reason to undo.
func TestApplied(t *testing.T) {
	const (
		well = `warning: /sbin/brctl: missing - bridge operation may not work as expected.

w ifup 0
auto vmbr1
iface vmbr1                                                         [fail]
	bridge-ports thunderbolt0 en06                              [pass]
	bridge-fd 2                                                 [fail]
	bridge-maxage 6                                             [pass]
	bridge-hello 1                                              [fail]
	mtu 65520                                                   [pass]

iface thunderbolt0 inet manual

iface thunderbolt0                                                  [pass]
	mtu 65520                                                   [pass]

w end
`
		out = `error: vmbr1: bridge port en06 does not exist

w ifup 1

w absent en06
iface vmbr1                                                         [fail]
	bridge-ports thunderbolt0                                   [fail]
	bridge-hello 1                                              [fail]

iface en06                                                          [fail]


w end
`
	)
	for name, test := range map[string]struct {
		said     string
		rollback bool
		want     string // empty: it is well
	}{
		"well":               {well, false, ""},
		"a cable is out":     {out, false, ""},
		"all cables are out": {"error: vmbr1: bridge port thunderbolt0 does not exist\nerror: vmbr1: bridge port en06 does not exist\nw ifup 1\nw absent en06\nw absent thunderbolt0\n\tbridge-ports     [fail]\nw end\n", false, ""},
		"came back since":    {strings.Replace(out, "w absent en06\n", "", 1), false, "it is not as the file says: bridge-ports thunderbolt0"},
		"another bridge's":   {strings.Replace(out, "port en06 does", "port eno1 does", 1), false, "ifup failed (exit status 1): error: vmbr1: bridge port eno1 does not exist"},
		"more than that":     {"error: vmbr1: cmd failed\n" + out, false, "ifup failed (exit status 1): error: vmbr1: cmd failed: error: vmbr1: bridge"},
		"no reason given":    {"w ifup 1\nw end\n", false, "ifup failed (exit status 1)"},
		"locked":             {"error: Another instance of this program is already running.\nw ifup 89\nw end\n", false, "ifup failed (exit status 89): error: Another instance of this program is already running"},
		"hangs":              {"w ifup 124\nw end\n", false, "did not come to its end"},
		"a script of if-up":  {"error: vmbr1 : vmbr1: up cmd '/etc/network/if-up.d/x' failed: returned 1\n" + well, false, ""},
		"MTU refused":        {strings.ReplaceAll(well, "mtu 65520                                                   [pass]", "mtu 1500 [fail]"), false, "it is not as the file says: mtu 1500"},
		"no bridge":          {"w ifup 0\nw absent vmbr1\niface vmbr1 [fail]\n\nw end\n", false, "there is no vmbr1 after ifup"},
		"not read":           {"w unknown vmbr1\nw end\n", false, "does not find vmbr1"},
		"back to nothing":    {"w unknown vmbr1\nw end\n", true, ""},
		"a guest stays":      {strings.Replace(well, "en06                              [pass]", "en06 tap100i0 [fail]", 1), false, ""},
		"breaks off":         {strings.TrimSuffix(well, "w end\n"), false, "does not say how it went"},
		"says so itself":     {strings.ReplaceAll(well, "w ifup 0", "v ifup 0\nw ifup x"), false, "does not say how it went"},
	} {
		err := readApplied(test.said, "w").failure([]string{"thunderbolt0", "en06"}, test.rollback)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	want := "error: vmbr1: bridge port en06 does not exist|is not as the file says: bridge-ports thunderbolt0"
	if got := strings.Join(readApplied(out, "w").complaints(), "|"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
