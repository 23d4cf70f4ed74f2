package asset

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// packed is a gzipped tar with these members.
func packed(t *testing.T, members ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, h := range members {
		content := "content\n"
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Typeflag != tar.TypeReg {
			content = ""
		}
		h.Size, h.ModTime, h.Mode = int64(len(content)), time.Unix(1, 0), 0o600
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// What a restore unpacks comes from the backups, so no member may lead out of
// the folder it is unpacked into.
func TestReadServerRefuses(t *testing.T) {
	token := tar.Header{Name: MemberToken}
	for name, c := range map[string]struct {
		members []tar.Header
		want    string
	}{
		"no token":     {[]tar.Header{{Name: MemberConfig}}, "no server token"},
		"nothing":      {nil, "no server token"},
		"a way up":     {[]tar.Header{token, {Name: "../../etc/passwd"}}, "not a name that we write"},
		"a way around": {[]tar.Header{token, {Name: "etc/../../x"}}, "not a name that we write"},
		"from a root":  {[]tar.Header{token, {Name: "/etc/passwd"}}, "not a name that we write"},
		"a backslash":  {[]tar.Header{token, {Name: `etc\config`}}, "not a name that we write"},
		"a link":       {[]tar.Header{token, {Name: "etc/x", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}, "not a regular file"},
		"a hard link":  {[]tar.Header{token, {Name: "etc/x", Typeflag: tar.TypeLink, Linkname: MemberToken}}, "not a regular file"},
		"a device":     {[]tar.Header{token, {Name: "etc/x", Typeflag: tar.TypeChar}}, "not a regular file"},
		"a folder":     {[]tar.Header{token, {Name: "etc", Typeflag: tar.TypeDir}}, "not a regular file"},
		"one twice":    {[]tar.Header{token, token}, "twice"},
	} {
		if _, err := ReadServer(bytes.NewReader(packed(t, c.members...)), nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestReadServer(t *testing.T) {
	whole := packed(t, tar.Header{Name: MemberVersion}, tar.Header{Name: MemberToken}, tar.Header{Name: MemberEncryption}, tar.Header{Name: MemberConfig})
	var seen []string
	found, err := ReadServer(bytes.NewReader(whole), func(member string, content []byte) error {
		seen = append(seen, member)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != 4 || found["files"] != 4 || found["files server"] != 2 || found[CountEncryption] != 1 {
		t.Errorf("%v of %q", found, seen)
	}
	for at := 0; at < len(whole); at++ {
		if _, err := ReadServer(bytes.NewReader(whole[:at]), nil); err == nil {
			t.Errorf("torn at %d of %d: no error", at, len(whole))
		}
	}
}
