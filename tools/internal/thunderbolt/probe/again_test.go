package probe

import (
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

// What only pings show, and only once, was a moment; what they show twice is a
// fault.
func TestSecondLook(t *testing.T) {
	for name, test := range map[string]struct {
		ping string
		want string
		note string
	}{
		"a moment": {`[ -e "$NODE/looked" ] || lost=1`, "", "an earlier look had found what the last one did not: packets are lost"},
		"lasting":  {`lost=1`, "loss", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			ping := strings.Replace(fakePing, "echo\n", test.ping+"\nif [ \"$lost\" ]; then echo; echo \"$n packets transmitted, 1 received, 50% packet loss, time 90ms\"; exit; fi\necho\n", 1)
			// The slow pings of the second try are those of a loss.
			ping = strings.Replace(ping, "n=10 ;;", "n=10 ;;\n\"-n -q -c 9 -i 0.2 -W 0.7 10.77.1.\"? | \"-n -q -c 6 -i 0.2 -W 0.7 -M do -s 65492 10.77.1.\"?) n=9 ;;", 1)
			w.write(t, "baobab/bin/ping", ping)
			w.write(t, "baobab/bin/dmesg", "#!/bin/sh\n[ -e \"$NODE/first\" ] && : >\"$NODE/looked\"\n: >\"$NODE/first\"\n")
			p := &Probe{Plan: plan(), Timeout: 5 * time.Second, Now: time.Now, Reach: func(target string) host.Remote { return host.Remote{Target: target} }}
			d, err := p.Diagnose(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			kinds := ""
			for _, f := range d.Faults {
				kinds += string(f.Kind)
			}
			if !strings.HasPrefix(kinds, test.want) || (test.want == "") != d.Healthy() {
				t.Errorf("found %q: %v", d.Faults, d.Notes)
			}
			if !strings.Contains(strings.Join(d.Notes, "; "), test.note) {
				t.Errorf("notes %q", d.Notes)
			}
		})
	}
}
