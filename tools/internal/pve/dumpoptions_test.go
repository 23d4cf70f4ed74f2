package pve

import (
	"slices"
	"strings"
	"testing"
)

// What vzdump is called with comes from layer.yaml and from the cluster: nothing
// there becomes another option.
func TestDumpOptions(t *testing.T) {
	for want, c := range map[string]struct {
		g Guest
		o DumpOptions
	}{
		"100 --stdout --compress 0 --mode snapshot":                                    {Guest{ID: 100, Type: VM}, DumpOptions{}},
		"100 --stdout --compress 0 --mode stop --fleecing enabled=1,storage=local-lvm": {Guest{ID: 100, Type: VM}, DumpOptions{Mode: "stop", Fleecing: "local-lvm"}},
		"200 --stdout --compress 0 --mode suspend --stdexcludes 0 --bwlimit 5":         {Guest{ID: 200, Type: CT}, DumpOptions{Mode: "suspend", Fleecing: "local-lvm", BandwidthKiB: 5}},
		`error: "local,keep=1" is no storage`:                                          {Guest{ID: 100, Type: VM}, DumpOptions{Fleecing: "local,keep=1"}},
		`error: "-x" is no storage`:                                                    {Guest{ID: 100, Type: VM}, DumpOptions{Fleecing: "-x"}},
		`error: there is no mode "--all"`:                                              {Guest{ID: 100, Type: VM}, DumpOptions{Mode: "--all"}},
		"error: " + ErrNoGuest.Error():                                                 {Guest{ID: 99, Type: VM}, DumpOptions{}},
	} {
		args, err := c.o.args(c.g)
		got := strings.Join(args, " ")
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != want || err != nil && !slices.Equal(args, nil) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
