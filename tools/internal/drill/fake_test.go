package drill

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serve puts a k3s into PATH whose kubectl knows the given answers: by path
// and, for a further page, "path continue". It refuses everything else, and
// writes what it was asked into the file asked.
func serve(t *testing.T, answers map[string]any) (a api, asked string) {
	t.Helper()
	dir := t.TempDir()
	for path, answer := range answers {
		b, ok := answer.(string)
		if !ok {
			encoded, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			b = string(encoded)
		}
		if err := os.WriteFile(filepath.Join(dir, url.PathEscape(path)), []byte(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked = filepath.Join(dir, "asked")
	script := `#!/bin/sh
# kubectl [--kubeconfig F] get --raw PATH
echo "$*" >>"` + asked + `"
[ "$1" = kubectl ] || exit 64
[ "$2" = --kubeconfig ] && { set -- kubectl "$4" "$5" "$6"; }
[ "$2 $3" = "get --raw" ] || exit 64
path=${4%%\?*}
next=$(printf %s "$4" | sed -n 's/.*continue=\([a-z0-9]*\).*/ \1/p')
name=$(printf %s "$path$next" | sed 's|/|%2F|g; s| |%20|g')
[ -f "` + dir + `/$name" ] || { echo "Error from server (NotFound): the server could not find the requested resource" >&2; exit 1; }
cat "` + dir + `/$name"
`
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "k3s"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	path := bin + string(filepath.ListSeparator) + os.Getenv("PATH")
	t.Setenv("PATH", path)
	return api{env: []string{"PATH=" + path}, tmp: t.TempDir()}, asked
}

// objects is a list as the API gives it.
func objects(n int, next string) map[string]any {
	items := make([]any, n)
	for i := range items {
		items[i] = map[string]any{"metadata": map[string]any{"name": "o"}}
	}
	return map[string]any{"kind": "List", "metadata": map[string]any{"continue": next}, "items": items}
}

// collect runs one of the askings and returns its checks.
func collect(t *testing.T, run func(*reporter) error) []Check {
	t.Helper()
	var out strings.Builder
	if err := run(&reporter{json.NewEncoder(&out)}); err != nil {
		t.Fatal(err)
	}
	var checks []Check
	d := &Drill{}
	_, _, err := d.follow(strings.NewReader(out.String()), &tally{counts: map[string]int64{}, show: func(c Check) error {
		checks = append(checks, c)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	return checks
}
