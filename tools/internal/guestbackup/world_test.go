package guestbackup_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestbackup/backuptest"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/layer"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// world is a layer with three sites, and guests that are dumped in this process.
type world struct {
	*cluster
	dir   string
	layer *layer.Layer
	key   *age.X25519Identity
	sites []guestbackup.Site
	said  *bytes.Buffer
	now   time.Time
	tell  *tell.Teller
}

const policy = `format: 1
layer: madagascar
sign: %s
keep: {last: 2}
guests:
  cluster: madagascar
  sites: [nas/one, nas/two, nas/three]
%s`

// newWorld makes a world in dir, or finds the one that is there. more is said in
// its layer.yaml besides.
func newWorld(t *testing.T, dir, more string) *world {
	t.Helper()
	w := &world{cluster: &cluster{guests: map[int]pve.Guest{}}, dir: dir, said: &bytes.Buffer{}, now: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)}
	w.key = backuptest.Keys(t, dir)
	w.write(t, "layer/layer.yaml", fmt.Sprintf(policy, w.path("host_key"), more))
	for _, name := range []string{"one", "two", "three"} {
		if err := os.MkdirAll(w.path("sites", name), 0o700); err != nil {
			t.Fatal(err)
		}
		w.sites = append(w.sites, guestbackup.Site{Name: "nas/" + name, Place: store.NewDirSite(w.path("sites", name), "")})
	}
	var err error
	w.layer, err = layer.Load(w.path("layer"), layer.Places{BackupRoot: w.path("backups"), StateRoot: w.path("state"), Home: dir})
	if err != nil {
		t.Fatal(err)
	}
	w.tell = &tell.Teller{Program: "test", Layer: "madagascar", W: w.said}
	return w
}

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

func (w *world) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.path(name)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(w.path(name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) run(t *testing.T) *guestbackup.Run {
	t.Helper()
	r := &guestbackup.Run{
		Layer: w.layer, Cluster: w.cluster, Sites: w.sites, Tool: "test 1", Tell: w.tell,
		Now: func() time.Time { return w.now },
	}
	if err := r.SetUp(); err != nil {
		t.Fatal(err)
	}
	return r
}

// backup backs all guests up and returns the results by number.
func (w *world) backup(t *testing.T) (map[int]guestbackup.Result, error) {
	t.Helper()
	results, err := w.run(t).Do(t.Context(), w.all(), true)
	byID := map[int]guestbackup.Result{}
	for _, r := range results {
		byID[r.Guest] = r
	}
	return byID, err
}

// sets are those of the guest in the site.
func (w *world) sets(t *testing.T, site, folder string) []catalog.Set {
	t.Helper()
	s, err := guestset.Parse(folder)
	if err != nil {
		t.Fatal(err)
	}
	in, err := store.NewDirSite(w.path("sites", site), "").Store(t.Context(), folder)
	if err != nil {
		t.Fatal(err)
	}
	sets, problems, err := guestset.Read(t.Context(), in, "madagascar", s, w.trust(t))
	if err != nil || len(problems) > 0 {
		t.Fatalf("%s/%s: %v, %v", site, folder, problems, err)
	}
	return sets
}

func (w *world) trust(t *testing.T) *sign.Trust {
	t.Helper()
	trust, err := sign.LoadTrust(w.path("allowed_signers"))
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// files are what lies in the folder of a guest in the site.
func (w *world) files(t *testing.T, site, folder string) []string {
	t.Helper()
	return backuptest.Files(t, w.path("sites", site, folder))
}

func (w *world) tells(t *testing.T, parts ...string) {
	t.Helper()
	backuptest.Tells(t, w.said, parts...)
}

// cluster is guests in memory.
type cluster struct {
	mu     sync.Mutex
	guests map[int]pve.Guest
	dumps  []string // "node vm-100", as they began
	// dump replaces what a guest writes.
	dump func(ctx context.Context, g pve.Guest, w io.Writer) (string, error)
}

const log = "INFO: Finished Backup\n"

func (c *cluster) add(g pve.Guest) {
	if g.Type == "" {
		g.Type = pve.VM
	}
	if g.Node == "" {
		g.Node = "baobab"
	}
	if g.Disks == nil {
		g.Disks = []pve.Disk{{Key: "scsi0", Volume: "local:0", Size: diskSize, InBackup: true}}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.guests[g.ID] = g
}

func (c *cluster) all() []pve.Guest {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []pve.Guest
	for id := range 2000 {
		if g, ok := c.guests[id]; ok {
			all = append(all, g)
		}
	}
	return all
}

func (c *cluster) Locate(_ context.Context, id int) (pve.Guest, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g, ok := c.guests[id]
	if !ok {
		return g, fmt.Errorf("guest %d: %w", id, pve.ErrNoGuest)
	}
	return g, nil
}

func (c *cluster) Dump(ctx context.Context, g pve.Guest, _ pve.DumpOptions, w io.Writer) (string, error) {
	c.mu.Lock()
	c.dumps = append(c.dumps, g.Node+" "+guestbackup.SubjectOf(g).String())
	dump := c.dump
	c.mu.Unlock()
	if dump != nil {
		return dump(ctx, g, w)
	}
	return log, archive(g).Write(w)
}

const diskSize = 300 << 10

// disk is the content of the first disk of a guest: more than an age chunk.
func disk(g pve.Guest) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("disk of %d. ", g.ID)), diskSize)[:diskSize]
}

func archive(g pve.Guest) vmatest.Archive {
	return vmatest.Guest(vmatest.Bytes("drive-scsi0", disk(g)))
}
