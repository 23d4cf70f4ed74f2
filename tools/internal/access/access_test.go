package access_test

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/railiance/railiance/tools/internal/access"
)

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "a", "b", "c")
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "a", ".sops.yml"), "")
	_, err := access.Find(deep)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "rename it to .sops.yaml") {
		t.Errorf("none there: %v", err)
	}
	top := write(t, filepath.Join(root, ".sops.yaml"), "")
	if got, err := access.Find(deep); got != top || err != nil {
		t.Errorf("got %s, %v; want %s", got, err, top)
	}
	near := write(t, filepath.Join(root, "a", "b", ".sops.yaml"), "")
	if got, err := access.Find(deep); got != near || err != nil {
		t.Errorf("got %s, %v; want %s", got, err, near)
	}
	if got, err := access.Find(filepath.Join(deep, "not", "yet")); got != near || err != nil {
		t.Errorf("below a folder that is still missing: got %s, %v; want %s", got, err, near)
	}
}

// TestFindStopsAtWhatItCannotLookAt guards against taking the rules of a
// parent when the near ones are there and merely unreadable.
func TestFindStopsAtWhatItCannotLookAt(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, ".sops.yaml"), "")
	near := filepath.Join(root, "a")
	if err := os.Mkdir(near, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(".sops.yaml", filepath.Join(near, ".sops.yaml")); err != nil {
		t.Fatal(err)
	}
	if got, err := access.Find(near); !errors.Is(err, syscall.ELOOP) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestForPathRefusesWhatIsNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ok := write(t, filepath.Join(dir, "ok"), "creation_rules: [{age: "+keyNames(t)["alice"]+"}]\n")
	many := "creation_rules:\n  - age: [" + strings.Repeat("a,", 1001) + "a]\n"
	for name, c := range map[string]struct{ file, path, want string }{
		"missing":       {filepath.Join(dir, "none"), "/x", "make init"},
		"folder":        {dir, "/x", "not a regular file"},
		"pipe":          {pipe, "/x", "not a regular file"},
		"large":         {write(t, filepath.Join(dir, "large"), strings.Repeat("#\n", 1<<20)), "/x", "larger than"},
		"many":          {write(t, filepath.Join(dir, "many"), many), "/x", "more than 1000"},
		"many in one":   {write(t, filepath.Join(dir, "csv"), "creation_rules:\n  - age: "+strings.Repeat("a,", 1001)+"\n"), "/x", "more than 1000"},
		"relative path": {ok, "x", "not absolute"},
	} {
		_, err := access.ForPath(c.file, c.path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(strings.TrimPrefix(err.Error(), "stat "), c.file) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAliasBomb guards against a few lines of aliases that stand for more
// recipients than a machine can hold.
func TestAliasBomb(t *testing.T) {
	var b strings.Builder
	b.WriteString("a0: &a0 {age: [x]}\n")
	for _, s := range []string{"0 1", "1 2", "2 3", "3 4", "4 5", "5 6", "6 7", "7 8", "8 9"} {
		from, to, _ := strings.Cut(s, " ")
		b.WriteString("a" + to + ": &a" + to + " {merge: [" + strings.TrimSuffix(strings.Repeat("*a"+from+",", 20), ",") + "]}\n")
	}
	b.WriteString("creation_rules: [{key_groups: [*a9]}]\n")
	_, err := access.ForPath(write(t, filepath.Join(t.TempDir(), "f"), b.String()), "/x")
	if err == nil || !strings.Contains(err.Error(), "alias") {
		t.Fatal(err)
	}
}

func TestAll(t *testing.T) {
	k := keyNames(t)
	file := write(t, filepath.Join(t.TempDir(), "f"), "creation_rules:\n  - path_regex: a\n    age: "+k["alice"]+"\n  - key_groups: [{age: ["+k["bob"]+", "+k["alice"]+"]}]\n")
	got, err := access.All(file)
	if want := []string{k["alice"], k["bob"]}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// TestLinksNoDecryption guards the promise that a program which only makes
// backups has no code that opens one: the executable is built and searched.
func TestLinksNoDecryption(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "seals")
	if out, err := exec.Command("go", "build", "-o", exe, "./testdata/seals").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := exec.Command("go", "tool", "nm", exe).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if !strings.Contains(string(out), "filippo.io/age.Encrypt") {
		t.Fatal("the search is broken: not even age.Encrypt is there")
	}
	for line := range strings.Lines(string(out)) {
		for _, bad := range []string{"filippo.io/age.Decrypt", "filippo.io/age.decryptHdr", "Identity).Unwrap", "ParseIdentit", "age.Generate"} {
			if strings.Contains(line, "filippo.io/age") && strings.Contains(line, bad) {
				t.Errorf("linked: %s", line)
			}
		}
	}
}

func FuzzSopsYAML(f *testing.F) {
	keys := keyNames(f)
	files, err := filepath.Glob("testdata/rules/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(data), "-- .sops.yaml --\n")
		text, _, _ := strings.Cut(rest, "-- path --")
		for name, key := range keys {
			if !strings.HasSuffix(name, "pq2") {
				text = strings.ReplaceAll(text, "{"+name+"}", key)
			}
		}
		f.Add(text)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		file := write(t, filepath.Join(dir, ".sops.yaml"), text)
		r, err := access.ForPath(file, "/backup/etcd.age")
		if err != nil {
			if strings.Contains(strings.ToUpper(err.Error()), "AGE-SECRET-KEY-1") {
				t.Errorf("a private key shows: %v", err)
			}
			return
		}
		if len(r.List) == 0 || len(r.List) != len(r.Strings) || len(r.List) > 1000 {
			t.Errorf("%d recipients, %d strings", len(r.List), len(r.Strings))
		}
	})
}
