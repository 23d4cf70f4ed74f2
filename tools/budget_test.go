package tools_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxSize is what an executable may weigh.
const maxSize = 20 << 20 // bytes

// decryption are the functions of age that turn ciphertext into plaintext.
var decryption = regexp.MustCompile(`filippo\.io/age(/\S+)?\.(Decrypt\w*|NewDecryptReader\S*|\(\*(DecryptReader|\w*Identity)\)\.\S*(Read|Unwrap|unwrap)\S*)$`)

// The symbols of the executables show what is linked, whatever the imports
// say: what backs up has no decryption in it.
func TestBudget(t *testing.T) {
	dir := t.TempDir()
	// As the Makefile builds them: without the tables for debuggers, with those
	// for nm.
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-w", "-o", dir+"/", "./cmd/railiance-backup-s2", "./cmd/railiance-restore-s2").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for name, decrypts := range map[string]bool{"railiance-backup-s2": false, "railiance-restore-s2": true} {
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() >= maxSize {
			t.Errorf("%s has %d bytes, %d are allowed", name, info.Size(), maxSize)
		}
		symbols, err := exec.Command("go", "tool", "nm", path).Output()
		if err != nil {
			t.Fatalf("go tool nm: %v", err)
		}
		var found []string
		age := 0
		for line := range strings.Lines(string(symbols)) {
			line = strings.TrimSpace(line)
			if strings.Contains(line, " filippo.io/age") {
				age++
			}
			if decryption.MatchString(line) {
				found = append(found, line[strings.LastIndex(line, " ")+1:])
			}
		}
		if age < 10 {
			t.Errorf("%s: nm shows %d functions of age: this test has gone blind", name, age)
		}
		if decrypts != (len(found) > 0) {
			t.Errorf("%s: decryption: %q", name, found)
		}
		t.Logf("%s: %d bytes, %d functions of age, of decryption %d", name, info.Size(), age, len(found))
	}
}
