package guestrestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/cttar"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/vma"
)

func TestMain(m *testing.M) {
	pvetest.Dispatch() // what the nodes of the fake cluster run
	if text := os.Getenv(victimVariable); text != "" {
		if err := beVictim(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var at = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)

// set is one copy of a backup, of which the test knows the folder and the key.
type set struct {
	guestrestore.Source
	dir string
	key *age.X25519Identity
}

// backedUp seals the archive of a guest, and what is said of it. change may
// change what is said, to be wrong.
func backedUp(t *testing.T, s guestset.Subject, plain []byte, change func(*guestset.About)) set {
	t.Helper()
	key, err := age.GenerateX25519Identity()
	ok(t, err)
	dir := t.TempDir()
	folder, err := store.MakeDir(dir)
	ok(t, err)
	m := &catalog.Manifest{Format: catalog.Format, Layer: s.LayerName("madagascar"), Time: at}
	put := func(asset, kind, ext string, stream seal.Stream) {
		name := catalog.ArtifactName(asset, at, ext)
		var sum seal.Sum
		ok(t, folder.Put(t.Context(), name, stream.Encrypted(key.Recipient()).Measured(&sum)))
		m.Artifacts = append(m.Artifacts, catalog.Artifact{
			Name: name, Asset: asset, Kind: kind, Size: sum.Size, SHA256: sum.SHA256, Recipients: []string{key.Recipient().String()},
		})
	}
	bytesOf := func(b []byte) seal.Stream {
		return func(w io.Writer) error { _, err := w.Write(b); return err }
	}
	about := account(t, s, plain)
	if change != nil {
		change(&about)
	}
	kind, ext := guestset.KindVMA, guestset.ExtVMA
	switch s.Kind {
	case guestset.CT:
		kind, ext = guestset.KindTar, guestset.ExtTar
	case guestset.Node:
		kind, ext = guestset.KindNode, guestset.ExtTar
	}
	put(s.String(), kind, ext, bytesOf(plain).Zstd())
	b, err := about.Encode()
	ok(t, err)
	put(guestset.AboutAsset, guestset.AboutKind, guestset.AboutExt, bytesOf(b))
	return set{guestrestore.Source{Folder: folder, Subject: s, Set: catalog.Set{Manifest: m}, Keys: []age.Identity{key}}, dir, key}
}

// account is what a backup says of an archive.
func account(t *testing.T, s guestset.Subject, plain []byte) guestset.About {
	t.Helper()
	about := guestset.About{Guest: s.ID, Type: "qemu", Name: "web", Node: "baobab", Time: at, Mode: "snapshot"}
	if s.Kind == guestset.CT {
		found, err := cttar.Verify(bytes.NewReader(plain))
		ok(t, err)
		about.Type, about.Config, about.Firewall = "lxc", string(found.Config), string(found.Firewall)
		about.Tar = &guestset.Tar{Members: found.Members, Bytes: found.Bytes, Digest: found.Digest}
		return about
	}
	if s.Kind == guestset.Node {
		found, err := nodetar.Verify(bytes.NewReader(plain))
		ok(t, err)
		return guestset.About{Type: "node", Node: s.Name, Time: at, Tar: &guestset.Tar{Members: found.Members, Bytes: found.Bytes, Digest: found.Digest}}
	}
	found, err := vma.Verify(bytes.NewReader(plain))
	ok(t, err)
	drives := found.Drives()
	for _, d := range found.Devices {
		about.Disks = append(about.Disks, guestset.Disk{Key: drives[d.Name], Device: d.Name, Size: d.Size, Stored: d.Stored, Digest: d.Digest})
	}
	for _, c := range found.Configs {
		if c.Name == "qemu-server.conf" {
			about.Config = string(c.Data)
		}
	}
	return about
}

// damage changes the guest's artifact in place.
func (s set) damage(t *testing.T, change func([]byte) []byte) {
	t.Helper()
	a, err := s.Artifact()
	ok(t, err)
	path := filepath.Join(s.dir, a.Name)
	b, err := os.ReadFile(path)
	ok(t, err)
	ok(t, errors.Join(os.Remove(path), os.WriteFile(path, change(bytes.Clone(b)), 0o600)))
}

func fails(t *testing.T, err error, want ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("did not fail, want %q", want)
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v, want %q", err, part)
		}
	}
}
