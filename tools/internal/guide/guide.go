// Package guide writes down how a set is restored: the RESTORE.md that lies
// beside the sets, for somebody who has nothing else, and the guide that `make
// restore` prints for this machine.
//
// The one thing to know: both are made of the same commands, in commands.sh,
// which a test executes.
package guide

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/state"
)

// RestorePage is the name of the page in a layer's backup folder.
const RestorePage = "RESTORE.md"

//go:embed commands.sh restore.md machine.txt
var texts embed.FS

// Facts are what the commands depend on.
type Facts struct {
	*layer.Layer
	Backups string // folder of the sets: the layer's own, or another
	Key     string // file of the private key, as a shell reads it
	// What follows is known of one set, and empty for the page.
	Set      string // its time; empty: the shell looks for the newest
	AtFlag   bool   // it is not the one that is taken unless another is named
	FromFlag bool   // Backups is not the layer's own folder
	SQLite   bool
	Version  string // the k3s that made it
	Others   bool   // it knows further servers, perhaps
	Program  string
}

const usualKey = "$HOME/.config/sops/age/keys.txt"

// WriteRestorePage makes the page in the backup folder say what this version
// knows of restoring. A page that says it already is left alone.
func WriteRestorePage(dir string, l *layer.Layer) error {
	var page bytes.Buffer
	if err := render(&page, "restore.md", Facts{Layer: l, Backups: l.Backups, Key: usualKey}); err != nil {
		return fmt.Errorf("%s: %w", RestorePage, err)
	}
	path := filepath.Join(dir, RestorePage)
	if there, err := os.ReadFile(path); err == nil && bytes.Equal(there, page.Bytes()) {
		return nil
	}
	if err := state.ReplaceBytes(path, page.Bytes(), 0o600); err != nil {
		return fmt.Errorf("%s: %w", RestorePage, err)
	}
	return nil
}

// Machine writes the guide for this machine and one set.
func Machine(w io.Writer, f Facts) error {
	f.Key = usualKey
	return render(w, "machine.txt", f)
}

func render(w io.Writer, page string, f Facts) error {
	t := template.New(page)
	// indent is a block of commands, set off from the text around it.
	indent := func(name string, data any) (string, error) {
		var b strings.Builder
		if err := t.ExecuteTemplate(&b, name, data); err != nil {
			return "", err
		}
		return "    " + strings.ReplaceAll(b.String(), "\n", "\n    "), nil
	}
	t.Funcs(template.FuncMap{"q": quote, "indent": indent})
	if _, err := t.ParseFS(texts, "commands.sh", page); err != nil {
		return err
	}
	return t.ExecuteTemplate(w, page, f)
}

// quote makes s one word of a shell, also within ${x:-…}.
func quote(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+:@%,", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
