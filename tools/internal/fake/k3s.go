package fake

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Version is the first line of `k3s --version`.
const Version = "k3s version v1.36.3+k3s1 (1f2e3d4c)"

// K3s is the command k3s. It returns its exit status.
func K3s(args []string) int {
	err := k3s(args, os.Stdout, os.Stderr)
	if err == nil {
		return 0
	}
	if said, ok := err.(plain); ok {
		fmt.Fprintln(os.Stderr, string(said))
	} else {
		fmt.Fprintf(os.Stderr, "time=%q level=fatal msg=%q\n", time.Now().UTC().Format(time.RFC3339), err.Error())
	}
	return 1
}

// plain is what kubectl says, without k3s's log line around it.
type plain string

func (p plain) Error() string { return string(p) }

func k3s(args []string, stdout, stderr io.Writer) error {
	w, err := openWorld()
	if err != nil {
		return err
	}
	if err := w.enter("k3s", args); err != nil {
		return err
	}
	switch {
	case slices.Equal(args, []string{"--version"}):
		_, err := fmt.Fprintf(stdout, "%s\ngo version go1.26.4\n", Version)
		return err
	case len(args) > 1 && args[0] == "etcd-snapshot":
		return w.snapshot(args[1], args[2:], stdout, stderr)
	case len(args) > 0 && args[0] == "kubectl":
		return w.kubectl(args[1:], stdout)
	}
	return fmt.Errorf("no help topic for '%s'", strings.Join(args, " "))
}

func logLine(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "time=%q level=info msg=%q\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, args...))
}

// flags reads --name value and --name=value. Only the names in known are
// flags; what is no flag is returned.
func flags(args []string, known map[string]*string) ([]string, error) {
	var rest []string
	for i := 0; i < len(args); i++ {
		name, isFlag := strings.CutPrefix(args[i], "--")
		if !isFlag {
			if strings.HasPrefix(args[i], "-") {
				return nil, fmt.Errorf("flag provided but not defined: %s", args[i])
			}
			rest = append(rest, args[i])
			continue
		}
		name, value, hasValue := strings.Cut(name, "=")
		into, ok := known[name]
		if !ok {
			return nil, fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !hasValue {
			if i++; i == len(args) {
				return nil, fmt.Errorf("flag needs an argument: -%s", name)
			}
			value = args[i]
		}
		*into = value
	}
	return rest, nil
}
