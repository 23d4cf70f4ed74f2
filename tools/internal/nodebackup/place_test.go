package nodebackup

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"

	"github.com/railiance/railiance/tools/internal/nodetar"
)

// A node says of each file where it belongs, and may only fill what it was asked
// for.
func TestPlace(t *testing.T) {
	for name, want := range map[string]string{
		"./":                            "etc/pve",
		"./priv/authkey.key":            "etc/pve/priv/authkey.key",
		"etc/":                          "etc",
		"etc/ssh/sshd_config":           "etc/ssh/sshd_config",
		"root/.ssh/id_ed25519":          "root/.ssh/id_ed25519",
		"var/spool/cron/crontabs":       "var/spool/cron/crontabs",
		"config.db":                     "var/lib/pve-cluster/config.db",
		"./config.db":                   "etc/pve/config.db",
		"./../shadow":                   "", // would be /etc/shadow, which etc/shadow is
		"./..":                          "",
		"etc/../root/.ssh/id":           "",
		"etc/pve":                       "",
		"etc/pve/storage.cfg":           "", // ./storage.cfg is
		"etcetera":                      "",
		"root/.bashrc":                  "",
		"var/lib/pve-cluster/config.db": "",
		"/etc/passwd":                   "",
		"":                              "",
	} {
		got, err := place(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

// Whatever a node sends, what comes of it can be unpacked.
func FuzzTakeOver(f *testing.F) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./nodes/baobab"},
		{Typeflag: tar.TypeReg, Name: "etc/hostname", Size: 3, Mode: 0o644},
		{Typeflag: tar.TypeSymlink, Name: "etc/mtab", Linkname: "../proc/mounts"},
	} {
		_ = w.WriteHeader(&h)
		_, _ = w.Write([]byte("abc")[:h.Size])
	}
	_ = w.Close()
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, sent []byte) {
		var made bytes.Buffer
		c := &collection{node: "baobab", out: tar.NewWriter(&made)}
		if err := c.takeOver(t.Context(), bytes.NewReader(sent)); err != nil {
			return
		}
		if err := c.text(nodetar.Report, "{}"); err != nil {
			t.Fatal(err)
		}
		if err := c.out.Close(); err != nil {
			t.Fatal(err)
		}
		members, size := c.names.Count()
		found, err := nodetar.Verify(io.Reader(&made))
		if err != nil || found.Members != members || found.Bytes != size {
			t.Errorf("%+v, %v, not %d members of %d bytes", found, err, members, size)
		}
	})
}
