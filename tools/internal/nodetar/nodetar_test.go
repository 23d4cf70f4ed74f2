package nodetar_test

import (
	"archive/tar"
	"bytes"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/nodetar"
)

func file(name, content string) (tar.Header, string) {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(content))}, content
}

// archive is one of headers, each file of which is filled with x.
func archive(t *testing.T, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range headers {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func reg(name string) tar.Header { return tar.Header{Typeflag: tar.TypeReg, Name: name, Size: 3} }
func dir(name string) tar.Header { return tar.Header{Typeflag: tar.TypeDir, Name: name} }
func link(name, to string) tar.Header {
	return tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: to}
}

func TestVerify(t *testing.T) {
	end := reg(nodetar.Report)
	for name, c := range map[string]struct {
		headers []tar.Header
		want    string // empty: it is taken
	}{
		"files, folders and links": {[]tar.Header{dir("etc/"), reg("etc/a"), link("etc/b", "../../out"), dir("etc/c"), reg("etc/c/d"), end}, ""},
		"a folder behind its file": {[]tar.Header{reg("etc/a/b"), dir("etc/a"), end}, ""},
		"absolute":                 {[]tar.Header{reg("/etc/a"), end}, "leads out"},
		"upwards":                  {[]tar.Header{reg("etc/../../a"), end}, "leads out"},
		"the folder itself":        {[]tar.Header{dir("./"), end}, "leads out"},
		"twice":                    {[]tar.Header{reg("a"), reg("a"), end}, "twice"},
		"twice, in other words":    {[]tar.Header{reg("etc/a"), reg("etc/./a"), end}, "twice"},
		"through a link":           {[]tar.Header{link("etc", "/tmp"), reg("etc/a"), end}, "lies below"},
		"through a later link":     {[]tar.Header{reg("etc/a"), link("etc", "/tmp"), end}, "twice"},
		"below a file":             {[]tar.Header{reg("etc"), reg("etc/a"), end}, "lies below"},
		"a hard link":              {[]tar.Header{reg("a"), {Typeflag: tar.TypeLink, Name: "b", Linkname: "a"}, end}, "is no file"},
		"a device":                 {[]tar.Header{{Typeflag: tar.TypeBlock, Name: "b", Devmajor: 8}, end}, "is no file"},
		"a name without end":       {[]tar.Header{reg(strings.Repeat("x/", 3000) + "x"), end}, "without end"},
		"no report":                {[]tar.Header{reg("etc/a")}, "the end is missing"},
		"nothing":                  {nil, "the end is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := nodetar.Verify(bytes.NewReader(archive(t, c.headers...)))
			switch {
			case c.want == "" && (err != nil || found.Members != int64(len(c.headers)) || len(found.Digest) != 64):
				t.Errorf("%+v, %v", found, err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

// A cut anywhere but in the end mark is found; another byte gives another digest.
func TestDamaged(t *testing.T) {
	whole := archive(t, reg("etc/a"), dir("etc/b"), reg(nodetar.Report))
	good, err := nodetar.Verify(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(whole)-1024-512; n += 100 {
		if _, err := nodetar.Verify(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("cut at %d is taken", n)
		}
	}
	bent := bytes.Clone(whole)
	bent[513] ^= 1
	if found, err := nodetar.Verify(bytes.NewReader(bent)); err != nil || found.Digest == good.Digest {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestBounds(t *testing.T) {
	var n nodetar.Names
	big := tar.Header{Typeflag: tar.TypeReg, Name: "a", Size: nodetar.MaxMember + 1}
	if err := n.Add(&big); err == nil || !strings.Contains(err.Error(), "are allowed") {
		t.Error(err)
	}
	for i := range nodetar.MaxBytes / nodetar.MaxMember {
		if err := n.Add(&tar.Header{Typeflag: tar.TypeReg, Name: strings.Repeat("b", i+1), Size: nodetar.MaxMember}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Add(&tar.Header{Typeflag: tar.TypeReg, Name: "c", Size: 1}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Error(err)
	}
	members, size := n.Count()
	if members != 8 || size != nodetar.MaxBytes || !n.Has("b") || n.Has("c") || n.Missing("x") != "etc/pve/nodes/x" {
		t.Errorf("%d, %d", members, size)
	}
}

func FuzzVerify(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h, content := file(nodetar.Report, "{}")
	_ = w.WriteHeader(&h)
	_, _ = w.Write([]byte(content))
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, archive []byte) {
		a, err := nodetar.Verify(bytes.NewReader(archive))
		if err == nil && (a.Members < 1 || a.Bytes < 0 || a.Bytes > nodetar.MaxBytes) {
			t.Errorf("%+v", a)
		}
	})
}
