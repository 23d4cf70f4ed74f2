package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// wants is where enabled timers are linked, as systemd has it.
const wants = "timers.target.wants"

// onTimers enables, disables and restarts timers. They never elapse here: what
// a timer starts is started by the test. Beside a timer that waits lies
// <unit>.waiting.
func onTimers(dir, verb string, now bool, names []string) (int, error) {
	for _, name := range names {
		if name != filepath.Base(name) || !strings.HasSuffix(name, ".timer") {
			return 1, fmt.Errorf("%s: this stand-in knows it of timers only, not of %q", verb, name)
		}
		path := filepath.Join(dir, name)
		if err := checkTimer(dir, name); errors.Is(err, fs.ErrNotExist) {
			return 5, fmt.Errorf("Unit %s not found.", name)
		} else if err != nil {
			return 1, err
		}
		link := filepath.Join(dir, wants, name)
		var err error
		switch verb {
		case "enable":
			if err = os.MkdirAll(filepath.Dir(link), 0o755); err == nil {
				err = errors.Join(gone(link), os.Symlink(path, link))
			}
		case "disable":
			err = gone(link)
		}
		switch {
		case err != nil:
		case verb == "restart", verb == "enable" && now:
			err = os.WriteFile(path+".waiting", nil, 0o600)
		case verb == "disable" && now:
			err = gone(path + ".waiting")
		}
		if err != nil {
			return 1, err
		}
	}
	return 0, nil
}

// checkTimer refuses a timer that systemd would not load: without a time, or
// without the service that it starts.
func checkTimer(dir, name string) error {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	for _, want := range []string{"[Timer]\n", "\nOnCalendar=", "[Install]\n", "\nWantedBy=timers.target\n"} {
		if !strings.Contains(string(text), want) {
			return fmt.Errorf("%s: no %q", name, strings.TrimSpace(want))
		}
	}
	service, err := load(dir, strings.TrimSuffix(name, ".timer"))
	if err == nil && len(service.exec) == 0 {
		err = fmt.Errorf("%s: there is no %s with an ExecStart=", name, service.name)
	}
	return err
}

func gone(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
