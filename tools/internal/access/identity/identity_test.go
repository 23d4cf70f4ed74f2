package identity_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/access"
	"github.com/railiance/railiance/tools/internal/access/identity"
	"github.com/railiance/railiance/tools/internal/mustrun"
)

func put(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func newKey(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func vars(pairs ...string) func(string) string {
	return func(name string) string {
		if i := slices.Index(pairs, name); i >= 0 && i%2 == 0 {
			return pairs[i+1]
		}
		return ""
	}
}

// TestLoadMergesAllSources guards that no source hides another: each of the
// keys opens what was encrypted to it alone.
func TestLoadMergesAllSources(t *testing.T) {
	home := t.TempDir()
	inEnv, inFile, fromCmd, usual := newKey(t), newKey(t), newKey(t), newKey(t)
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	file := put(t, filepath.Join(home, "k"), "# a comment\r\n\r\n"+inFile.String()+"\r\n"+hybrid.String()+"\n", 0o600)
	usualFile := put(t, filepath.Join(home, ".config/sops/age/keys.txt"), usual.String(), 0o600)
	found, err := identity.Load(vars("SOPS_AGE_KEY", inEnv.String(), "SOPS_AGE_KEY_FILE", file, "SOPS_AGE_KEY_CMD", "pass show age"), home,
		func(cmd string) ([]byte, error) {
			if cmd != "pass show age" {
				t.Errorf("ran %q", cmd)
			}
			return []byte(fromCmd.String()), nil
		})
	if err != nil || len(found.Warnings) > 0 {
		t.Fatal(err, found.Warnings)
	}
	if want := []string{"SOPS_AGE_KEY", "SOPS_AGE_KEY_FILE=" + file, "SOPS_AGE_KEY_CMD", usualFile}; !slices.Equal(found.From, want) {
		t.Errorf("from %q, want %q", found.From, want)
	}
	for _, r := range []age.Recipient{inEnv.Recipient(), inFile.Recipient(), fromCmd.Recipient(), usual.Recipient(), hybrid.Recipient()} {
		opens(t, r, found.Identities)
	}
}

// opens encrypts to r and decrypts again.
func opens(t *testing.T, r age.Recipient, ids []age.Identity) {
	t.Helper()
	var b bytes.Buffer
	w, err := age.Encrypt(&b, r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	plain, err := age.Decrypt(&b, ids...)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(plain); err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v", got, err)
	}
}

// TestSSH guards that both ends agree on ssh keys: encrypted to the public
// half by package access, opened with the private one.
func TestSSH(t *testing.T) {
	keygen := mustrun.Command(t, "ssh-keygen")
	home := t.TempDir()
	rules := "creation_rules:\n  - age:\n"
	for _, k := range []struct{ kind, path, pass string }{
		{"ed25519", ".ssh/id_ed25519", ""}, {"rsa", ".ssh/id_rsa", ""}, {"ed25519", "named", ""}, {"ed25519", "printed", ""},
	} {
		path := filepath.Join(home, k.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(keygen, "-q", "-t", k.kind, "-N", k.pass, "-C", "x", "-f", path).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		pub, err := os.ReadFile(path + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		rules += "      - " + string(pub)
	}
	found, err := identity.Load(vars("SOPS_AGE_SSH_PRIVATE_KEY_FILE", filepath.Join(home, "named"), "SOPS_AGE_SSH_PRIVATE_KEY_CMD", "x"), home,
		func(string) ([]byte, error) { return os.ReadFile(filepath.Join(home, "printed")) })
	if err != nil || len(found.Warnings) > 0 || len(found.Identities) != 4 {
		t.Fatal(found, err)
	}
	r, err := access.ForPath(put(t, filepath.Join(home, ".sops.yaml"), rules, 0o600), "/x")
	if err != nil || len(r.List) != 4 {
		t.Fatal(r.Strings, err)
	}
	for _, one := range r.List {
		opens(t, one, found.Identities)
	}
}

// TestWarnings guards two things at once: each thing that is wrong with a
// source is told so that a person can act, and nothing of the key is told.
func TestWarnings(t *testing.T) {
	key := newKey(t).String()
	damaged := key[:20] + "Q" + key[21:len(key)-1]
	home := t.TempDir()
	file := func(name, text string, mode os.FileMode) func(string) string {
		return vars("SOPS_AGE_KEY_FILE", put(t, filepath.Join(home, name), text, mode))
	}
	locked := filepath.Join(home, "locked")
	if out, err := exec.Command(mustrun.Command(t, "ssh-keygen"), "-q", "-t", "ed25519", "-N", "a secret", "-f", locked).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, c := range map[string]struct {
		env  func(string) string
		want string
		ok   bool
	}{
		"others may read":   {file("open", key, 0o644), "chmod 0600", true},
		"damaged":           {file("damaged", "# x\n"+damaged+"\n", 0o600), "line 2: the private key is damaged", false},
		"two on a line":     {file("two", key+" "+key, 0o600), "line 1: the private key is damaged", false},
		"public":            {file("pub", newKey(t).Recipient().String(), 0o600), "line 1: this is a public key", false},
		"plugin":            {file("plugin", "AGE-PLUGIN-YUBIKEY-1QQ", 0o600), "plugins are not supported", false},
		"other text":        {file("text", "hunter2", 0o600), "not a private key of age", false},
		"empty":             {file("empty", "# nothing\n", 0o600), "holds no private key", false},
		"encrypted":         {file("enc", "age-encryption.org/v1\n-> scrypt x 18\n", 0o600), "itself encrypted", false},
		"PEM":               {file("pem", "-----BEGIN OPENSSH PRIVATE KEY-----\n", 0o600), "SOPS_AGE_SSH_PRIVATE_KEY_FILE", false},
		"missing":           {vars("SOPS_AGE_KEY_FILE", filepath.Join(home, "none")), "no such file", false},
		"folder":            {vars("SOPS_AGE_KEY_FILE", home), "not a regular file", false},
		"large":             {file("large", strings.Repeat("#\n", 1<<20), 0o600), "larger than", false},
		"variable damaged":  {vars("SOPS_AGE_KEY", damaged), "SOPS_AGE_KEY: line 1: the private key is damaged", false},
		"command fails":     {vars("SOPS_AGE_KEY_CMD", "x"), "SOPS_AGE_KEY_CMD: the command failed", false},
		"ssh passphrase":    {vars("SOPS_AGE_SSH_PRIVATE_KEY_FILE", locked), "passphrase", false},
		"ssh is no ssh key": {vars("SOPS_AGE_SSH_PRIVATE_KEY_FILE", put(t, filepath.Join(home, "n"), key, 0o600)), "not a private ssh key", false},
		"nothing at all":    {vars(), "no private key was found", false},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := identity.Load(c.env, home, func(string) ([]byte, error) { return nil, errors.New(key) })
			if (err == nil) != c.ok || (len(found.Identities) > 0) != c.ok {
				t.Fatalf("%d identities, %v", len(found.Identities), err)
			}
			said := strings.Join(found.Warnings, "\n")
			if err != nil {
				said += err.Error()
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("said %q, want %q", said, c.want)
			}
			for i := len("AGE-SECRET-KEY-1"); i+6 < len(key); i++ {
				if strings.Contains(strings.ToUpper(said), key[i:i+6]) {
					t.Fatalf("a private key shows: %q", said)
				}
			}
			if strings.Contains(said, "hunter2") || strings.Contains(said, "a secret") {
				t.Errorf("a secret shows: %q", said)
			}
		})
	}
}

func TestNoCommandIsRunWithoutLeave(t *testing.T) {
	found, err := identity.Load(vars("SOPS_AGE_KEY_CMD", "x"), "", nil)
	if err == nil || len(found.Warnings) != 1 {
		t.Fatal(found, err)
	}
}

func TestInitOnABareMachine(t *testing.T) {
	dir := t.TempDir()
	keys, rules := filepath.Join(dir, "age", "keys.txt"), filepath.Join(dir, ".sops.yaml")
	m, err := identity.Init(keys, rules)
	if err != nil || !m.MadeKey || !m.MadeRules || len(m.Warnings) > 0 {
		t.Fatalf("%+v, %v", m, err)
	}
	for path, want := range map[string]os.FileMode{keys: 0o600, rules: 0o600, filepath.Dir(keys): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v", path, info.Mode().Perm(), err)
		}
	}
	r, err := access.ForPath(rules, "/anything")
	if err != nil || !slices.Equal(r.Strings, []string{m.Recipient}) {
		t.Fatal(r, err)
	}
	found, err := identity.Load(vars("SOPS_AGE_KEY_FILE", keys), "", nil)
	if err != nil || len(found.Warnings) > 0 {
		t.Fatal(found, err)
	}
	opens(t, r.List[0], found.Identities)

	before := contents(t, keys) + contents(t, rules)
	again, err := identity.Init(keys, rules)
	if err != nil || again.MadeKey || again.MadeRules || len(again.Warnings) > 0 || again.Recipient != m.Recipient {
		t.Errorf("second run: %+v, %v", again, err)
	}
	if contents(t, keys)+contents(t, rules) != before {
		t.Error("the second run changed a file")
	}
	for _, in := range []string{dir, filepath.Dir(keys)} {
		if left, _ := filepath.Glob(filepath.Join(in, ".*.*")); len(left) > 0 && !slices.Equal(left, []string{rules}) {
			t.Errorf("left behind: %q", left)
		}
	}
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	mine, theirs := newKey(t), newKey(t)
	theirRule := "creation_rules:\n  - age: " + theirs.Recipient().String() + "\n"
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key, rules         string
		madeKey, madeRules bool
		recipient, warning string
	}{
		"key":             {key: mine.String(), madeRules: true, recipient: mine.Recipient().String()},
		"hybrid key":      {key: hybrid.String(), madeRules: true, recipient: hybrid.Recipient().String()},
		"two keys":        {key: mine.String() + "\n" + theirs.String(), madeRules: true, recipient: mine.Recipient().String(), warning: "holds 2 keys"},
		"others' rules":   {rules: theirRule, madeKey: true, warning: "does not name the key"},
		"both, unrelated": {key: mine.String(), rules: theirRule, recipient: mine.Recipient().String(), warning: mine.Recipient().String()},
		"both, related":   {key: theirs.String(), rules: theirRule, recipient: theirs.Recipient().String()},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			keys, rules := filepath.Join(dir, "k"), filepath.Join(dir, ".sops.yaml")
			if c.key != "" {
				put(t, keys, c.key, 0o600)
			}
			if c.rules != "" {
				put(t, rules, c.rules, 0o600)
			}
			m, err := identity.Init(keys, rules)
			if err != nil || m.MadeKey != c.madeKey || m.MadeRules != c.madeRules || c.recipient != "" && m.Recipient != c.recipient {
				t.Fatalf("%+v, %v", m, err)
			}
			if said := strings.Join(m.Warnings, "\n"); (said == "") != (c.warning == "") || !strings.Contains(said, c.warning) {
				t.Errorf("warned %q, want %q", said, c.warning)
			}
			if c.key != "" && contents(t, keys) != c.key || c.rules != "" && contents(t, rules) != c.rules {
				t.Error("what was there has changed")
			}
		})
	}
	t.Run("damaged key", func(t *testing.T) {
		dir := t.TempDir()
		keys := put(t, filepath.Join(dir, "k"), "AGE-SECRET-KEY-1QQ", 0o600)
		if _, err := identity.Init(keys, filepath.Join(dir, ".sops.yaml")); err == nil || !strings.Contains(err.Error(), "kept as it is") {
			t.Error(err)
		}
		if contents(t, keys) != "AGE-SECRET-KEY-1QQ" {
			t.Error("it was overwritten")
		}
	})
}

// TestInitRace guards the promise that no key is ever overwritten: of many
// at once one makes the pair, and all speak of the same.
func TestInitRace(t *testing.T) {
	dir := t.TempDir()
	made := make([]identity.Made, 8)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() {
			var err error
			if made[i], err = identity.Init(filepath.Join(dir, "k"), filepath.Join(dir, ".sops.yaml")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	keys, rules := 0, 0
	for _, m := range made {
		if m.Recipient != made[0].Recipient || len(m.Warnings) > 0 {
			t.Errorf("%+v", m)
		}
		if m.MadeKey {
			keys++
		}
		if m.MadeRules {
			rules++
		}
	}
	if keys != 1 || rules != 1 {
		t.Errorf("%d made keys, %d made rules", keys, rules)
	}
}

func contents(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
