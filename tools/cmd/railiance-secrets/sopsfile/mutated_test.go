package sopsfile_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/cmd/railiance-secrets/sopsfile"
)

// Thousands of slightly wrong files: none brings sops down, and no refusal
// tells a secret. It is no fuzz test, since with sops's dependencies counted in
// as well Go's fuzzer does not get to one file a second.
func TestMutated(t *testing.T) {
	key := newKey(t)
	kinds := []string{"f.yaml", "f.json", "f.env"}
	var good []string
	for i, plain := range []string{"ONE: " + canary + "\n# comment\nTWO: 1\n", `{"ONE": "` + canary + `", "N": 1.5}`, "ONE=" + canary + "\n"} {
		good = append(good, seal(t, kinds[i], plain, key, nil))
	}
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(20261121, 2))
	refused := 0
	for range 4000 {
		kind := r.IntN(len(kinds))
		text := good[kind]
		for range 1 + r.IntN(3) {
			text = mutated(r, text)
		}
		path := filepath.Join(dir, kinds[kind])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		values, err := sopsfile.Open(path, []age.Identity{key})
		if err == nil {
			continue
		}
		refused++
		if values != nil || strings.Contains(told(err), canary) || strings.Contains(err.Error(), "sops cannot read it") {
			t.Fatalf("%d values, %q, from\n%s", len(values), told(err), text)
		}
	}
	if refused < 2000 {
		t.Errorf("only %d of the files were refused: they are hardly changed", refused)
	}
}

// mutated is text with one thing wrong, cut where it would grow without end.
func mutated(r *rand.Rand, text string) string {
	if text == "" {
		return ":"
	}
	odd := []string{
		"null", "[]", "{}", `""`, "-1", "true", "\n", "\t", ":", "- ", "? ", "<<: ", "&a ", "*a", "é", "\xff", "\x00", "!!binary YQ==", "!!timestamp a",
		"sops:", "sops_", "age", "pgp", "kms", "__list_", "__map_", "shamir_threshold: -1\n", "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:time]",
	}
	i, j := r.IntN(len(text)), r.IntN(len(text))
	lines := strings.SplitAfter(text, "\n")
	a, b := r.IntN(len(lines)), r.IntN(len(lines))
	switch r.IntN(5) {
	case 0:
		return text[:i] + odd[r.IntN(len(odd))] + text[i:]
	case 1:
		return text[:min(i, j)] + text[max(i, j):]
	case 2:
		return text[:min(i+200, len(text))] + text[i:]
	case 3:
		lines[a], lines[b] = lines[b], lines[a]
	default:
		if at := strings.IndexAny(lines[a], ":="); at >= 0 {
			lines[a] = lines[a][:at+1] + " " + odd[r.IntN(len(odd))] + "\n"
		}
	}
	return strings.Join(lines, "")
}
