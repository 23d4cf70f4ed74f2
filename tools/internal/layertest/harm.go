package layertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/railiance/railiance/tools/internal/sign"
)

// overwrite replaces the bytes of a file that its owner may not write.
func overwrite(ts *testscript.TestScript, path string, b []byte) {
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Remove(path))
	ts.Check(os.WriteFile(path, b, info.Mode().Perm()))
	ts.Check(os.Chmod(path, info.Mode().Perm()))
}

// flip turns one bit of a file around: flip FILE OFFSET; an offset below zero
// counts from the end, "middle" is the middle.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 2, "flip FILE OFFSET")
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	b[place(ts, args[1], len(b))] ^= 1
	overwrite(ts, path, b)
}

// cut shortens a file to SIZE bytes, or by so many when it is below zero.
func cut(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 2, "cut FILE SIZE")
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	overwrite(ts, path, b[:place(ts, args[1], len(b))])
}

func place(ts *testscript.TestScript, s string, size int) int {
	if s == "middle" {
		return size / 2
	}
	at, err := strconv.Atoi(s)
	ts.Check(err)
	if at < 0 {
		at += size
	}
	if at < 0 || at >= size {
		ts.Fatalf("%s is not in a file of %d bytes", s, size)
	}
	return at
}

// swap exchanges two files.
func swap(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 2, 2, "swap FILE FILE")
	a, b := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	ts.Check(os.Rename(a, a+".swap"))
	ts.Check(os.Rename(b, a))
	ts.Check(os.Rename(a+".swap", b))
}

// forge does what somebody can do who has write access to the backups and
// knows the public keys: it replaces the newest artifact of an asset by one
// that is encrypted correctly, and makes the manifest agree. Then it signs the
// manifest with an ssh key: forge ASSET SSHKEY|unsigned RECIPIENT...
func forge(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 3, 9, "forge ASSET SSHKEY|unsigned RECIPIENT...")
	nth(ts, "FORGED", filepath.Join(ts.Getenv("SETS"), args[0]+"-[0-9]*.age"), nil)
	var to []age.Recipient
	for _, name := range args[2:] {
		pub, err := os.ReadFile(filepath.Join(Of(ts).Keys, name+".txt.pub"))
		ts.Check(err)
		r, err := age.ParseX25519Recipient(strings.TrimSpace(string(pub)))
		ts.Check(err)
		to = append(to, r)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	ts.Check(err)
	_, err = io.WriteString(w, strings.Repeat("not what was saved\n", 5000))
	ts.Check(err)
	ts.Check(w.Close())
	overwrite(ts, ts.Getenv("FORGED"), sealed.Bytes())
	edit(ts, args[1], func(m map[string]any) {
		for _, a := range m["artifacts"].([]any) {
			a := a.(map[string]any)
			if a["asset"] == args[0] {
				sum := sha256.Sum256(sealed.Bytes())
				a["size"], a["sha256"] = sealed.Len(), hex.EncodeToString(sum[:])
			}
		}
	})
}

// mangle replaces a text in the newest manifest by another and signs it anew:
// mangle SSHKEY|unsigned OLD NEW.
func mangle(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 3, 3, "mangle SSHKEY|unsigned OLD NEW")
	nth(ts, "MANGLED", filepath.Join(ts.Getenv("SETS"), "manifest-*.json"), nil)
	path := ts.Getenv("MANGLED")
	b, err := os.ReadFile(path)
	ts.Check(err)
	if !bytes.Contains(b, []byte(args[1])) {
		ts.Fatalf("the manifest does not say %q", args[1])
	}
	publish(ts, path, args[0], bytes.ReplaceAll(b, []byte(args[1]), []byte(args[2])))
}

func edit(ts *testscript.TestScript, key string, change func(map[string]any)) {
	nth(ts, "EDITED", filepath.Join(ts.Getenv("SETS"), "manifest-*.json"), nil)
	path := ts.Getenv("EDITED")
	b, err := os.ReadFile(path)
	ts.Check(err)
	var m map[string]any
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	ts.Check(d.Decode(&m))
	change(m)
	b, err = json.MarshalIndent(m, "", "  ")
	ts.Check(err)
	publish(ts, path, key, append(b, '\n'))
}

func publish(ts *testscript.TestScript, path, key string, b []byte) {
	overwrite(ts, path, b)
	if key == "unsigned" {
		return
	}
	signer, err := sign.Load(filepath.Join(Of(ts).Keys, "ssh_"+key))
	ts.Check(err)
	sig, err := signer.Sign(b)
	ts.Check(err)
	overwrite(ts, path+".sig", sig)
}
