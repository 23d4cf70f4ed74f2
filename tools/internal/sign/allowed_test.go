package sign_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/sign"
)

// TestAllowedSigners holds the reader of lines against ssh-keygen, which is
// asked to verify with the same file: nobody may be trusted here who is not
// trusted there.
func TestAllowedSigners(t *testing.T) {
	dir := t.TempDir()
	key := newKey(t, dir, "key", "-t", "ed25519")
	s, err := sign.Load(key)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := s.Sign(message)
	if err != nil {
		t.Fatal(err)
	}
	sigFile := put(t, filepath.Join(dir, "m.sig"), string(sig))
	pub := strings.TrimSpace(contents(t, key+".pub")) // type, base64, comment
	bare := strings.Join(strings.Fields(pub)[:2], " ")
	blob := strings.Fields(pub)[1]
	const stock, strict = true, false
	for name, c := range map[string]struct {
		text    string
		err     string // "" for trusted
		openssh bool   // whether ssh-keygen trusts the key with this file
	}{
		"plain":              {"root@host " + bare, "", stock},
		"comment behind":     {"root@host " + pub + " and more", "", stock},
		"comments and blank": {"# a\n\n  # b\n\t\nroot@host " + bare + "\n", "", stock},
		"indented, tabs":     {" \troot@host\t" + strings.ReplaceAll(bare, " ", "\t"), "", stock},
		"CRLF":               {"# a\r\n\r\nroot@host " + pub + "\r\n", "", stock},
		"several principals": {"a@b,root@host,*@c " + bare, "", stock},
		"quoted principals":  {`"root@host" ` + bare, "", stock},
		"namespaces":         {`root@host namespaces="git,railiance-manifest" ` + bare, "", stock},
		"upper case":         {`root@host NameSpaces="railiance-manifest" ` + bare, "", stock},
		"all options":        {`root@host namespaces="*",valid-after="20200101Z",valid-before="29991231235959Z" ` + bare, "", stock},
		"local time":         {`root@host valid-after="20200101",valid-before="299912312359" ` + bare, "", stock},
		"pattern":            {`root@host namespaces="r??liance-*t" ` + bare, "", stock},
		"other namespace":    {`root@host namespaces="git" ` + bare, "wrong namespace", strict},
		"expired":            {`root@host valid-before="20200101Z" ` + bare, "not valid", strict},
		"not yet":            {`root@host valid-after="29990101Z" ` + bare, "not valid", strict},
		"authority":          {`root@host cert-authority ` + bare, "f:1: cert-authority is not supported", strict},
		"unknown option":     {`root@host restrict ` + bare, `f:1: the option "restrict" is unknown`, strict},
		"unknown with value": {`root@host from="x" ` + bare, `f:1: the option "from" is unknown`, strict},
		"no quotes":          {`root@host namespaces=railiance-manifest ` + bare, "f:1: the value of namespaces must stand in double quotes", strict},
		"open quote":         {`root@host namespaces="railiance-manifest ` + bare, "f:1: a quote in the options does not end", strict},
		"open principals":    {`"root@host ` + bare, "f:1: the quote around the principals does not end", strict},
		"twice":              {`root@host namespaces="a",namespaces="*" ` + bare, "f:1: namespaces is given twice", strict},
		"time twice":         {`root@host valid-after="20200101Z",valid-after="20200101Z" ` + bare, "f:1: valid-after is given twice", strict},
		"no time":            {`root@host valid-after="tomorrow" ` + bare, `f:1: valid-after: "tomorrow" is not a time`, strict},
		"never":              {`root@host valid-after="20210101Z",valid-before="20200101Z" ` + bare, "f:1: valid-before is not later", strict},
		"comma too many":     {`root@host namespaces="*", ` + bare, "f:1: an option is empty", strict},
		"no principal":       {bare, "f:1: ", strict},
		"no key":             {"root@host", "f:1: a line must read", strict},
		"wrong type":         {"root@host ssh-rsa " + blob, "f:1: the line says ssh-rsa", strict},
		"unknown type":       {"root@host ssh-future " + blob, "f:1: the line says ssh-future", strict},
		"damaged":            {"root@host ssh-ed25519 " + blob[:40], "f:1: the key ", strict},
		"not base64":         {"root@host ssh-ed25519 !", "f:1: the key is not base64", strict},
		"third line":         {"# x\nroot@host " + bare + "\nnobody\n", "f:3: a line must read", stock},
		"zero byte":          {"root@host " + bare + " \x00", "f:1: a control character", stock},
	} {
		t.Run(name, func(t *testing.T) {
			here := t.TempDir()
			file := put(t, filepath.Join(here, "f"), c.text)
			trust, err := sign.LoadTrust(file)
			if err == nil {
				var got sign.Signed
				if got, err = trust.Verify(message, sig, time.Now()); err == nil && !strings.Contains(got.Principal, "root@host") {
					t.Errorf("principal %q", got.Principal)
				}
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got %v, want %q", err, c.err)
			}
			out, stockErr := keygen(t, here, message, "-Y", "verify", "-f", file, "-I", "root@host", "-n", sign.Namespace, "-s", sigFile)
			if (stockErr == nil) != c.openssh {
				t.Errorf("ssh-keygen: %v: %s", stockErr, out)
			}
			if err == nil && stockErr != nil {
				t.Errorf("trusted here but not by ssh-keygen: %s", out)
			}
		})
	}
}

func TestLoadTrustRefuses(t *testing.T) {
	dir := t.TempDir()
	writable := put(t, filepath.Join(dir, "writable"), "")
	if err := os.Chmod(writable, 0o666); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none"): "make trust",
		dir:                        "not a regular file",
		writable:                   "chmod o-w",
		put(t, filepath.Join(dir, "large"), strings.Repeat("#\n", 1<<20)): "larger than",
	} {
		if _, err := sign.LoadTrust(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
	}
	if _, err := sign.LoadTrust(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

func TestAddTrusted(t *testing.T) {
	dir := t.TempDir()
	a, b := publicKey(t, newKey(t, dir, "a", "-t", "ed25519")), publicKey(t, newKey(t, dir, "b", "-t", "ed25519"))
	old := "# who may sign\r\n\r\nx@y namespaces=\"git\" " + strings.TrimSpace(contents(t, filepath.Join(dir, "a.pub")))
	file := put(t, filepath.Join(dir, "real"), old)
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "allowed_signers")
	if err := os.Symlink("real", link); err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if added, err := sign.AddTrusted(link, "root@host", a); added != want || err != nil {
			t.Errorf("call %d: %t, %v", i, added, err)
		}
	}
	if added, err := sign.AddTrusted(link, "root@other", b); !added || err != nil {
		t.Errorf("another: %t, %v", added, err)
	}
	got := contents(t, file)
	if !strings.HasPrefix(got, old+"\nroot@host namespaces=\"railiance-manifest\" ssh-ed25519 ") || strings.Count(got, "\n") != 5 {
		t.Errorf("the file is now %q", got)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the mode is now %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// TestAddTrustedKeepsAnEndedKeyEnded guards a decision of a person.
func TestAddTrustedKeepsAnEndedKeyEnded(t *testing.T) {
	dir := t.TempDir()
	a := newKey(t, dir, "a", "-t", "ed25519")
	text := `root@host valid-before="20200101Z" ` + contents(t, a+".pub")
	file := put(t, filepath.Join(dir, "f"), text)
	if added, err := sign.AddTrusted(file, "root@host", publicKey(t, a)); added || err != nil || contents(t, file) != text {
		t.Errorf("%t, %v, %q", added, err, contents(t, file))
	}
}

func TestAddTrustedRefuses(t *testing.T) {
	dir := t.TempDir()
	a := newKey(t, dir, "a", "-t", "ed25519")
	weak := newKey(t, dir, "weak", "-t", "rsa", "-b", "1024")
	for _, principal := range []string{"", "*", "a b", "a\nb", `"a"`, "#a", "!a", "a,b", "ssh-x", strings.Repeat("a", 256), "ä"} {
		if added, err := sign.AddTrusted(filepath.Join(dir, "f"), principal, publicKey(t, a)); added || err == nil {
			t.Errorf("principal %q: %v", principal, err)
		}
	}
	if added, err := sign.AddTrusted(filepath.Join(dir, "f"), "root@host", publicKey(t, weak)); added || err == nil {
		t.Errorf("weak: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	broken := put(t, filepath.Join(dir, "broken"), "what\n")
	if added, err := sign.AddTrusted(broken, "root@host", publicKey(t, a)); added || err == nil || contents(t, broken) != "what\n" {
		t.Errorf("broken file: %t, %v", added, err)
	}
}

// TestAddTrustedRace guards against two hosts' lines where one is lost.
func TestAddTrustedRace(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "f")
	key := publicKey(t, newKey(t, dir, "a", "-t", "ed25519"))
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if added, err := sign.AddTrusted(file, "root@host"+string(rune('a'+i)), key); !added || err != nil {
				t.Errorf("%t, %v", added, err)
			}
		})
	}
	wg.Wait()
	if n := strings.Count(contents(t, file), "\n"); n != 10 {
		t.Errorf("%d lines", n)
	}
}

func FuzzAllowedSigners(f *testing.F) {
	dir := f.TempDir()
	s, err := sign.Load(newKey(f, dir, "key", "-t", "ed25519"))
	if err != nil {
		f.Fatal(err)
	}
	sig, err := s.Sign(message)
	if err != nil {
		f.Fatal(err)
	}
	pub := contents(f, filepath.Join(dir, "key.pub"))
	blob := strings.Fields(pub)[1]
	for _, line := range []string{pub, "root@host " + pub, `"a" namespaces="*,!b",valid-after="20200101Z" ` + pub, "a cert-authority " + pub, "a \\\" " + pub, "# x\r\n\r\n"} {
		f.Add(line)
	}
	file := filepath.Join(dir, "f")
	f.Fuzz(func(t *testing.T, text string) {
		trust, err := sign.LoadTrust(put(t, file, text))
		if err != nil {
			return
		}
		if _, err := trust.Verify(message, sig, time.Now()); err == nil && !strings.Contains(text, blob) {
			t.Errorf("trusted without the key: %q", text)
		}
	})
}
