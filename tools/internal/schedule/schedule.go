// Package schedule has the deeds of a layer done by themselves: each night a
// backup and then a verification, each week a drill where the private key is at
// hand. By cron or by systemd, never by both.
//
// The one thing to know: what it writes runs the executables with the settings
// that the person who installed it had (HOME, BACKUP_ROOT and their like), since
// neither cron nor systemd would tell them.
package schedule

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/railiance/railiance/tools/internal/tell"
)

// mark begins every file that we write, so that we replace and remove no other.
const mark = "# railiance: written by `make install-"

// The system's folders of programs, because cron's own PATH lacks
// /usr/local/bin, where k3s is.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// How long a deed may take before it is ended: one that hangs would hold its
// lock, and every night after it would do nothing.
const (
	verifyTimeout = 4 * time.Hour
	drillTimeout  = 2 * time.Hour
)

// Plan is what to run for a layer. All paths are absolute.
type Plan struct {
	Layer    string
	Dir      string        // of layer.yaml
	Backups  string        // of the sets; the log is written there
	Bin      string        // folder of the executables
	Backup   string        // name of the executable that backs up
	Restore  string        // name of the one that verifies and drills
	Verbs    Verbs         // what they are called with
	Timeout  time.Duration // of a whole backup
	Reading  time.Duration // of a whole verification; 0: four hours
	Drilling time.Duration // of a drill; 0: two hours
	Drill    bool          // whether drills can run here
	Env      []Setting     // besides PATH
	After    []string      // systemd units that a backup needs
	State    string        // folder of what is remembered outside of Backups
	Writable []string      // further folders that the deeds write to, and do not make
}

// Verbs are the words, of plain letters, that the executables are called with
// besides the layer and the log. Empty ones are nothing, verify and drill.
type Verbs struct{ Backup, Verify, Drill string }

func (p Plan) verbs() Verbs {
	return Verbs{p.Verbs.Backup, cmp.Or(p.Verbs.Verify, "verify"), cmp.Or(p.Verbs.Drill, "drill")}
}

func (p Plan) drilling() time.Duration { return cmp.Or(p.Drilling, drillTimeout) }

func (p Plan) reading() time.Duration { return cmp.Or(p.Reading, verifyTimeout) }

// Setting is one variable of the environment.
type Setting struct{ Name, Value string }

// File is one file of a schedule.
type File struct{ Path, Text string }

// Log is where the deeds tell their story.
func (p Plan) Log() string { return filepath.Join(p.Backups, "backup.log") }

// Check refuses a plan that could not run, or that somebody else than root
// could make run something else.
func (p Plan) Check() error {
	paths := append([]string{p.Dir, p.Backups, p.Bin, p.State}, p.Writable...)
	for _, s := range p.Env {
		if !name(s.Name) {
			return fmt.Errorf("schedule: %q is not the name of a setting", s.Name)
		}
		paths = append(paths, s.Value)
	}
	for _, path := range paths {
		if err := plain(path); err != nil {
			return err
		}
	}
	for _, verb := range []string{p.Verbs.Backup, p.Verbs.Verify, p.Verbs.Drill} {
		if strings.Trim(verb, "abcdefghijklmnopqrstuvwxyz0123456789.- ") != "" {
			return fmt.Errorf("schedule: %q would not reach the program as it stands", verb)
		}
	}
	for _, exe := range []string{p.Backup, p.Restore} {
		path := filepath.Join(p.Bin, exe)
		info, err := os.Stat(path)
		switch {
		case err != nil:
			return tell.Hint(fmt.Errorf("schedule: %w", err), "make build makes the executables; --bin names their folder")
		case !info.Mode().IsRegular() || info.Mode().Perm()&0o100 == 0:
			return fmt.Errorf("schedule: %s is not a program", path)
		case info.Mode().Perm()&0o022 != 0:
			return tell.Hint(fmt.Errorf("schedule: %s may be changed by others than its owner (%s), and root would run it", path, info.Mode().Perm()),
				"chmod go-w %s", path)
		}
	}
	return nil
}

// plain refuses what cron or systemd would read as something else than a path:
// both have quoting rules of their own, and cron ends a command at a percent
// sign.
func plain(path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("schedule: %q is not an absolute path", path)
	}
	for _, r := range path {
		if strings.ContainsRune("%$`\"'\\", r) || !unicode.IsPrint(r) {
			return tell.Hint(fmt.Errorf("schedule: %q: cron and systemd would not take %q as a part of a path", path, r),
				"use another folder, or a symbolic link to this one")
		}
	}
	if strings.TrimSpace(path) != path {
		return fmt.Errorf("schedule: %q begins or ends with a space", path)
	}
	return nil
}

func name(s string) bool {
	return s != "" && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == ""
}

// ErrForeign says that a file stands where ours would, and is not ours.
var ErrForeign = errors.New("it is not ours, so it was left as it is")
