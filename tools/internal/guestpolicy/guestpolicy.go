// Package guestpolicy says how each guest of a Proxmox cluster is backed up: the
// section guests of a layer.yaml.
//
// The one thing to know: a setting is looked for in four places, from the widest
// to the nearest: default, then what is said of the guest's pool, of its tags,
// and of the guest itself. Each setting on its own; of two tags the later rule
// wins.
package guestpolicy

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
)

// What Network may say of a cluster network that is not well.
const (
	Ignore  = "ignore"
	Warn    = "warn"
	Require = "require" // no backup
)

// The modes of vzdump.
const (
	Snapshot = "snapshot"
	Suspend  = "suspend"
	Stop     = "stop"
)

// Policy is the section guests of a layer.yaml.
type Policy struct {
	Cluster string `yaml:"cluster"` // as the cluster context calls it
	Context string `yaml:"context"` // its file; relative to the layer's folder
	// Sites are all the stores of the cluster context that sets lie in, as
	// server/store. A rule may name fewer.
	Sites    []string `yaml:"sites"`
	Network  string   `yaml:"network"`
	Parallel int      `yaml:"parallel"` // nodes that back up at once; 0: all
	Default  Settings `yaml:"default"`
	Nodes    Settings `yaml:"nodes"` // of the backups of the nodes themselves
	Rules    []Match  `yaml:"rules"`
	Drill    Drill    `yaml:"drill"`

	base Rule
}

// Match is settings for one guest, or for those of a tag or of a pool.
type Match struct {
	Guest    int    `yaml:"guest"`
	Tag      string `yaml:"tag"`
	Pool     string `yaml:"pool"`
	Settings `yaml:",inline"`
}

// Settings are what one place says; nil: nothing.
type Settings struct {
	Skip      *bool         `yaml:"skip"`
	Mode      *Mode         `yaml:"mode"`
	Fleecing  *string       `yaml:"fleecing"`
	Bandwidth *Size         `yaml:"bandwidth"` // a second
	Keep      *catalog.Keep `yaml:"keep"`
	Sites     []string      `yaml:"sites"`
	MaxAge    *Duration     `yaml:"max-age"`
	Window    *Window       `yaml:"window"`
	Spool     *Spool        `yaml:"spool"`
	Timeout   *Duration     `yaml:"timeout"`
}

// Spool is room on a disk of this machine for ciphertext that a slow site does
// not take yet, so that the guest does not wait for it.
type Spool struct {
	Dir string `yaml:"dir"`
	Max Size   `yaml:"max"` // 0: none
}

// Rule is what holds for one guest or node.
type Rule struct {
	Skip         bool
	Mode         string // Snapshot, Suspend or Stop
	Fleecing     string // storage of the node; empty: none
	BandwidthKiB int    // a second; 0: as fast as it goes
	Keep         catalog.Keep
	Sites        []string
	MaxAge       time.Duration // of the newest set, beyond which status complains
	Window       Window        // when a run over many guests may begin with this one
	Spool        Spool
	Timeout      time.Duration // of one backup
}

// What holds where nothing is said.
const (
	defaultTimeout  = 12 * time.Hour
	defaultSpoolDir = "/var/tmp"
	defaultSpool    = 4 << 30 // bytes
)

// Where the cluster context is, below the layer's folder.
const defaultContext = "cluster-context/madagascar.json"

// Settle checks p, which was decoded from the layer.yaml in dir, and completes
// it. keep and maxAge are the layer's own. Errors name the field.
func (p *Policy) Settle(dir string, keep catalog.Keep, maxAge time.Duration) error {
	if p.Context == "" {
		p.Context = defaultContext
	}
	if !filepath.IsAbs(p.Context) {
		p.Context = filepath.Join(dir, p.Context)
	}
	if p.Network == "" {
		p.Network = Warn
	}
	p.base = Rule{
		Mode: Snapshot, Keep: keep, MaxAge: maxAge, Timeout: defaultTimeout, Sites: p.Sites,
		Spool: Spool{Dir: defaultSpoolDir, Max: defaultSpool},
	}
	return p.check()
}

func (p *Policy) check() error {
	switch {
	case p.Cluster == "":
		return errors.New("guests.cluster: missing: which cluster of the cluster context it is")
	case !slices.Contains([]string{Ignore, Warn, Require}, p.Network):
		return fmt.Errorf("guests.network: %q is none of %s, %s, %s", p.Network, Ignore, Warn, Require)
	case p.Parallel < 0:
		return fmt.Errorf("guests.parallel: %d is below 0", p.Parallel)
	case len(p.Sites) == 0:
		return errors.New("guests.sites: none: name stores of the cluster context, as nas/disk")
	}
	for i, s := range p.Sites {
		if !site.MatchString(s) {
			return fmt.Errorf("guests.sites[%d]: %q is not a store of a server, as nas/disk", i, s)
		}
		if slices.Contains(p.Sites[:i], s) {
			return fmt.Errorf("guests.sites[%d]: %s stands here twice", i, s)
		}
	}
	if err := p.Drill.settle(); err != nil {
		return fmt.Errorf("guests.%w", err)
	}
	for field, s := range map[string]Settings{"default": p.Default, "nodes": p.Nodes} {
		if err := p.checkSettings(s); err != nil {
			return fmt.Errorf("guests.%s.%w", field, err)
		}
	}
	seen := map[string]bool{}
	for i, m := range p.Rules {
		of, err := m.of()
		if err == nil && seen[of] {
			err = fmt.Errorf("there is a rule for %s already", of)
		}
		if err != nil {
			return fmt.Errorf("guests.rules[%d]: %w", i, err)
		}
		seen[of] = true
		if err := p.checkSettings(m.Settings); err != nil {
			return fmt.Errorf("guests.rules[%d] (%s): %w", i, of, err)
		}
	}
	return nil
}

var (
	site    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$`)
	word    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_+.-]*(/[A-Za-z0-9_][A-Za-z0-9_+.-]*)*$`)
	storage = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)
)

// of is what the rule is of, and refuses one that is of nothing or of two things.
func (m Match) of() (string, error) {
	n := 0
	var of string
	if m.Guest != 0 {
		n, of = n+1, fmt.Sprintf("guest %d", m.Guest)
	}
	for kind, name := range map[string]string{"tag": m.Tag, "pool": m.Pool} {
		if name == "" {
			continue
		}
		if !word.MatchString(name) {
			return "", fmt.Errorf("%s: %q is not the name of one", kind, name)
		}
		n, of = n+1, kind+" "+name
	}
	switch {
	case n != 1:
		return "", errors.New("a rule says one of guest, tag and pool")
	case m.Guest != 0 && (m.Guest < 100 || m.Guest > 999999999):
		return "", fmt.Errorf("guest: %d is no number of a guest", m.Guest)
	}
	return of, nil
}

func (p *Policy) checkSettings(s Settings) error {
	if s.Fleecing != nil && *s.Fleecing != "" && !storage.MatchString(*s.Fleecing) {
		return fmt.Errorf("fleecing: %q is not the name of a storage", *s.Fleecing)
	}
	if s.Keep != nil {
		if err := s.Keep.Check(); err != nil {
			return err
		}
		// All of it unset keeps all, which nobody should get by a slip.
		if *s.Keep == (catalog.Keep{}) {
			return errors.New("keep: empty: say what to keep")
		}
	}
	for i, name := range s.Sites {
		if !slices.Contains(p.Sites, name) {
			return fmt.Errorf("sites[%d]: %q is none of guests.sites: %s", i, name, strings.Join(p.Sites, ", "))
		}
	}
	if s.Sites != nil && len(s.Sites) == 0 {
		return errors.New("sites: empty: skip: true is how a guest is left out")
	}
	if s.Spool != nil && s.Spool.Dir != "" && !filepath.IsAbs(s.Spool.Dir) {
		return fmt.Errorf("spool.dir: %q is not an absolute path", s.Spool.Dir)
	}
	return nil
}
