package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"
)

// configFlag finds the configuration file on a command line that is not parsed
// yet: the file comes before the command line, so it has to be known first.
func configFlag(args []string) (string, error) {
	for i, arg := range args {
		name, value, hasValue := strings.Cut(arg, "=")
		if !slices.Contains([]string{"--config", "-config", "-c", "--c"}, name) {
			continue
		}
		if hasValue {
			return value, nil
		}
		if i+1 == len(args) {
			return "", fmt.Errorf("incorrect usage: flag needs an argument: %s", name)
		}
		return args[i+1], nil
	}
	return "", nil
}

// applyConfig sets the flags that FILE and then FILE.d/*.yaml name. A later
// file replaces what an earlier one said, except for keys written "key+",
// which add to it. A missing file is no error.
func applyConfig(flags *flag.FlagSet, file string, warnUnknown bool) error {
	more, err := filepath.Glob(file + ".d/*.y*ml")
	if err != nil {
		return fmt.Errorf("config: %w", err)
	}
	values := map[string][]string{}
	var order []string
	for _, f := range append([]string{file}, more...) {
		raw, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("config: %w", err)
		}
		var doc map[string]any
		if err := yaml.Unmarshal(raw, &doc); err != nil {
			return fmt.Errorf("config: %s: %w", f, err)
		}
		for _, key := range slices.Sorted(maps.Keys(doc)) {
			name, adds := strings.CutSuffix(key, "+")
			if !adds {
				values[name] = nil
			}
			values[name] = append(values[name], scalars(doc[key])...)
			order = append(order, name)
		}
	}
	slices.Sort(order)
	for _, name := range slices.Compact(order) {
		f := flags.Lookup(name)
		if f == nil {
			if warnUnknown {
				logrus.Warnf("Unknown flag --%s found in %s, skipping", name, filepath.Base(file))
			}
			continue
		}
		for _, v := range values[name] {
			if err := flags.Set(name, v); err != nil {
				return fmt.Errorf("config: %s: %s: %w", file, name, err)
			}
		}
	}
	return nil
}

func scalars(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, scalars(e)...)
		}
		return out
	}
	return []string{fmt.Sprint(v)}
}
