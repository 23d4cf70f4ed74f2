// Package layertest is the contract of layers/README.md as scripts: whatever a
// layer backs up, it passes the same ones. A layer brings its programs and a
// world for them to act on; the scripts name neither.
//
// The one thing to know: the commands that harm a backup here do what a bad
// disk or an attacker could do. Those that judge it read what is on disk, with
// the code of the restores where that is the point.
package layertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// clockVariable moves the clock of the programs that a script runs.
const clockVariable = "LAYERTEST_CLOCK"

// Clock is the clock of a layer's program in a test: the one that the script
// has set, else the real one.
func Clock() time.Time {
	if t, err := time.Parse(time.RFC3339, os.Getenv(clockVariable)); err == nil {
		return t
	}
	return time.Now()
}

// Layer is what a layer brings.
type Layer struct {
	Name            string   // of its folder below BACKUP_ROOT
	Backup, Restore string   // its programs
	Assets          []string // what a complete set holds, two at the least
	// New makes a healthy world in an empty folder.
	New func(dir string) (World, error)
	// Commands are further script commands, of this layer alone.
	Commands map[string]func(*testscript.TestScript, bool, []string)
}

// World is what a layer's programs act on.
type World struct {
	Layer     string   // folder of layer.yaml
	Repo      string   // folder of .sops.yaml and allowed_signers
	Keys      string   // folder: one.txt, two.txt, stranger.txt, each with its .pub; ssh_host, ssh_other
	Env       []string // what the programs need in their environment
	Canaries  []string // secrets that may be found nowhere but in artifacts
	Plaintext []string // patterns of the files that a backup must not leave behind
	Value     any      // for the layer's own commands
}

type worldKey struct{}

// Of is the world of the running script.
func Of(ts *testscript.TestScript) World {
	w, ok := ts.Value(worldKey{}).(World)
	if !ok {
		ts.Fatalf("the script has no world")
	}
	return w
}

// Run runs the scripts in dir over the layer; update rewrites what they
// expect. They begin in the layer's folder and find the programs as $BACKUP and
// $RESTORE, the folder of the sets as $SETS, the first two assets as $ASSET and
// $OTHER, and the world's folders as $LAYER, $REPO and $KEYS.
func Run(t *testing.T, l Layer, dir string, update bool) {
	t.Helper()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       update,
		Setup:               l.setup,
		Cmds:                l.commands(),
		Condition:           condition,
	})
}

func (l Layer) setup(env *testscript.Env) error {
	w, err := l.New(filepath.Join(env.WorkDir, "world"))
	if err != nil {
		return err
	}
	env.Values[worldKey{}] = w
	env.Values[picturesKey{}] = pictures{}
	root := filepath.Join(env.WorkDir, "backups")
	env.Vars = append(env.Vars,
		"BACKUP="+l.Backup, "RESTORE="+l.Restore,
		"LAYER="+w.Layer, "REPO="+w.Repo, "KEYS="+w.Keys, "WORLDENV="+strings.Join(w.Env, " ")+" ",
		"ASSET="+l.Assets[0], "OTHER="+l.Assets[1],
		"BACKUP_ROOT="+root, "SETS="+filepath.Join(root, l.Name), "RAILIANCE_STATE="+filepath.Join(env.WorkDir, "state"))
	env.Vars = append(env.Vars, w.Env...)
	env.Cd = w.Layer
	return nil
}

// condition knows [root]; [system:PROGRAM], that it is installed here; and
// [missing:root] and [missing:PROGRAM], behind which a script skips itself.
// Where everything must run, what is missing is an error.
func condition(name string) (bool, error) {
	if name == "root" {
		return os.Geteuid() == 0, nil
	}
	if program, ok := strings.CutPrefix(name, "system:"); ok {
		for _, dir := range []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"} {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				return true, nil
			}
		}
		return false, nil
	}
	what, ok := strings.CutPrefix(name, "missing:")
	if !ok {
		return false, fmt.Errorf("unknown condition %q", name)
	}
	if what == "root" {
		if os.Geteuid() == 0 {
			return false, nil
		}
	} else if _, err := exec.LookPath(what); err == nil {
		return false, nil
	}
	if os.Getenv("MUST_RUN") != "" {
		return false, fmt.Errorf("MUST_RUN is set and %s is missing", what)
	}
	return true, nil
}

func (l Layer) commands() map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){
		"exits": exits, "clock": clock, "hold": hold, "mount": mount,
		"artifact": artifact, "manifest": manifest, "sets": sets,
		"opens": l.opens, "holds": l.holds, "private": private, "leftovers": leftovers, "canaries": canaries,
		"remember": remember, "unchanged": unchanged,
		"flip": flip, "cut": cut, "swap": swap, "forge": forge, "mangle": mangle,
	}
	for name, command := range l.Commands {
		all[name] = command
	}
	return all
}
