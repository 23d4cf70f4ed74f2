package schedule

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Machine is where a schedule is installed.
type Machine struct {
	Root string // folder before every path; empty: none
	// Offline says that the machine of Root does not run: units are enabled for
	// its next start, and none is started.
	Offline bool
	Say     func(format string, args ...any) // is told of every change
}

// InstallCron has cron run the plan, and takes away timers that did. Twice is
// as good as once.
func (m Machine) InstallCron(ctx context.Context, p Plan) error {
	file, err := p.Cron()
	if err != nil {
		return err
	}
	if _, err := os.Stat(m.path(filepath.Dir(file.Path))); err != nil {
		return tell.Hint(fmt.Errorf("schedule: %w", err), "install cron, or use make install-timer")
	}
	if err := m.makeFolders(p); err != nil {
		return err
	}
	if err := m.put(file); err != nil {
		return err
	}
	return m.RemoveTimer(ctx, p.Layer)
}

// RemoveCron takes away what InstallCron wrote.
func (m Machine) RemoveCron(layer string) error { return m.take(CronPath(layer)) }

// InstallTimer has systemd run the plan, and takes away the file for cron that
// did. Twice is as good as once.
func (m Machine) InstallTimer(ctx context.Context, p Plan) error {
	if !m.Offline {
		// Where systemd does not run, this tells so before anything is changed.
		if err := m.systemctl(ctx, "daemon-reload"); err != nil {
			return err
		}
	}
	if err := m.makeFolders(p); err != nil {
		return err
	}
	files := p.Units()
	if err := m.drop(ctx, p.Layer, files); err != nil { // a drill whose key has left
		return err
	}
	var timers []string
	for _, file := range files {
		if err := m.put(file); err != nil {
			return err
		}
		if filepath.Ext(file.Path) == ".timer" {
			timers = append(timers, filepath.Base(file.Path))
		}
	}
	if !m.Offline {
		if err := m.systemctl(ctx, "daemon-reload"); err != nil {
			return err
		}
	}
	if err := m.systemctl(ctx, append([]string{"enable"}, timers...)...); err != nil {
		return err
	}
	if !m.Offline {
		// Not just started: one that runs would keep its old hours.
		if err := m.systemctl(ctx, append([]string{"restart"}, timers...)...); err != nil {
			return err
		}
	}
	return m.RemoveCron(p.Layer)
}

// RemoveTimer takes away what InstallTimer wrote. A run that goes on is not
// disturbed.
func (m Machine) RemoveTimer(ctx context.Context, layer string) error { return m.drop(ctx, layer, nil) }

// drop takes away the units of a layer but those to keep.
func (m Machine) drop(ctx context.Context, layer string, keep []File) error {
	var here []string
	for _, path := range unitFiles(layer) {
		if slices.ContainsFunc(keep, func(f File) bool { return f.Path == path }) {
			continue
		}
		there, err := m.ours(path)
		if err != nil {
			return err
		}
		if there {
			here = append(here, path)
		}
	}
	if len(here) == 0 {
		return nil
	}
	disable := []string{"disable"}
	if !m.Offline {
		disable = append(disable, "--now")
	}
	timers := 0
	for _, path := range here {
		if filepath.Ext(path) == ".timer" {
			disable, timers = append(disable, filepath.Base(path)), timers+1
		}
	}
	if timers > 0 {
		if err := m.systemctl(ctx, disable...); err != nil {
			return err
		}
	}
	for _, path := range here {
		if err := m.take(path); err != nil {
			return err
		}
	}
	if m.Offline {
		return nil
	}
	return m.systemctl(ctx, "daemon-reload")
}

// makeFolders makes what the deeds would make themselves, because the units may
// write only to folders that are there when they start.
func (m Machine) makeFolders(p Plan) error {
	if m.Offline {
		return nil
	}
	for _, folder := range []string{p.Backups, p.State} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
	}
	return nil
}

func (m Machine) path(p string) string { return filepath.Join(m.Root, p) }

// ours says whether a file that we wrote stands at path. One that somebody else
// wrote is ErrForeign.
func (m Machine) ours(path string) (bool, error) {
	b, err := os.ReadFile(m.path(path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("schedule: %w", err)
	case !strings.HasPrefix(string(b), mark):
		return false, tell.Hint(fmt.Errorf("schedule: %s: %w", m.path(path), ErrForeign), "move that file away and try again")
	}
	return true, nil
}

// put makes a file hold its text.
func (m Machine) put(file File) error {
	path := m.path(file.Path)
	there, err := m.ours(file.Path)
	if err != nil {
		return err
	}
	if there {
		b, err := os.ReadFile(path)
		if err == nil && string(b) == file.Text {
			m.Say("%s: as it was", path)
			return nil
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	if err := state.ReplaceBytes(path, []byte(file.Text), 0o644); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = tell.Hint(err, "run it as root")
		}
		return fmt.Errorf("schedule: %w", err)
	}
	m.Say("%s: written", path)
	return nil
}

// take removes a file of ours, if it is there.
func (m Machine) take(path string) error {
	there, err := m.ours(path)
	if err != nil || !there {
		return err
	}
	if err := os.Remove(m.path(path)); err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	m.Say("%s: removed", m.path(path))
	return nil
}

func (m Machine) systemctl(ctx context.Context, args ...string) error {
	command := []string{"systemctl"}
	if m.Offline {
		command = append(command, "--root="+m.Root)
	}
	err := host.Run(ctx, host.Command{Args: append(command, args...)})
	if err != nil {
		return tell.Hint(fmt.Errorf("schedule: %w", err), "where systemd does not run, make install-cron does the same by cron")
	}
	return nil
}
