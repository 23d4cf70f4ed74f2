package layercli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/schedule"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/unseal"
)

// SchedulePlan is what to run for the layer, with the settings of this call.
// What runs, for how long at most and after what is left to the caller. name is
// that of one of the layer's artifacts, to see whether a drill could open it.
func SchedulePlan(sh *plugin.Shell, l *layer.Layer, bin, name string) (schedule.Plan, error) {
	if bin == "" {
		exe, err := os.Executable()
		if err != nil {
			return schedule.Plan{}, err
		}
		bin = filepath.Dir(exe)
	}
	p := schedule.Plan{
		Layer: l.Name, Dir: l.Dir, Backups: l.Backups, State: filepath.Dir(l.Seen), Bin: bin,
	}
	for _, name := range []string{"BACKUP_ROOT", "RAILIANCE_STATE", "SOPS_AGE_KEY_FILE", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"} {
		if value := os.Getenv(name); value != "" {
			p.Env = append(p.Env, schedule.Setting{Name: name, Value: value})
		}
	}
	p.Env = append(p.Env, schedule.Setting{Name: "HOME", Value: plugin.Home()})
	// Nobody knows from which folder cron and systemd will call.
	var errs []error
	absolute := func(path *string) {
		abs, err := filepath.Abs(*path)
		*path, errs = abs, append(errs, err)
	}
	absolute(&p.Bin)
	absolute(&p.Backups)
	for i := range p.Env {
		absolute(&p.Env[i].Value)
	}
	absolute(&p.State)
	if l.Metrics != "" {
		p.Writable = []string{l.Metrics}
	}
	if err := errors.Join(errs...); err != nil {
		return schedule.Plan{}, err
	}
	err := keyAtHand(l, name)
	p.Drill = err == nil
	if err != nil {
		sh.Tell.Warn("", "no drill is scheduled: %v", err)
	}
	return p, nil
}

// keyAtHand tries whether a scheduled run on this machine could open what is
// sealed today. Only keys in files count: what stands in the environment of
// this call will not be there at night.
func keyAtHand(l *layer.Layer, name string) error {
	if l.SOPS == "" {
		return fmt.Errorf("no .sops.yaml from %s upward names a recipient", l.Dir)
	}
	to, err := access.ForPath(l.SOPS, filepath.Join(l.Backups, name))
	if err != nil {
		return err
	}
	found, err := identity.Load(func(name string) string {
		if name == "SOPS_AGE_KEY_FILE" {
			return os.Getenv(name)
		}
		return ""
	}, plugin.Home(), nil)
	if err != nil {
		return errors.New("no private key is kept on this machine, as is right for one that makes backups: drill on another one, from a copy")
	}
	var sealed bytes.Buffer
	if err := seal.Stream(func(io.Writer) error { return nil }).Encrypted(to.List...)(&sealed); err != nil {
		return err
	}
	if _, err := unseal.Copy(io.Discard, &sealed, found.Identities...); err != nil {
		return tell.Hint(fmt.Errorf("%w (of %s)", err, strings.Join(found.From, ", ")), "%s names who can", l.SOPS)
	}
	return nil
}
