package guestbackup_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// A site that is not there, one whose credentials are missing, and one that goes
// away half way: the guest is in the others, and the run has failed.
func TestASiteThatFailsAlone(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, w *world)
		want string
	}{
		"not mounted": {func(_ *testing.T, w *world) {
			w.sites[1].Place = store.NewDirSite(w.path("sites", "two"), ".this-is-the-nas")
		}, "is not the disk that is meant"},
		"without credentials": {func(_ *testing.T, w *world) {
			w.sites[1] = guestbackup.Site{Name: "nas/two", Err: tell.Hint(errors.New("no secret key"), "set it")}
		}, "no secret key"},
		"gone half way": {func(t *testing.T, w *world) {
			w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
				for len(w.files(t, "two", "vm-100")) < 5 { // the draft is there
					time.Sleep(time.Millisecond)
				}
				if err := os.RemoveAll(w.path("sites", "two", "vm-100")); err != nil {
					t.Error(err)
				}
				return log, archive(g).Write(to)
			}
		}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir(), "")
			w.add(pve.Guest{ID: 100})
			if _, err := w.backup(t); err != nil {
				t.Fatal(err)
			}
			c.harm(t, w)
			w.now = w.now.Add(24 * time.Hour)
			results, err := w.backup(t)
			if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Partly {
				t.Errorf("%v: %+v", err, results[100])
			}
			for _, site := range []string{"one", "three"} {
				if sets := w.sets(t, site, "vm-100"); len(sets) != 2 || !sets[0].Time.Equal(w.now) {
					t.Errorf("%s has %d sets", site, len(sets))
				}
			}
			for _, file := range w.files(t, "two", "vm-100") {
				if strings.Contains(file, "20261122") {
					t.Errorf("two holds %s", file)
				}
			}
			w.tells(t, "madagascar/vm-100/nas/two: error: ", c.want)
			last, err := guestbackup.LastAttempt(guestset.MemoryOf(w.layer.State, "madagascar"), guestset.Guest("vm", 100))
			if err != nil || last.OK {
				t.Errorf("the last attempt: %+v, %v", last, err)
			}
		})
	}
}

// Without a place to write to nobody is asked for a dump.
func TestNoSiteAtAll(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	if err := os.RemoveAll(w.path("sites")); err != nil {
		t.Fatal(err)
	}
	results, err := w.backup(t)
	if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Failed || len(w.dumps) > 0 {
		t.Errorf("%v: %+v, %q", err, results[100], w.dumps)
	}
	w.tells(t, "vm-100/nas/one: error: ", "vm-100/nas/two: error: ", "vm-100/nas/three: error: ")
}

// A dump whose every site is gone is stopped: the guest need not wait for its
// end.
func TestAllSitesGoHalfWay(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	for i, name := range []string{"one", "two", "three"} {
		w.sites[i].Place = tiny{store.NewDirSite(w.path("sites", name), "")}
	}
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		block, noise := make([]byte, 1<<20), rand.NewChaCha8([32]byte{})
		for {
			_, _ = noise.Read(block)
			if _, err := to.Write(block); err != nil {
				return log, fmt.Errorf("baobab: vzdump 100: %w", err)
			}
		}
	}
	results, err := w.backup(t)
	if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Failed {
		t.Errorf("%v: %+v", err, results[100])
	}
	if why := results[100].Why; strings.Count(why, "no site is left") != 1 {
		t.Errorf("told as %q", why)
	}
	w.tells(t, "vm-100/nas/two: error: no space")
	for _, site := range []string{"one", "two", "three"} {
		if files := w.files(t, site, "vm-100"); len(files) > 0 {
			t.Errorf("%s holds %q", site, files)
		}
	}
}

// tiny is a site on a disk that is soon full.
type tiny struct{ store.Site }

func (s tiny) Store(ctx context.Context, name string) (store.Store, error) {
	in, err := s.Site.Store(ctx, name)
	return tinyStore{in}, err
}

type tinyStore struct{ store.Store }

func (s tinyStore) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	return s.Store.Put(ctx, name, func(w io.Writer) error { return write(&full{w, 3 << 20}) })
}

type full struct {
	w    io.Writer
	left int
}

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errors.New("no space")
	}
	return f.w.Write(p)
}

// What the site had no room for last time is not begun.
func TestRoomIsAskedFor(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	if _, err := w.backup(t); err != nil {
		t.Fatal(err)
	}
	asked := &asking{Site: w.sites[2].Place}
	w.sites[2].Place = asked
	w.now = w.now.Add(time.Hour)
	if _, err := w.backup(t); err != nil {
		t.Fatal(err)
	}
	a := w.sets(t, "three", "vm-100")[1].Artifacts
	if size := a[0].Size + a[1].Size; asked.want != size+size/10 {
		t.Errorf("asked for %d bytes, the newest set had %d", asked.want, size)
	}
}

type asking struct {
	store.Site
	want int64
}

func (a *asking) Check(ctx context.Context, want int64) error {
	a.want = max(a.want, want)
	return a.Site.Check(ctx, want)
}

// A site that fails when most is there already keeps nothing of it.
func TestASiteThatFailsLate(t *testing.T) {
	for _, name := range []string{"about-", "manifest-20261121T020000Z.json", "manifest-20261121T020000Z.json.sig"} {
		w := newWorld(t, t.TempDir(), "")
		w.add(pve.Guest{ID: 100})
		w.sites[1].Place = refusing{w.sites[1].Place, name}
		results, err := w.backup(t)
		if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Partly {
			t.Errorf("%s: %v: %+v", name, err, results[100])
		}
		if files := w.files(t, "two", "vm-100"); len(files) > 0 {
			t.Errorf("%s: two holds %q", name, files)
		}
		if files := w.files(t, "three", "vm-100"); len(files) != 4 {
			t.Errorf("%s: three holds %q", name, files)
		}
		for _, site := range []string{"one", "two", "three"} {
			if _, err := os.Stat(guestset.MemoryOf(w.layer.State, "madagascar").Note("nas/"+site, guestset.Guest("vm", 100))); err == nil {
				t.Errorf("%s: %s: the note is left", name, site)
			}
		}
	}
}

// When the account cannot be sealed any more, the guest beside it goes too: a set
// without it would lack the digests of the disks.
func TestNothingStaysOfHalfASet(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		return log, errors.Join(archive(g).Write(to), os.Remove(w.path(".sops.yaml")))
	}
	results, err := w.backup(t)
	if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Failed {
		t.Errorf("%v: %+v", err, results[100])
	}
	for _, site := range []string{"one", "two", "three"} {
		if files := w.files(t, site, "vm-100"); len(files) > 0 {
			t.Errorf("%s holds %q", site, files)
		}
	}
}

// refusing is a site that does not take files whose names begin like that.
type refusing struct {
	store.Site
	prefix string
}

func (s refusing) Store(ctx context.Context, name string) (store.Store, error) {
	in, err := s.Site.Store(ctx, name)
	return refusingStore{in, s.prefix}, err
}

type refusingStore struct {
	store.Store
	prefix string
}

func (s refusingStore) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	if strings.HasPrefix(name, s.prefix) {
		return errors.New("refused")
	}
	return s.Store.Put(ctx, name, write)
}
