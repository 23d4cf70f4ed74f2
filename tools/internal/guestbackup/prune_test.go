package guestbackup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// nights makes so many sets, a day apart.
func (w *world) nights(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, err := w.backup(t); err != nil {
			t.Fatalf("%v\n%s", err, w.said)
		}
		w.now = w.now.Add(24 * time.Hour)
	}
}

func (w *world) kept(keep catalog.Keep) []guestbackup.Kept {
	rule := w.layer.Guests.For(100, nil, "")
	rule.Keep = keep
	return []guestbackup.Kept{{Subject: guestset.Guest("vm", 100), Rule: rule}}
}

// what is the verdicts of one folder, the newest first: the reasons, or goes,
// or gone.
func what(r guestbackup.PruneResult) string {
	var words []string
	for _, s := range r.Sets {
		switch {
		case s.Gone:
			words = append(words, "gone")
		case len(s.Reasons) == 0:
			words = append(words, "goes")
		default:
			words = append(words, s.Reasons[len(s.Reasons)-1])
		}
	}
	return strings.Join(words, "; ")
}

func TestEachBackupPrunes(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 4)
	for _, site := range []string{"one", "two", "three"} {
		if sets := w.sets(t, site, "vm-100"); len(sets) != 2 || len(sets[0].Prunes) != 1 || len(w.files(t, site, "vm-100")) != 8 {
			t.Errorf("%s: %d sets, %q", site, len(sets), w.files(t, site, "vm-100"))
		}
	}
	w.tells(t, "vm-100/nas/three: pruned manifest-20261121T020000Z.json: no rule keeps it")
}

func TestPrune(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  default: {keep: {last: 10}}\n")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 5)
	oldest := w.sets(t, "one", "vm-100")[4].Name()
	if err := os.WriteFile(w.path("sites", "two", "vm-100", oldest+catalog.ProtectedSuffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := w.files(t, "one", "vm-100")

	dry, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 2}), true)
	if err != nil || len(dry) != 3 || what(dry[0]) != "last 1 of 2; last 2 of 2; goes; goes; goes" {
		t.Fatalf("%v: %+v", err, dry)
	}
	if after := w.files(t, "one", "vm-100"); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("a dry run changed %q to %q", before, after)
	}

	// Also without the key that opens them.
	if err := os.Remove(w.path("reader.txt")); err != nil {
		t.Fatal(err)
	}
	did, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 2}), false)
	if err != nil || what(did[0]) != "last 1 of 2; last 2 of 2; gone; gone; gone" || what(did[1]) != "last 1 of 2; last 2 of 2; gone; gone; protected" {
		t.Fatalf("%v: %+v", err, did)
	}
	// Whoever verifies later finds nothing that somebody else took.
	for _, site := range []string{"one", "two"} {
		sets := w.sets(t, site, "vm-100")
		seen, err := state.ReadSeen(guestset.MemoryOf(w.layer.State, "madagascar").Seen("nas/"+site, guestset.Guest("vm", 100)))
		if err != nil {
			t.Fatal(err)
		}
		if problems := catalog.Chain(sets, catalog.Link{Manifest: seen.Manifest, SHA256: seen.SHA256}, seen.Sequence); len(problems) > 0 {
			t.Errorf("%s: %v", site, problems)
		}
		if !sets[0].OnlyPrunes() || sets[0].Complete() {
			t.Errorf("%s: %+v", site, sets[0].Manifest)
		}
	}
	// Nothing more goes, so nothing more is written.
	if again, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 2}), false); err != nil || len(w.sets(t, "one", "vm-100")) != 3 {
		t.Errorf("%v: %+v", err, again)
	}
	// The record is no set, and goes when it is not the newest any more.
	w.said.Reset()
	w.nights(t, 1)
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 3 || sets[0].OnlyPrunes() || !sets[0].Complete() {
		t.Errorf("%d sets", len(sets))
	}
	if strings.Contains(w.said.String(), "error") {
		t.Errorf("%s", w.said)
	}
}

func TestPruneNeverTakesTheLast(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 2)
	w.now = w.now.Add(10 * 365 * 24 * time.Hour)
	if _, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false); err != nil {
		t.Fatal(err)
	}
	if _, ok := catalog.NewestComplete(w.sets(t, "one", "vm-100")); !ok {
		t.Error("no complete set is left")
	}
}

// After a backup that failed, what is there may be all that there will ever be.
func TestNoPruningAfterAFailure(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  default: {keep: {last: 5}}\n")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 3)
	w.cluster.dump = func(context.Context, pve.Guest, io.Writer) (string, error) {
		return "", errors.New("the disk is broken")
	}
	if _, err := w.backup(t); err == nil {
		t.Fatal("no error")
	}
	results, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false)
	if err != nil || !strings.Contains(results[0].Refused, "the disk is broken") || len(w.sets(t, "one", "vm-100")) != 3 {
		t.Errorf("%v: %+v", err, results)
	}
	w.cluster.dump = nil
	w.now = w.now.Add(time.Hour)
	w.nights(t, 1)
	if results, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false); err != nil || results[0].Refused != "" || what(results[0]) != "last 1 of 1; gone; gone; gone" {
		t.Errorf("%v: %+v", err, results)
	}
}

// What is lost can be acknowledged also while nothing may be pruned, and then
// nothing is.
func TestAcknowledgedWhileNothingIsPruned(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  default: {keep: {last: 5}}\n")
	w.add(pve.Guest{ID: 100})
	w.nights(t, 2)
	taken := w.sets(t, "one", "vm-100")[1]
	for _, name := range []string{taken.Name(), taken.Name() + catalog.SignatureSuffix, taken.Artifacts[0].Name} {
		if err := os.Remove(w.path("sites", "one", "vm-100", name)); err != nil {
			t.Fatal(err)
		}
	}
	w.nights(t, 1)
	w.cluster.dump = func(context.Context, pve.Guest, io.Writer) (string, error) {
		return "", errors.New("the disk is broken")
	}
	if _, err := w.backup(t); err == nil {
		t.Fatal("no error")
	}
	run := w.run(t)
	run.Acknowledge = true
	results, err := run.Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false)
	if err != nil || results[0].Refused == "" || what(results[0]) != "last 1 of 1; goes" {
		t.Fatalf("%v: %+v", err, results)
	}
	if strings.Join(results[0].Acknowledged, " ") != taken.Name() || len(results[1].Acknowledged) > 0 {
		t.Errorf("acknowledged %q, and in the other site %q", results[0].Acknowledged, results[1].Acknowledged)
	}
	sets := w.sets(t, "one", "vm-100")
	if len(sets) != 3 || !sets[0].OnlyPrunes() || len(sets[0].Prunes) > 0 || len(sets[0].Lost) > 0 {
		t.Errorf("%d sets, the newest %+v", len(sets), sets[0].Manifest)
	}
}

// A guest that was installed anew, empty, makes good backups: they must not push
// out the last of what it was.
func TestNoPruningAfterACollapse(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	big := make([]byte, 70<<20)
	for i := range big {
		big[i] = 1
	}
	content := big
	w.add(pve.Guest{ID: 100, Disks: []pve.Disk{{Key: "scsi0", InBackup: true}}})
	w.cluster.dump = func(_ context.Context, _ pve.Guest, to io.Writer) (string, error) {
		return log, vmatest.Guest(vmatest.Bytes("drive-scsi0", content)).Write(to)
	}
	w.nights(t, 2)
	content = bytes.Repeat([]byte{1}, 1<<20)
	w.nights(t, 3)
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 5 || len(sets[0].Findings) != 1 {
		t.Errorf("%d sets", len(sets))
	}
	results, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false)
	if err != nil || !strings.Contains(results[0].Refused, "stored: 1048576, but 73400320 in") || len(w.sets(t, "one", "vm-100")) != 5 {
		t.Errorf("%v: %+v", err, results)
	}
	w.tells(t, "nothing is pruned for thirty days")
	w.now = w.now.Add(31 * 24 * time.Hour)
	w.nights(t, 1)
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 2 {
		t.Errorf("after thirty days: %d sets", len(sets))
	}
}

// Nor must those of a guest that got the number of one that was destroyed,
// however large it is.
func TestNoPruningAfterAnotherGuest(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100, Name: "old"}) // by a version that knew no identities
	w.nights(t, 1)
	w.add(pve.Guest{ID: 100, Name: "old", Identity: "uuid-1"})
	w.nights(t, 2)
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 2 || len(sets[0].Findings) != 0 {
		t.Fatalf("%d sets, found %v", len(sets), sets[0].Findings)
	}
	w.add(pve.Guest{ID: 100, Name: "new", Identity: "uuid-2"})
	w.nights(t, 3)
	sets := w.sets(t, "one", "vm-100")
	if len(sets) != 5 || len(sets[0].Findings) != 1 || sets[0].Findings[0].What != "this is another guest than the one of "+sets[3].Name() {
		t.Errorf("%d sets, found %v", len(sets), sets[0].Findings)
	}
	w.tells(t, "vm-100/nas/three: warning: this is another guest than the one of manifest-20261123T020000Z.json: nothing is pruned for thirty days")
	results, err := w.run(t).Prune(t.Context(), w.kept(catalog.Keep{Last: 1}), false)
	if err != nil || !strings.Contains(results[0].Refused, "another guest than the one of") || len(w.sets(t, "one", "vm-100")) != 5 {
		t.Errorf("%v: %+v", err, results)
	}
	w.now = w.now.Add(31 * 24 * time.Hour)
	w.nights(t, 1)
	if sets := w.sets(t, "one", "vm-100"); len(sets) != 2 || len(sets[0].Findings) != 0 {
		t.Errorf("after thirty days: %d sets, found %v", len(sets), sets[0].Findings)
	}
}
