package asset

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

const mostUnitFiles = 100 // units, drop-ins, environment files

// endpoint is the datastore-endpoint that k3s was given, wherever: in its
// configuration, or by its unit, a drop-in of it, a file of variables that one
// of these names, as flag or as variable. One that is overlooked would let a
// state.db of former times pass for the datastore.
func (k K3s) endpoint() (value, where string, err error) {
	files := []string{k.Config}
	more, err := filepath.Glob(filepath.Join(k.Config+".d", "*.yaml"))
	if err != nil {
		return "", "", err
	}
	for _, file := range append(files, more...) {
		b, err := readSmall(file, configLimit)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		var config struct {
			Endpoint string `yaml:"datastore-endpoint"`
		}
		if err := Decode(b, &config); err != nil {
			return "", "", fmt.Errorf("%s: %w", file, err)
		}
		if config.Endpoint != "" {
			value, where = config.Endpoint, file
		}
	}
	units, err := k.unitFiles()
	if err != nil {
		return "", "", err
	}
	for _, u := range units {
		if v, ok := unitEndpoint(u.text); ok {
			value, where = v, u.path
		}
	}
	return value, where, nil
}

// unitFile is a file that says how k3s is started.
type unitFile struct{ path, text string }

// unitFiles are those that exist of the units, their drop-ins, and the files of
// variables that one of these names.
func (k K3s) unitFiles() ([]unitFile, error) {
	var found []unitFile
	seen := map[string]bool{}
	// What a unit names is read after it: the list grows as it is walked.
	paths := slices.Clone(k.Units)
	for i := 0; i < len(paths) && i < mostUnitFiles; i++ {
		if seen[paths[i]] {
			continue
		}
		seen[paths[i]] = true
		more, err := filepath.Glob(filepath.Join(paths[i]+".d", "*.conf"))
		if err != nil {
			return nil, err
		}
		b, err := readSmall(paths[i], configLimit)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			found = append(found, unitFile{paths[i], string(b)})
		}
		paths = append(append(paths, more...), k.environmentFiles(string(b))...)
	}
	return found, nil
}

// environmentFiles are the files that a unit takes variables from. k3s's own
// unit names three.
func (k K3s) environmentFiles(unit string) []string {
	name := strings.TrimSuffix(k.Service, ".service")
	var files []string
	for line := range strings.Lines(unit) {
		value, ok := strings.CutPrefix(strings.TrimSpace(line), "EnvironmentFile=")
		if !ok {
			continue
		}
		value = strings.TrimPrefix(strings.Trim(value, "'\""), "-") // which allows it to be missing
		value = strings.NewReplacer("%N", name, "%p", name, "%n", name+".service").Replace(value)
		if filepath.IsAbs(value) {
			files = append(files, value)
		}
	}
	return files
}

// unitEndpoint finds an endpoint in a unit file or an environment file.
func unitEndpoint(text string) (string, bool) {
	const variable, flag = "K3S_DATASTORE_ENDPOINT", "--datastore-endpoint"
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		for _, name := range []string{variable, flag} {
			_, rest, found := strings.Cut(line, name)
			if !found || rest == "" || !strings.ContainsAny(rest[:1], "= '\"\t") {
				continue
			}
			if v := strings.Trim(strings.TrimSpace(strings.TrimLeft(rest, "='\" \t")), "'\""); v != "" {
				return v, true
			}
		}
	}
	return "", false
}
