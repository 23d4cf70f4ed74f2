// Command systemctl stands in for systemd's systemctl in tests: it acts on the
// units in the folder $SYSTEMCTL_DIR as the real one acts on a machine.
//
// The one thing to know: it reads a small part of the unit language
// (ExecStart, Environment, EnvironmentFile, no shell, no specifiers) and
// refuses arguments that it does not know.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

func main() {
	code, err := run(os.Getenv("SYSTEMCTL_DIR"), os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "systemctl: %v\n", err)
	}
	os.Exit(code)
}

// run returns the exit status: 3 from is-active for a unit that is not, 5 for
// a unit that does not exist, as systemd has it.
func run(dir string, args []string) (int, error) {
	if dir == "" {
		return 1, errors.New("SYSTEMCTL_DIR is not set: it names the folder with the units")
	}
	var verb, property string
	var names []string
	var quiet, value, now bool
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--quiet" || a == "-q":
			quiet = true
		case a == "--value":
			value = true
		case a == "--now":
			now = true
		case a == "-p" || a == "--property":
			if i++; i == len(args) {
				return 1, fmt.Errorf("option %s needs an argument", a)
			}
			property = args[i]
		case strings.HasPrefix(a, "--property="):
			property = strings.TrimPrefix(a, "--property=")
		case strings.HasPrefix(a, "-"):
			return 1, fmt.Errorf("unrecognized option %q", a)
		case verb == "":
			verb = a
		default:
			names = append(names, a)
		}
	}
	if verb != "show" && (property != "" || value) {
		return 1, fmt.Errorf("-p and --value belong to show, not to %s", verb)
	}
	if quiet && verb != "is-active" {
		return 1, fmt.Errorf("--quiet belongs to is-active, not to %s", verb)
	}
	if now && verb != "enable" && verb != "disable" {
		return 1, fmt.Errorf("unrecognized option --now of %s", verb)
	}
	if verb == "enable" || verb == "disable" || verb == "restart" && len(names) > 0 && strings.HasSuffix(names[0], ".timer") {
		if len(names) == 0 {
			return 1, fmt.Errorf("%s: too few arguments", verb)
		}
		return onTimers(dir, verb, now, names)
	}
	if verb == "daemon-reload" && len(names) == 0 {
		return 0, nil
	}
	act, ok := map[string]func(unit) (int, error){
		"start":     unit.start,
		"stop":      unit.stop,
		"restart":   unit.restart,
		"cat":       unit.cat,
		"is-active": func(u unit) (int, error) { return u.isActive(quiet) },
		"show":      func(u unit) (int, error) { return u.show(property, value) },
	}[verb]
	if !ok {
		return 1, fmt.Errorf("unknown command verb %q", verb)
	}
	if len(names) != 1 {
		return 1, fmt.Errorf("%s: one unit at a time, got %d", verb, len(names))
	}
	u, err := load(dir, names[0])
	if err != nil {
		return 1, err
	}
	return act(u)
}
