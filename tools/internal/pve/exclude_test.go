package pve

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

func TestReadExclusions(t *testing.T) {
	of := func(pattern string) Exclusion {
		return Exclusion{pattern, "exclude-path in /etc/vzdump.conf of ebony"}
	}
	for conf, want := range map[string][]Exclusion{
		"":                               nil,
		"# exclude-path: /a\ntmpdir: /x": nil,
		"exclude-path:\nscript: /hook":   nil,
		"exclude-path: /a\r\nmode: stop\nexclude-path:\t*.log": {of("/a"), of("*.log")},
		"  exclude-path: \"/a b\" /c ":                         {of(`"/a b" /c`)},
	} {
		if got := readExclusions(conf, "ebony"); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v", conf, got)
		}
	}
	if got := readExclusions(strings.Repeat("exclude-path: /a\n", 1000), "ebony"); len(got) != exclusionsMax+1 || got[exclusionsMax].Pattern != "" {
		t.Errorf("%d exclusions, the last %+v", len(got), got[len(got)-1])
	}
}

// Only containers are packed file by file.
func TestExclusionsAreOfContainers(t *testing.T) {
	w, c := world(t)
	ok(t, w.AddVM(pvetest.VM{ID: 100, Node: "ebony", Name: "web"}))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "ebony", Name: "db"}))
	ok(t, w.AddCT(pvetest.CT{ID: 201, Node: "tapia", Name: "dns"}))
	ok(t, os.WriteFile(filepath.Join(w.NodeDir("ebony"), "etc", "vzdump.conf"), []byte("exclude-path: /srv/cache\n"), 0o600))
	inv, err := c.Discover(soon(t))
	ok(t, err)
	for id, want := range map[int]int{100: 0, 200: 1, 201: 0} {
		g, err := c.Locate(soon(t), id)
		ok(t, err)
		for _, g := range []Guest{g, guestOf(t, inv, id)} {
			if left := g.LeftOut(); len(left) != want || want > 0 && left[0].Called() != "what matches /srv/cache" {
				t.Errorf("guest %d: %+v", id, left)
			}
		}
	}
}
