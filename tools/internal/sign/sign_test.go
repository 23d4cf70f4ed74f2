package sign_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/sign"
)

// keygen runs the stock program in dir and returns what it said.
func keygen(t testing.TB, dir string, stdin []byte, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(mustrun.Command(t, "ssh-keygen"), args...)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func newKey(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	if out, err := keygen(t, dir, nil, append([]string{"-q", "-N", "", "-C", "test", "-f", name}, args...)...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, name)
}

func put(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func contents(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var message = []byte(`{"format": 1}` + "\n")

// TestBothWaysWithOpenSSH guards that a person needs nothing of ours to
// check a manifest, and that we take what a person signed by hand.
func TestBothWaysWithOpenSSH(t *testing.T) {
	for _, kind := range [][]string{{"-t", "ed25519"}, {"-t", "rsa", "-b", "2048"}, {"-t", "ecdsa", "-b", "256"}, {"-t", "ecdsa", "-b", "384"}, {"-t", "ecdsa", "-b", "521"}} {
		t.Run(strings.Join(kind[1:], ""), func(t *testing.T) {
			dir := t.TempDir()
			key := newKey(t, dir, "key", kind...)
			s, err := sign.Load(key)
			if err != nil {
				t.Fatal(err)
			}
			if out, err := keygen(t, dir, nil, "-l", "-f", key); err != nil || !strings.Contains(out, s.Fingerprint()) {
				t.Errorf("fingerprint %s, ssh-keygen says %s %v", s.Fingerprint(), out, err)
			}
			allowed := filepath.Join(dir, "allowed_signers")
			if added, err := sign.AddTrusted(allowed, "root@host", s.PublicKey()); !added || err != nil {
				t.Fatal(added, err)
			}
			trust, err := sign.LoadTrust(allowed)
			if err != nil {
				t.Fatal(err)
			}

			sig, err := s.Sign(message)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "ours.sig"), sig, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := keygen(t, dir, message, "-Y", "verify", "-f", allowed, "-I", "root@host", "-n", sign.Namespace, "-s", "ours.sig"); err != nil {
				t.Errorf("verify: %v: %s", err, out)
			}
			if out, err := keygen(t, dir, message, "-Y", "check-novalidate", "-n", sign.Namespace, "-s", "ours.sig"); err != nil {
				t.Errorf("check-novalidate: %v: %s", err, out)
			}
			if out, err := keygen(t, dir, append(message, ' '), "-Y", "verify", "-f", allowed, "-I", "root@host", "-n", sign.Namespace, "-s", "ours.sig"); err == nil {
				t.Errorf("ssh-keygen takes a changed message: %s", out)
			}

			for _, hash := range []string{"sha512", "sha256"} {
				file := put(t, filepath.Join(dir, hash), string(message))
				if out, err := keygen(t, dir, nil, "-Y", "sign", "-f", key, "-n", sign.Namespace, "-O", "hashalg="+hash, file); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				got, err := trust.Verify(message, []byte(contents(t, file+".sig")), time.Now())
				if err != nil || got.Principal != "root@host" || got.Fingerprint != s.Fingerprint() {
					t.Errorf("%s: %+v, %v", hash, got, err)
				}
			}
			if got, err := trust.Verify(message, sig, time.Now()); err != nil || got.Principal != "root@host" {
				t.Errorf("our own: %+v, %v", got, err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	dir := t.TempDir()
	key, stranger := newKey(t, dir, "key", "-t", "ed25519"), newKey(t, dir, "stranger", "-t", "ed25519")
	weak := newKey(t, dir, "weak", "-t", "rsa", "-b", "1024")
	s, err := sign.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	good, err := s.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	pub := strings.TrimSpace(contents(t, key+".pub"))
	weakPub := strings.TrimSpace(contents(t, weak+".pub"))
	by := func(key, namespace string) []byte {
		out, err := exec.Command("ssh-keygen", "-Y", "sign", "-f", key, "-n", namespace, put(t, filepath.Join(t.TempDir(), "m"), string(message))).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		matches := strings.Fields(strings.ReplaceAll(string(out), "Write signature to", ""))
		return []byte(contents(t, matches[len(matches)-1]))
	}
	at := time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	flip := func(b []byte, i int) []byte {
		b = bytes.Clone(b)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		return b
	}
	line := func(options string) string { return "root@host " + options + " " + pub + "\n" }
	for name, c := range map[string]struct {
		trust   string
		message []byte
		sig     []byte
		want    error
		text    string
	}{
		"good":                  {line(""), message, good, nil, ""},
		"good, with CRLF":       {line(""), message, bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")), nil, ""},
		"second line of key":    {line(`namespaces="git"`) + line(""), message, good, nil, ""},
		"namespace pattern":     {line(`namespaces="git,railiance-*"`), message, good, nil, ""},
		"in time":               {line(`valid-after="20261121020000Z",valid-before="20261121020001Z"`), message, good, nil, ""},
		"on the last second":    {line(`valid-before="20261121020000Z"`), message, good, nil, ""},
		"message changed":       {line(""), append(bytes.Clone(message), '\n'), good, sign.ErrChanged, "root@host"},
		"message empty":         {line(""), nil, good, sign.ErrChanged, ""},
		"signature bit":         {line(""), message, flip(good, 250), sign.ErrChanged, ""},
		"nobody trusted":        {"# nobody\n", message, good, sign.ErrUnknownSigner, s.Fingerprint()},
		"a stranger's":          {line(""), message, by(stranger, sign.Namespace), sign.ErrUnknownSigner, "make trust"},
		"made for git":          {line(""), message, by(key, "git"), sign.ErrNamespace, `"git"`},
		"trusted for git":       {line(`namespaces="git"`), message, good, sign.ErrNamespace, ":1:"},
		"excepted":              {line(`namespaces="*,!railiance-*"`), message, good, sign.ErrNamespace, ""},
		"too early":             {line(`valid-after="20261121020001Z"`), message, good, sign.ErrExpired, "valid-after"},
		"too late":              {line(`valid-before="20261121015959Z"`), message, good, sign.ErrExpired, "valid-before"},
		"too late, day":         {line(`valid-before="20261121Z"`), message, good, sign.ErrExpired, "2026-11-21T00:00:00Z"},
		"weak":                  {"root@host " + weakPub + "\n", message, by(weak, sign.Namespace), sign.ErrNoSignature, "1024 bits"},
		"empty":                 {line(""), message, nil, sign.ErrNoSignature, ""},
		"other text":            {line(""), message, []byte("hello"), sign.ErrNoSignature, ""},
		"a key":                 {line(""), message, []byte(contents(t, key)), sign.ErrNoSignature, ""},
		"torn":                  {line(""), message, good[:len(good)/2], sign.ErrNoSignature, ""},
		"text before":           {line(""), message, append([]byte("x\n"), good...), sign.ErrNoSignature, ""},
		"two signatures":        {line(""), message, append(bytes.Clone(good), good...), sign.ErrNoSignature, ""},
		"headers":               {line(""), message, bytes.Replace(good, []byte("\n"), []byte("\na: b\n\n"), 1), sign.ErrNoSignature, ""},
		"bytes behind":          {line(""), message, longer(t, good), sign.ErrNoSignature, "bytes follow"},
		"large":                 {line(""), message, append(bytes.Clone(good), bytes.Repeat([]byte("\n"), 1<<20)...), sign.ErrNoSignature, "larger"},
		"armour of other bytes": {line(""), message, []byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"), sign.ErrNoSignature, ""},
	} {
		t.Run(name, func(t *testing.T) {
			trust, err := sign.LoadTrust(put(t, filepath.Join(t.TempDir(), "allowed_signers"), c.trust))
			if err != nil {
				t.Fatal(err)
			}
			got, err := trust.Verify(c.message, c.sig, at)
			if !errors.Is(err, c.want) || c.want == nil && (err != nil || got.Principal != "root@host") {
				t.Fatalf("%+v, %v; want %v", got, err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v does not say %q", err, c.text)
			}
			if err != nil && got != (sign.Signed{}) {
				t.Errorf("%+v with an error", got)
			}
		})
	}
}

// longer adds a byte inside of the armour that nothing signs.
func longer(t *testing.T, armored []byte) []byte {
	t.Helper()
	s, err := sshsig.Unarmor(armored)
	if err != nil {
		t.Fatal(err)
	}
	s.Signature.Rest = []byte{1}
	return sshsig.Armor(s)
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	readable := newKey(t, dir, "readable", "-t", "ed25519")
	if err := os.Chmod(readable, 0o640); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(dir, "locked")
	if out, err := keygen(t, dir, nil, "-q", "-t", "ed25519", "-N", "hunter2hunter2", "-f", locked); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text := put(t, filepath.Join(dir, "text"), "hunter2hunter2")
	large := put(t, filepath.Join(dir, "large"), strings.Repeat("x", 1<<17))
	for _, f := range []string{text, large} {
		if err := os.Chmod(f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		readable:                   "chmod 0600",
		locked:                     "has a passphrase",
		text:                       "not a private ssh key",
		large:                      "larger than",
		dir:                        "not a regular file",
		filepath.Join(dir, "none"): "ssh-keygen -A",
		newKey(t, dir, "weak", "-t", "rsa", "-b", "1024"): "1024 bits is too weak",
	} {
		_, err := sign.Load(path)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret shows: %v", err)
		}
	}
	if _, err := sign.Load(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func FuzzVerify(f *testing.F) {
	dir := f.TempDir()
	s, err := sign.Load(newKey(f, dir, "key", "-t", "ed25519"))
	if err != nil {
		f.Fatal(err)
	}
	allowed := filepath.Join(dir, "allowed_signers")
	if _, err := sign.AddTrusted(allowed, "root@host", s.PublicKey()); err != nil {
		f.Fatal(err)
	}
	trust, err := sign.LoadTrust(allowed)
	if err != nil {
		f.Fatal(err)
	}
	good, err := s.Sign(message)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(message, good)
	f.Add([]byte{}, good)
	f.Add(message, good[:100])
	f.Add(message, []byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, m, sig []byte) {
		if _, err := trust.Verify(m, sig, time.Now()); err == nil && !bytes.Equal(m, message) {
			t.Errorf("took %q for signed", m)
		}
	})
}

func publicKey(t testing.TB, path string) ssh.PublicKey {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(contents(t, path+".pub")))
	if err != nil {
		t.Fatal(err)
	}
	return key
}
