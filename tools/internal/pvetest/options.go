package pvetest

import (
	"fmt"
	"slices"
	"strings"
)

// syntax is what a command takes.
type syntax struct {
	usage  string            // as the real one prints it below a refusal
	blank  bool              // the real one prints a blank line before its usage
	values []string          // options with a value
	flags  []string          // options that are on or off, their value may be left out
	enums  map[string]string // allowed values, separated by ", "
}

// options are those of a call. Their order is that of the call.
type options struct {
	names  []string
	values map[string]string
	line   []string // as vzdump repeats them
}

func (o options) has(name string) bool { _, ok := o.values[name]; return ok }
func (o options) on(name string) bool  { return o.values[name] == "1" }

// refuse is how the programs refuse a call.
func (s syntax) refuse(what string) error {
	gap := ""
	if s.blank {
		gap = "\n"
	}
	return fail(255, "%s\n%s%s", what, gap, s.usage)
}

// invalid refuses a parameter.
func (s syntax) invalid(name, format string, args ...any) error {
	return s.refuse(fmt.Sprintf("400 Parameter verification failed.\n%s: %s", name, fmt.Sprintf(format, args...)))
}

// parse reads arguments as Proxmox's programs do: --name value, --name=value
// and -name value, mixed with words; the value of a flag may be left out where
// the next word begins with a dash.
func (s syntax) parse(args []string) ([]string, options, error) {
	o := options{values: map[string]string{}}
	var words []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(words, args[i+1:]...), o, nil
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			words = append(words, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		flag := slices.Contains(s.flags, name)
		switch {
		case !flag && !slices.Contains(s.values, name):
			return nil, o, s.refuse("Unknown option: " + name + "\n400 unable to parse option")
		case given:
		case i+1 < len(args) && (!flag || !strings.HasPrefix(args[i+1], "-")):
			i++
			value = args[i]
		case flag:
			value = "1"
		default:
			return nil, o, s.refuse("Option " + name + " requires an argument\n400 unable to parse option")
		}
		if flag {
			switch value {
			case "1", "yes", "on", "true":
				value = "1"
			case "0", "no", "off", "false":
				value = "0"
			default:
				return nil, o, s.invalid(name, "type check ('boolean') failed - got '%s'", value)
			}
		}
		if allowed, ok := s.enums[name]; ok && !slices.Contains(strings.Split(allowed, ", "), value) {
			return nil, o, s.invalid(name, "value '%s' does not have a value in the enumeration '%s'", value, allowed)
		}
		if !o.has(name) {
			o.names = append(o.names, name)
		}
		o.values[name] = value
	}
	return words, o, nil
}

// properties reads a property string: first=value,key=value. The first may
// stand without its key.
func properties(s, first string) map[string]string {
	m := map[string]string{}
	for i, part := range strings.Split(s, ",") {
		key, value, given := strings.Cut(part, "=")
		if !given && i == 0 {
			key, value = first, part
		}
		m[key] = value
	}
	return m
}
