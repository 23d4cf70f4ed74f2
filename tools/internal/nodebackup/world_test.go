package nodebackup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"
	_ "modernc.org/sqlite"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestbackup/backuptest"
	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/nodebackup"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/pvetest/nodes"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

func TestMain(m *testing.M) {
	pvetest.Dispatch()
	os.Exit(m.Run())
}

// world is a layer with two sites, and three nodes behind real sshds.
type world struct {
	dir   string
	layer *layer.Layer
	key   *age.X25519Identity
	sites []guestbackup.Site
	nodes *pvetest.World
	pve   *pve.Cluster
	said  *bytes.Buffer
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	mustrun.Command(t, "sqlite3")
	machines, cluster, connections := nodes.Start(t)
	w := &world{
		dir: t.TempDir(), nodes: machines, said: &bytes.Buffer{}, now: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC),
		pve: &pve.Cluster{Context: cluster, Connections: connections, Timeout: 10 * time.Second},
	}
	w.key = backuptest.Keys(t, w.dir)
	w.write(t, "layer/layer.yaml", fmt.Sprintf("format: 1\nlayer: madagascar\nsign: %s\nguests:\n  cluster: madagascar\n  sites: [nas/one, nas/two]\n", filepath.Join(w.dir, "host_key")))
	for _, name := range []string{"one", "two"} {
		path := filepath.Join(w.dir, "sites", name)
		ok(t, os.MkdirAll(path, 0o700))
		w.sites = append(w.sites, guestbackup.Site{Name: "nas/" + name, Place: store.NewDirSite(path, "")})
	}
	var err error
	w.layer, err = layer.Load(filepath.Join(w.dir, "layer"), layer.Places{BackupRoot: filepath.Join(w.dir, "backups"), StateRoot: filepath.Join(w.dir, "state"), Home: w.dir})
	ok(t, err)
	return w
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(w.dir, name)
	}
	ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
	ok(t, os.WriteFile(path, []byte(text), 0o600))
}

// database makes the config.db of a node, whose newest entry is only in its log
// as long as the test goes on.
func (w *world) database(t *testing.T, node string) {
	t.Helper()
	path := filepath.Join(w.nodes.NodeDir(node), "var/lib/pve-cluster/config.db")
	ok(t, os.Remove(path))
	db, err := sql.Open("sqlite", path)
	ok(t, err)
	t.Cleanup(func() { _ = db.Close() })
	_, err = db.Exec(`PRAGMA journal_mode=wal; PRAGMA wal_autocheckpoint=0;
		CREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, parent INTEGER NOT NULL, version INTEGER NOT NULL,
			writer INTEGER NOT NULL, mtime INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, data BLOB);
		INSERT INTO tree VALUES (0, 0, 1, 1, 1, 8, '__version__', NULL), (2, 0, 2, 1, 1, 8, 'storage.cfg', 'dir: local');
		PRAGMA wal_checkpoint;
		INSERT INTO tree VALUES (3, 0, 3, 1, 1, 8, 'user.cfg', 'user:root@pam');`)
	ok(t, err)
}

// backup backs the nodes up and returns the results by node.
func (w *world) backup(t *testing.T, ctx context.Context, names ...string) (map[string]guestbackup.Result, error) {
	t.Helper()
	r := &guestbackup.Run{
		Layer: w.layer, Sites: w.sites, Tool: "test 1", Now: func() time.Time { return w.now },
		Tell:     &tell.Teller{Program: "test", Layer: "madagascar", W: w.said},
		Versions: map[string]string{"baobab": "9.2.11"},
	}
	ok(t, r.SetUp())
	results, err := r.Hold(ctx, false, nodebackup.Deed(r, w.pve, names))
	byNode := map[string]guestbackup.Result{}
	for _, result := range results {
		byNode[result.Node] = result
	}
	return byNode, err
}

// set is the newest set of a node in a site, and its folder.
func (w *world) set(t *testing.T, site int, node string) (catalog.Set, store.Store) {
	t.Helper()
	trust, err := sign.LoadTrust(filepath.Join(w.dir, "allowed_signers"))
	ok(t, err)
	s := nodebackup.SubjectOf(node)
	folder, err := w.sites[site].Place.Store(t.Context(), s.String())
	ok(t, err)
	sets, problems, err := guestset.Read(t.Context(), folder, "madagascar", s, trust)
	ok(t, err)
	if len(sets) == 0 || len(problems) > 0 {
		t.Fatalf("%d sets of %s, %v\n%s", len(sets), node, problems, w.said)
	}
	return sets[0], folder
}

// opened is the tar of the newest set of a node, decrypted, and its account.
func (w *world) opened(t *testing.T, node string) ([]byte, guestset.About, catalog.Artifact) {
	t.Helper()
	set, folder := w.set(t, 0, node)
	a, there := set.Artifact("node-" + node)
	if !there {
		t.Fatalf("%+v", set.Artifacts)
	}
	keys := []age.Identity{w.key}
	about, err := guestread.About(t.Context(), folder, set.Manifest, keys)
	ok(t, err)
	r, err := guestread.Archive(t.Context(), folder, a, keys)
	ok(t, err)
	plain, err := io.ReadAll(r)
	ok(t, err)
	ok(t, r.Close())
	return plain, about, a
}

// members are the files in a tar, by name; a link is "-> where it leads".
func members(t *testing.T, plain []byte) map[string]string {
	t.Helper()
	all := map[string]string{}
	for r := tar.NewReader(bytes.NewReader(plain)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return all
		}
		ok(t, err)
		content, err := io.ReadAll(r)
		ok(t, err)
		if all[h.Name] = string(content); h.Typeflag == tar.TypeSymlink {
			all[h.Name] = "-> " + h.Linkname
		}
	}
}

// program puts a script in the place of a program of a node.
func (w *world) program(t *testing.T, node, name, script string) {
	t.Helper()
	path := filepath.Join(w.nodes.NodeDir(node), "bin", name)
	ok(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
}

func (w *world) files(t *testing.T, site, node string) []string {
	t.Helper()
	return backuptest.Files(t, filepath.Join(w.dir, "sites", site, "node-"+node))
}

func (w *world) tells(t *testing.T, parts ...string) {
	t.Helper()
	backuptest.Tells(t, w.said, parts...)
}
