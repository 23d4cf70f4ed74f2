package guestpolicy

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/catalog"
)

const head = "cluster: madagascar\nsites: [nas/disk, nas/cloud]\n"

func read(text string) (*Policy, error) {
	var p Policy
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&p); err != nil {
		return nil, err
	}
	return &p, p.Settle("/repo/layers/madagascar", catalog.Keep{Last: 7}, 26*time.Hour)
}

func policy(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := read(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestWhatHoldsWhereNothingIsSaid(t *testing.T) {
	p := policy(t, head)
	if p.Context != "/repo/layers/madagascar/cluster-context/madagascar.json" || p.Network != Warn || p.Parallel != 0 {
		t.Errorf("%+v", p)
	}
	want := Rule{
		Mode: Snapshot, Keep: catalog.Keep{Last: 7}, Sites: []string{"nas/disk", "nas/cloud"}, MaxAge: 26 * time.Hour,
		Spool: Spool{"/var/tmp", 4 << 30}, Timeout: 12 * time.Hour,
	}
	if got := p.For(100, nil, ""); !reflect.DeepEqual(got, want) {
		t.Errorf("guest: %+v", got)
	}
	if got := p.Node(); !reflect.DeepEqual(got, want) {
		t.Errorf("node: %+v", got)
	}
}

// The nearest wins whatever the order of the rules, each setting on its own.
func TestTheNearestWins(t *testing.T) {
	p := policy(t, head+`
default: {mode: suspend, bandwidth: 20MiB, keep: {daily: 3}}
nodes: {keep: {yearly: 1}, sites: [nas/cloud]}
rules:
  - {guest: 101, mode: snapshot, skip: false}
  - {tag: web, mode: stop, fleecing: local-lvm, bandwidth: 1MiB}
  - {tag: slow, bandwidth: 512KiB, timeout: 48h}
  - {pool: production, skip: true, fleecing: other, sites: [nas/disk], spool: {max: 0}, window: "22:00-06:00"}
`)
	type view struct {
		Skip      bool
		Mode      string
		Fleecing  string
		Bandwidth int
		Keep      catalog.Keep
		Sites     string
		Timeout   time.Duration
		Spool     Spool
		Window    string
	}
	roomy, daily := Spool{"/var/tmp", 4 << 30}, catalog.Keep{Daily: 3}
	const both, usual = "nas/disk nas/cloud", 12 * time.Hour
	for _, tt := range []struct {
		id   int
		tags []string
		pool string
		want view
	}{
		{100, nil, "", view{false, Suspend, "", 20480, daily, both, usual, roomy, "always"}},
		{101, nil, "", view{false, Snapshot, "", 20480, daily, both, usual, roomy, "always"}},
		{100, nil, "production", view{true, Suspend, "other", 20480, daily, "nas/disk", usual, Spool{"/var/tmp", 0}, "22:00-06:00"}},
		{100, nil, "production/inner", view{true, Suspend, "other", 20480, daily, "nas/disk", usual, Spool{"/var/tmp", 0}, "22:00-06:00"}},
		{100, nil, "production2", view{false, Suspend, "", 20480, daily, both, usual, roomy, "always"}},
		{100, []string{"slow", "Web"}, "", view{false, Stop, "local-lvm", 512, daily, both, 48 * time.Hour, roomy, "always"}},
		{101, []string{"web"}, "production", view{false, Snapshot, "local-lvm", 1024, daily, "nas/disk", usual, Spool{"/var/tmp", 0}, "22:00-06:00"}},
	} {
		r := p.For(tt.id, tt.tags, tt.pool)
		got := view{r.Skip, r.Mode, r.Fleecing, r.BandwidthKiB, r.Keep, strings.Join(r.Sites, " "), r.Timeout, r.Spool, r.Window.String()}
		if got != tt.want {
			t.Errorf("%d %v %s:\n got %+v\nwant %+v", tt.id, tt.tags, tt.pool, got, tt.want)
		}
	}
	if n := p.Node(); n.Keep != (catalog.Keep{Yearly: 1}) || !reflect.DeepEqual(n.Sites, []string{"nas/cloud"}) || n.BandwidthKiB != 20480 {
		t.Errorf("nodes: %+v", n)
	}
	// What a caller does to a rule is nobody else's business.
	p.For(100, nil, "").Sites[0] = "changed"
	if p.Sites[0] != "nas/disk" {
		t.Error("a rule shares its sites with the policy")
	}
}

func TestWindows(t *testing.T) {
	for text, holds := range map[string]map[string]bool{
		"22:00-06:00": {"21:59": false, "22:00": true, "23:59": true, "00:00": true, "05:59": true, "06:00": false, "12:00": false},
		"01:30-02:00": {"01:29": false, "01:30": true, "01:59": true, "02:00": false},
		"always":      {"00:00": true, "13:00": true},
	} {
		w := policy(t, head+"default: {window: '"+text+"'}").For(100, nil, "").Window
		if w.String() != text {
			t.Errorf("%s came back as %s", text, w)
		}
		for at, want := range holds {
			when, err := time.Parse("15:04", at)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.Holds(when); got != want {
				t.Errorf("%s holds %s: %v", text, at, got)
			}
		}
	}
}

// A mistake is named by its line or its field, so that nobody has to guess.
func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"sites: [nas/disk]\n":                                         "guests.cluster: missing",
		"cluster: m\n":                                                "guests.sites: none",
		"cluster: m\nsites: [disk]\n":                                 `guests.sites[0]: "disk" is not a store of a server`,
		"cluster: m\nsites: [nas/../up]\n":                            "guests.sites[0]",
		"cluster: m\nsites: [nas/disk, nas/disk]\n":                   "guests.sites[1]: nas/disk stands here twice",
		head + "network: maybe\n":                                     `guests.network: "maybe" is none of`,
		head + "parallel: -1\n":                                       "guests.parallel: -1",
		head + "surprise: 1\n":                                        "line 3: field surprise not found",
		head + "default: {mood: stop}\n":                              "line 3: field mood not found",
		head + "default: {mode: snapshott}\n":                         `line 3: mode: "snapshott" is none of`,
		head + "default: {fleecing: '--storage'}\n":                   `guests.default.fleecing: "--storage"`,
		head + "default: {bandwidth: 100}\n":                          `line 3: "100" is not a size`,
		head + "default: {bandwidth: -1KiB}\n":                        "is not a size",
		head + "default: {bandwidth: 9999999999TiB}\n":                "is not a size",
		head + "default: {keep: {last: -1}}\n":                        "guests.default.keep: last: -1 is below 0",
		head + "default: {keep: {}}\n":                                "guests.default.keep: empty",
		head + "default: {keep: {lasst: 1}}\n":                        "line 3: field lasst not found",
		head + "default: {sites: []}\n":                               "guests.default.sites: empty",
		head + "nodes: {sites: [nas/tape]}\n":                         `guests.nodes.sites[0]: "nas/tape" is none of guests.sites: nas/disk, nas/cloud`,
		head + "default: {max-age: 1d}\n":                             `line 3: "1d" is not a duration`,
		head + "default: {timeout: 0s}\n":                             "is not a duration",
		head + "default: {window: '22:00'}\n":                         `line 3: window: "22:00"`,
		head + "default: {window: '25:00-06:00'}\n":                   "is not a time of day",
		head + "default: {window: '06:00-06:00'}\n":                   "is not a time of day",
		head + "default: {spool: {dir: spool}}\n":                     `guests.default.spool.dir: "spool" is not an absolute path`,
		head + "default: {spool: {max: lots}}\n":                      "is not a size",
		head + "rules: [{skip: true}]\n":                              "guests.rules[0]: a rule says one of guest, tag and pool",
		head + "rules: [{guest: 100, tag: a}]\n":                      "a rule says one of",
		head + "rules: [{pool: a, tag: a}]\n":                         "a rule says one of",
		head + "rules: [{guest: 99}]\n":                               "guest: 99 is no number of a guest",
		head + "rules: [{guest: web}]\n":                              "line 3: cannot unmarshal",
		head + "rules: [{tag: 'a b'}]\n":                              `tag: "a b" is not the name of one`,
		head + "rules: [{tag: a}, {pool: a}, {tag: a, skip: true}]\n": "guests.rules[2]: there is a rule for tag a already",
		head + "rules: [{tag: a, sites: [nas/tape]}]\n":               "guests.rules[0] (tag a): sites[0]",
		head + "rules: [{guest: 100, mode: [stop]}]\n":                "line 3: mode",
		head + "rules: [{guest: 100, command: rm}]\n":                 "field command not found",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// A guest that is gone has no tags any more; what they meant to keep for years
// must not go by the rule of all others.
func TestKeepIsSure(t *testing.T) {
	for rules, want := range map[string]map[int]bool{
		"[]":                              {100: true},
		"[{tag: a, mode: stop}]":          {100: true},
		"[{guest: 101, keep: {last: 1}}]": {100: true, 101: true},
		"[{tag: a, keep: {yearly: 9}}, {guest: 101, keep: {last: 1}}, {guest: 102, mode: stop}]": {100: false, 101: true, 102: false},
		"[{pool: a, keep: {yearly: 9}}]": {100: false},
	} {
		p := policy(t, head+"rules: "+rules)
		for id, sure := range want {
			if p.KeepIsSure(id) != sure {
				t.Errorf("%s: guest %d: %v", rules, id, !sure)
			}
		}
	}
}
