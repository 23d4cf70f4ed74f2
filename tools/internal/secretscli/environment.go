package secretscli

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// What the kernel takes: a variable has 128 KiB at the most, with its name, "="
// and a zero; all of them share a quarter of the stack with the arguments.
const (
	maxVariable = 128<<10 - 2
	maxAll      = 1 << 20
	maxName     = 200
)

// value is one variable to be, and where it is from.
type value struct{ file, name, text string }

type rules struct {
	override bool // values win over variables that are there
	keepKey  bool // the private keys stay
}

func sorted(file string, of map[string]string) []value {
	var all []value
	for name, text := range of {
		all = append(all, value{file, name, text})
	}
	slices.SortFunc(all, func(a, b value) int { return strings.Compare(a.name, b.name) })
	return all
}

// quoted is whether somebody quoted the value as a shell would want it.
func (v value) quoted() bool {
	n := len(v.text)
	return filepath.Ext(v.file) == ".env" && n > 1 && strings.ContainsAny(v.text[:1], `"'`) && v.text[0] == v.text[n-1]
}

// environment is ours with the values, and without what the command must not
// see. Every fault is told, not only the first.
func environment(ours []string, values []value, r rules) ([]string, error) {
	env := slices.Clone(ours)
	if !r.keepKey {
		env = slices.DeleteFunc(env, func(variable string) bool { return strings.HasPrefix(variable, "SOPS_AGE_") })
	}
	there := map[string]bool{}
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		there[name] = true
	}
	var faults []error
	var taken []string
	from := map[string]string{}
	size := 0
	for _, v := range values {
		if err := v.check(); err != nil {
			faults = append(faults, fmt.Errorf("%s: %s: %w", host.Printable(v.file), printable(v.name), err))
			continue
		}
		if first, twice := from[v.name]; twice {
			faults = append(faults, fmt.Errorf("%s: in both %s and %s", v.name, host.Printable(first), host.Printable(v.file)))
			continue
		}
		from[v.name] = v.file
		if there[v.name] && !r.override {
			taken = append(taken, v.name)
		}
		size += len(v.name) + len(v.text) + 2
	}
	if len(taken) > 0 {
		faults = append(faults, tell.Hint(fmt.Errorf("the environment has these already: %s", strings.Join(taken, ", ")),
			"unset them, or --override to let the files win"))
	}
	if size > maxAll {
		faults = append(faults, fmt.Errorf("the values have %s together, %s fit into an environment", tell.Bytes(int64(size)), tell.Bytes(maxAll)))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	env = slices.DeleteFunc(env, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")
		return from[name] != ""
	})
	for _, v := range values {
		env = append(env, v.name+"="+v.text)
	}
	return env, nil
}

// usable are the names that every shell can use.
var usable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v value) check() error {
	switch {
	case !usable.MatchString(v.name) || len(v.name) > maxName:
		return tell.Hint(errors.New("not a name for a variable"), "letters, digits and _, not beginning with a digit")
	case decides(v.name):
		return tell.Hint(errors.New("this variable decides which program runs, and is no secret"),
			"sops does not tell who wrote a file: anybody who has the public key can write one; set it where the command is called")
	case strings.ContainsRune(v.text, 0):
		return errors.New("its value holds a zero byte, which no variable can")
	case len(v.name)+len(v.text) > maxVariable:
		return fmt.Errorf("its value has %s, a variable takes %s", tell.Bytes(int64(len(v.text))), tell.Bytes(maxVariable))
	}
	return nil
}

// decides is whether a variable can make a program run code of somebody else.
// The list cannot be complete; it has what works on nearly every program.
func decides(name string) bool {
	return slices.Contains([]string{"PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "PS4", "GCONV_PATH", "HOME"}, name) ||
		strings.HasPrefix(name, "LD_") || strings.HasPrefix(name, "SOPS_") || strings.HasPrefix(name, "BASH_FUNC_")
}

// printable is a name as far as a message has room for it.
func printable(name string) string {
	if len(name) > 60 {
		name = name[:60] + "…"
	}
	return host.Printable(name)
}
