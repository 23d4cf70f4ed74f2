package restorecli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/schedule"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/unseal"
)

// slack is what a backup may take besides its assets: reading the older sets,
// pruning, telling.
const slack = 15 * time.Minute

func scheduleVerbs(sh *plugin.Shell) *cobra.Command {
	verb := &cobra.Command{
		Use:   "schedule",
		Short: "Have backups, verifications and drills done by themselves",
	}
	verb.AddCommand(scheduleInstall(sh), scheduleRemove(sh))
	return verb
}

// with are the flags that both verbs have.
type with struct {
	cron, timer bool
	root        string
}

func (w *with) flags(verb *cobra.Command) {
	flags := verb.Flags()
	flags.BoolVar(&w.cron, "cron", false, "by cron: a file in /etc/cron.d")
	flags.BoolVar(&w.timer, "timer", false, "by systemd: units in /etc/systemd/system")
	flags.StringVar(&w.root, "root", "", "folder of another system, which does not run, such as an image")
}

// check refuses neither and both.
func (w *with) check() error {
	if w.cron == w.timer {
		return &plugin.Usage{Err: errors.New("one of --cron and --timer says by what")}
	}
	return nil
}

func (w *with) machine(sh *plugin.Shell) (schedule.Machine, error) {
	m := schedule.Machine{Offline: w.root != "", Say: func(format string, args ...any) { fmt.Fprintf(sh.Stdout, format+"\n", args...) }}
	if w.root == "" {
		return m, nil
	}
	root, err := filepath.Abs(w.root)
	m.Root = root
	return m, err
}

func scheduleInstall(sh *plugin.Shell) *cobra.Command {
	var w with
	var print bool
	var bin string
	verb := &cobra.Command{
		Use:   "install",
		Short: "Backup and verification at 02:00, on Sundays at 04:00 a drill where the private key is",
		Long: `Writes the schedule with the settings of this call: HOME, BACKUP_ROOT,
RAILIANCE_STATE and SOPS_AGE_KEY_FILE. Installing the one kind takes the other
away; installing twice changes nothing. The story of the runs is in backup.log
in the backup folder.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(); err != nil {
				return err
			}
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			p, err := schedulePlan(sh, l, bin)
			if err != nil {
				return &plugin.Usage{Err: err}
			}
			if print {
				return printSchedule(sh.Stdout, p, w.cron)
			}
			m, err := w.machine(sh)
			if err != nil {
				return err
			}
			if w.cron {
				return m.InstallCron(cmd.Context(), p)
			}
			return m.InstallTimer(cmd.Context(), p)
		},
	}
	w.flags(verb)
	verb.Flags().BoolVar(&print, "print", false, "print the files instead of writing them")
	verb.Flags().StringVar(&bin, "bin", "", "folder of the executables (default: that of this one)")
	return verb
}

func scheduleRemove(sh *plugin.Shell) *cobra.Command {
	var w with
	verb := &cobra.Command{
		Use:   "remove",
		Short: "Take away what schedule install wrote, and nothing else",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := w.check(); err != nil {
				return err
			}
			l, err := sh.Layer()
			if err != nil {
				return err
			}
			m, err := w.machine(sh)
			if err != nil {
				return err
			}
			if w.cron {
				return m.RemoveCron(l.Name)
			}
			return m.RemoveTimer(cmd.Context(), l.Name)
		},
	}
	w.flags(verb)
	return verb
}

func printSchedule(w io.Writer, p schedule.Plan, cron bool) error {
	files := p.Units()
	if cron {
		file, err := p.Cron()
		if err != nil {
			return err
		}
		files = []schedule.File{file}
	}
	for _, f := range files {
		if _, err := fmt.Fprintf(w, "# %s\n%s\n", f.Path, f.Text); err != nil {
			return err
		}
	}
	return nil
}

// schedulePlan is what to run for the layer, with the settings of this call.
func schedulePlan(sh *plugin.Shell, l *layer.Layer, bin string) (schedule.Plan, error) {
	if bin == "" {
		exe, err := os.Executable()
		if err != nil {
			return schedule.Plan{}, err
		}
		bin = filepath.Dir(exe)
	}
	p := schedule.Plan{
		Layer: l.Name, Dir: l.Dir, Backups: l.Backups, State: filepath.Dir(l.Seen), Bin: bin,
		Backup: strings.Replace(sh.Program, "-restore-", "-backup-", 1), Restore: sh.Program,
		Timeout: slack,
		After:   []string{strings.TrimSuffix(l.K3s.Service, ".service") + ".service"},
	}
	for _, a := range l.Assets {
		p.Timeout += a.Timeout
	}
	for _, name := range []string{"BACKUP_ROOT", "RAILIANCE_STATE", "SOPS_AGE_KEY_FILE"} {
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
	err := keyAtHand(sh, l)
	p.Drill = err == nil
	if err != nil {
		sh.Tell.Warn("", "no drill is scheduled: %v", err)
	}
	return p, p.Check()
}

// keyAtHand tries whether a scheduled run on this machine could open what is
// sealed today. Only keys in files count: what stands in the environment of
// this call will not be there at night.
func keyAtHand(sh *plugin.Shell, l *layer.Layer) error {
	if l.SOPS == "" {
		return fmt.Errorf("no .sops.yaml from %s upward names a recipient", l.Dir)
	}
	to, err := access.ForPath(l.SOPS, filepath.Join(l.Backups, catalog.ArtifactName(l.Assets[0].Name, sh.Now(), "x")))
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
