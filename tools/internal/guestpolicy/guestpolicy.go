// Package guestpolicy says how each guest of a Proxmox cluster is backed up: the
// section guests of a layer.yaml.
//
// The one thing to know: a setting is looked for in four places, from the widest
// to the nearest: default, then what is said of the guest's pool, of its tags,
// and of the guest itself. Each setting on its own; of two tags the later rule
// wins.
package guestpolicy

import (
	"path/filepath"
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
