package guestbackup_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/pvetest/nodes"
	"github.com/railiance/railiance/tools/internal/store"
)

func TestMain(m *testing.M) {
	pvetest.Dispatch()
	os.Exit(m.Run())
}

// estate is a world whose guests are on three nodes behind real sshds.
type estate struct {
	*world
	nodes *pvetest.World
	pve   *pve.Cluster
}

func newEstate(t *testing.T, more string) *estate {
	t.Helper()
	world, cluster, connections := nodes.Start(t)
	for _, vm := range []pvetest.VM{
		{ID: 100, Node: "baobab", Name: "web", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 8 << 20, Random: 6 << 20}}},
		{ID: 101, Node: "ebony", Name: "db", Disks: []pvetest.Disk{{Key: "scsi0", Size: 1 << 20, Random: 1 << 19}, {Key: "scsi1", Size: 1 << 20, NoBackup: true}}},
	} {
		if err := world.AddVM(vm); err != nil {
			t.Fatal(err)
		}
	}
	if err := world.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "cache", Files: map[string]string{"etc/motd": strings.Repeat("hello ", 20_000)}}); err != nil {
		t.Fatal(err)
	}
	return &estate{newWorld(t, t.TempDir(), more), world, &pve.Cluster{Context: cluster, Connections: connections, Timeout: 10 * time.Second}}
}

// found is what a discovery finds.
func (e *estate) found(t *testing.T) []pve.Guest {
	t.Helper()
	inv, err := e.pve.Discover(t.Context())
	if err != nil || len(inv.Guests) != 3 {
		t.Fatalf("%d guests, %v", len(inv.Guests), err)
	}
	return inv.Guests
}

func (e *estate) over(t *testing.T, ctx context.Context, guests []pve.Guest) (map[int]guestbackup.Result, error) {
	t.Helper()
	run := e.run(t)
	run.Cluster = e.pve
	results, err := run.Do(ctx, guests, true)
	byID := map[int]guestbackup.Result{}
	for _, r := range results {
		byID[r.Guest] = r
	}
	return byID, err
}

func (e *estate) do(t *testing.T, args ...string) {
	t.Helper()
	if err := e.nodes.Do(args...); err != nil {
		t.Fatal(err)
	}
}

// What nodes do on a bad day to one guest: it alone fails, with a reason, and
// leaves nothing behind; the next day needs nobody to clean up.
func TestBadDaysOfNodes(t *testing.T) {
	mustrun.Long(t)
	e := newEstate(t, "")
	found := e.found(t)
	for _, c := range []struct {
		name       string
		guest      int
		harm, mend []string // lines of pvetest's Do
		want       string
	}{
		{"node is down", 100, []string{"stop-node baobab"}, []string{"start-node baobab"}, "baobab"},
		{"node has another key", 100, []string{"change-host-key baobab", "cut-connections baobab"}, []string{"trust-host-key baobab"}, "host key changed"},
		{"guest is locked", 101, []string{"set-key 101 lock backup"}, []string{"set-key 101 lock"}, "lock backup"},
		{"vzdump dies", 100, []string{"fault vzdump-100 die after 3000000 times 1"}, []string{"set-key 100 lock"}, "vzdump 100"},
		{"vzdump fails", 100, []string{"fault vzdump-100 fail after 3000000 times 1"}, nil, "vzdump 100"},
		{"vzdump stops early", 100, []string{"fault vzdump-100 close after 3000000 times 1"}, nil, "cut short"},
		{"vzdump says nothing", 100, []string{"fault vzdump-100 exit 0 empty times 1"}, nil, "sent nothing"},
		{"an empty zstd stream", 100, []string{"fault vzdump-100 exit 255 zstd times 1"}, nil, "vzdump 100"},
		{"an extent is missing", 100, []string{"fault vzdump-100 truncate at extent 1 times 1"}, nil, "is missing"},
		{"dump directory is full", 101, []string{"fault vzdump-ebony dumpdir full times 1"}, nil, "make room"},
		{"container stops early", 200, []string{"fault vzdump-200 close after 50000 times 1"}, nil, "tar"},
		{"container says nothing", 200, []string{"fault vzdump-200 exit 0 empty times 1"}, nil, "sent nothing"},
		{"answers are no JSON", 101, []string{"fault pvesh-ebony garbage <html>"}, []string{"fault pvesh-ebony"}, "pvesh"},
		{"an answer without end", 101, []string{"fault pvesh-ebony endless"}, []string{"fault pvesh-ebony"}, "pvesh"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.badDay(t, found, c.guest, c.harm, c.want)
			for _, line := range c.mend {
				e.do(t, strings.Fields(line)...)
			}
			e.now = e.now.Add(time.Hour)
			if results, err := e.over(t, t.Context(), found); err != nil {
				t.Errorf("the next day: %v: %+v\n%s", err, results, e.said)
			}
		})
	}
	t.Run("guest is gone", func(t *testing.T) {
		e.badDay(t, found, 101, []string{"remove 101"}, "there is no such guest")
	})
}

func (e *estate) badDay(t *testing.T, found []pve.Guest, guest int, harm []string, want string) {
	t.Helper()
	folder := "vm-" + strconv.Itoa(guest)
	if guest == 200 {
		folder = "ct-200"
	}
	held := map[string][]string{}
	for _, site := range []string{"one", "two", "three"} {
		held[site] = e.files(t, site, folder)
	}
	for _, line := range harm {
		e.do(t, strings.Fields(line)...)
	}
	e.now = e.now.Add(time.Hour)
	e.said.Reset()
	results, err := e.over(t, t.Context(), found)
	if !errors.Is(err, guestbackup.ErrFailed) {
		t.Error(err)
	}
	for id, r := range results {
		if (r.Status == guestbackup.Failed) != (id == guest) {
			t.Errorf("%+v", r)
		}
	}
	if !strings.Contains(results[guest].Why+e.said.String(), want) {
		t.Errorf("nothing says %q\n%s", want, e.said)
	}
	for site, files := range held {
		if now := e.files(t, site, folder); !slices.Equal(now, files) {
			t.Errorf("%s holds %q, and held %q", site, now, files)
		}
	}
}

// The connection that breaks in the middle of a dump ends that guest's backup,
// and the guest is not left locked.
func TestConnectionBreaks(t *testing.T) {
	e := newEstate(t, "")
	found := e.found(t)
	e.do(t, "fault", "vzdump-100", "hang", "after", "3000000", "times", "1")
	go func() {
		for range 1200 {
			time.Sleep(50 * time.Millisecond)
			if lock, err := e.nodes.Key(100, "lock"); err == nil && lock != "" {
				_ = e.nodes.CutConnections("baobab")
				return
			}
		}
	}()
	results, err := e.over(t, t.Context(), found)
	if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Failed {
		t.Errorf("%v: %+v", err, results[100])
	}
	if err := e.nodes.Quiet(20 * time.Second); err != nil {
		t.Error(err)
	}
	if lock, err := e.nodes.Key(100, "lock"); err != nil || lock != "" {
		t.Errorf("lock %q, %v", lock, err)
	}
	e.now = e.now.Add(time.Hour)
	if _, err := e.over(t, t.Context(), found); err != nil {
		t.Errorf("%v\n%s", err, e.said)
	}
}

// Who stops a run gets the terminal back at once, and the guest its freedom.
func TestStoppedOverSSH(t *testing.T) {
	e := newEstate(t, "")
	found := e.found(t)
	e.do(t, "fault", "vzdump-100", "hang", "after", "3000000", "times", "1")
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for range 1200 {
			time.Sleep(50 * time.Millisecond)
			if lock, err := e.nodes.Key(100, "lock"); err == nil && lock != "" {
				break
			}
		}
		stop()
	}()
	if _, err := e.over(t, ctx, found); err == nil || errors.Is(err, guestbackup.ErrFailed) {
		t.Error(err)
	}
	if lock, err := e.nodes.Key(100, "lock"); err != nil || lock != "" {
		t.Errorf("lock %q, %v", lock, err)
	}
	if files := e.files(t, "one", "vm-100"); len(files) > 0 {
		t.Errorf("%q", files)
	}
}

// The guest that migrates between discovery and backup is followed over ssh.
func TestMigratedSinceTheDiscovery(t *testing.T) {
	e := newEstate(t, "")
	found := e.found(t)
	e.do(t, "migrate", "100", "tapia")
	results, err := e.over(t, t.Context(), found)
	if err != nil || results[100].Node != "tapia" || results[200].Status != guestbackup.Done {
		t.Errorf("%v: %+v\n%s", err, results, e.said)
	}
}

// Names, tags, pools and descriptions are somebody else's: they reach neither a
// shell nor a terminal, and break no manifest.
func TestHostileNames(t *testing.T) {
	e := newEstate(t, "")
	proof := filepath.Join(t.TempDir(), "proof")
	for key, value := range map[string]string{
		"name":        "'$(touch " + proof + ")`touch " + proof + "`\"\x1b[31m",
		"description": strings.Repeat("ünïcode %0A \x1b]0;title\x07", 400),
		"tags":        "a;$(touch " + proof + ");b",
	} {
		if err := e.nodes.SetKey(101, key, value); err != nil {
			t.Fatal(err)
		}
	}
	results, err := e.over(t, t.Context(), e.found(t))
	if err != nil {
		t.Fatalf("%v: %+v\n%s", err, results, e.said)
	}
	if _, err := os.Stat(proof); err == nil {
		t.Error("a name was run")
	}
	if strings.ContainsAny(e.said.String(), "\x1b\x07") {
		t.Errorf("%q", e.said)
	}
	if a, _ := e.sets(t, "one", "vm-101")[0].Artifact("vm-101"); strings.ContainsAny(a.Source["name"], "\x1b\n") {
		t.Errorf("%q", a.Source)
	}
}

// A site that takes nothing for a while: with a spool the guest writes on,
// without one it waits, and that is told.
func TestAPausingSiteAndTheGuest(t *testing.T) {
	mustrun.Long(t)
	const pause = 3 * time.Second
	waits := func(spool string) (time.Duration, string) {
		e := newEstate(t, "  default: {spool: {max: "+spool+"}}\n")
		if err := e.nodes.AddVM(pvetest.VM{ID: 102, Node: "ebony", Running: true, Disks: []pvetest.Disk{{Key: "scsi0", Size: 48 << 20, Random: 48 << 20}}}); err != nil {
			t.Fatal(err)
		}
		e.sites[1].Place = pausing{e.sites[1].Place, pause}
		worst := make(chan time.Duration)
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			most := time.Duration(0)
			for ctx.Err() == nil {
				took, err := e.nodes.GuestWrite(102)
				if err != nil {
					t.Error(err)
				}
				most = max(most, took)
				time.Sleep(10 * time.Millisecond)
			}
			worst <- most
		}()
		g, err := e.pve.Locate(t.Context(), 102)
		if err != nil {
			t.Fatal(err)
		}
		_, err = e.over(t, t.Context(), []pve.Guest{g})
		stop()
		if err != nil {
			t.Errorf("%v\n%s", err, e.said)
		}
		return <-worst, e.said.String()
	}
	with, said := waits("64MiB")
	if strings.Contains(said, "slower than the guest") {
		t.Errorf("%s", said)
	}
	without, said := waits("0")
	if !strings.Contains(said, "nas/two was slower than the guest, and there is no spool: the guest may have waited") {
		t.Errorf("%s", said)
	}
	if with > pause/3 || without < pause/2 {
		t.Errorf("the guest waited %s with a spool and %s without", with, without)
	}
}

// pausing is a site that takes nothing for a while, in the middle.
type pausing struct {
	store.Site
	pause time.Duration
}

func (s pausing) Store(ctx context.Context, name string) (store.Store, error) {
	in, err := s.Site.Store(ctx, name)
	return pausingStore{in, s.pause}, err
}

type pausingStore struct {
	store.Store
	pause time.Duration
}

func (s pausingStore) Put(ctx context.Context, name string, write func(io.Writer) error) error {
	return s.Store.Put(ctx, name, func(w io.Writer) error { return write(&pausingWriter{w, s.pause, 4 << 20}) })
}

type pausingWriter struct {
	w     io.Writer
	pause time.Duration
	after int
}

func (p *pausingWriter) Write(b []byte) (int, error) {
	if p.after > 0 {
		if p.after -= len(b); p.after <= 0 {
			time.Sleep(p.pause)
		}
	}
	return p.w.Write(b)
}
