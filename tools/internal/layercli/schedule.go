package layercli

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/schedule"
)

// Planner is what to run for a layer; bin is the folder of the executables,
// empty where nobody named one.
type Planner func(sh *plugin.Shell, l *layer.Layer, bin string) (schedule.Plan, error)

// Schedule installs and removes what runs by itself.
func Schedule(sh *plugin.Shell, plan Planner) *cobra.Command {
	verb := &cobra.Command{
		Use:   "schedule",
		Short: "Have backups, verifications and drills done by themselves",
	}
	verb.AddCommand(scheduleInstall(sh, plan), scheduleRemove(sh))
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
	m := schedule.Machine{Offline: w.root != "", Say: func(format string, args ...any) {
		done := struct {
			Format int    `json:"format"`
			Done   string `json:"done"`
		}{1, fmt.Sprintf(format, args...)}
		_ = sh.Print(done, func(w io.Writer) { fmt.Fprintln(w, done.Done) }) // a text is JSON in any case
	}}
	if w.root == "" {
		return m, nil
	}
	root, err := filepath.Abs(w.root)
	m.Root = root
	return m, err
}

func scheduleInstall(sh *plugin.Shell, plan Planner) *cobra.Command {
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
			p, err := plan(sh, l, bin)
			if err == nil {
				err = p.Check()
			}
			if err != nil {
				return &plugin.Usage{Err: err}
			}
			if print {
				return printSchedule(sh, p, w.cron)
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

func printSchedule(sh *plugin.Shell, p schedule.Plan, cron bool) error {
	files := p.Units()
	if cron {
		file, err := p.Cron()
		if err != nil {
			return err
		}
		files = []schedule.File{file}
	}
	for _, f := range files {
		line := struct {
			Format int    `json:"format"`
			Path   string `json:"path"`
			Text   string `json:"text"`
		}{1, f.Path, f.Text}
		if err := sh.Print(line, func(w io.Writer) { fmt.Fprintf(w, "# %s\n%s\n", f.Path, f.Text) }); err != nil {
			return err
		}
	}
	return nil
}
