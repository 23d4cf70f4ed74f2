package guestbackup_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestbackup"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/unseal"
	"github.com/railiance/railiance/tools/internal/vma"
	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

// open opens an artifact of the world with the reader's key.
func (w *world) open(t *testing.T, site, folder, name string) io.Reader {
	t.Helper()
	b, err := os.ReadFile(w.path("sites", site, folder, name))
	if err != nil {
		t.Fatal(err)
	}
	r, err := unseal.Reader(bytes.NewReader(b), w.key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAGuestInAllItsSites(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100, Name: "web", Disks: []pve.Disk{
		{Key: "scsi0", Size: diskSize, InBackup: true},
		{Key: "scsi1", Size: diskSize, Why: "backup=0 in its configuration"},
	}})
	results, err := w.backup(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, w.said)
	}
	result := results[100]
	if result.Status != guestbackup.Done || len(result.Sites) != 3 || !reflect.DeepEqual(result.LeftOut, []string{"scsi1: backup=0 in its configuration"}) {
		t.Errorf("%+v", result)
	}
	want := []string{"about-20261121T020000Z.json.age", "manifest-20261121T020000Z.json", "manifest-20261121T020000Z.json.sig", "vm-100-20261121T020000Z.vma.zst.age"}
	first, err := os.ReadFile(w.path("sites", "one", "vm-100", want[3]))
	if err != nil {
		t.Fatal(err)
	}
	for _, site := range []string{"one", "two", "three"} {
		if got := w.files(t, site, "vm-100"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s holds %q", site, got)
		}
		copied, err := os.ReadFile(w.path("sites", site, "vm-100", want[3]))
		if err != nil || !bytes.Equal(copied, first) {
			t.Errorf("%s: not the same artifact, %v", site, err)
		}
		a, _ := w.sets(t, site, "vm-100")[0].Artifact("vm-100")
		seen, err := state.ReadSeen(guestset.MemoryOf(w.layer.State, "madagascar").Seen("nas/"+site, guestset.Guest("vm", 100)))
		if link := w.sets(t, site, "vm-100")[0].Link(); err != nil || seen.Manifest != link.Manifest || seen.SHA256 != link.SHA256 || seen.Sequence != 1 {
			t.Errorf("%s: remembered is %+v, %v", site, seen, err)
		}
		if a.Source["node"] != "baobab" || a.Source["name"] != "web" || a.Contents["disk/scsi0"] != diskSize || a.Size != int64(len(first)) || len(a.Recipients) != 2 {
			t.Errorf("%s: %+v", site, a)
		}
	}

	z, err := unseal.Zstd(w.open(t, "two", "vm-100", want[3]))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	opened, err := vma.Verify(z)
	if err != nil {
		t.Fatal(err)
	}
	about, err := guestset.DecodeAbout(w.open(t, "two", "vm-100", want[0]))
	if err != nil {
		t.Fatal(err)
	}
	if about.Log != log || about.Config == "" || len(about.LeftOut) != 1 || len(about.Disks) != 1 || about.Disks[0].Digest != opened.Devices[0].Digest || about.Disks[0].Key != "scsi0" {
		t.Errorf("%+v", about)
	}
	if _, err := state.ReadStamp(w.layer.Backups, state.BackupStamp); err != nil {
		t.Error(err)
	}
	if strings.Contains(string(first), "disk of 100") {
		t.Error("the disk can be read")
	}
}

// What a dump can be that reports success, and must not become a set.
func TestADumpThatIsNone(t *testing.T) {
	for name, c := range map[string]struct {
		dump func(g pve.Guest, w io.Writer) (string, error)
		want string
	}{
		"nothing at all":       {func(pve.Guest, io.Writer) (string, error) { return log, nil }, "sent nothing"},
		"an empty zstd stream": {func(_ pve.Guest, w io.Writer) (string, error) { _, err := w.Write(make([]byte, 13)); return log, err }, "cut short after 13 bytes"},
		"cut in a cluster": {func(g pve.Guest, w io.Writer) (string, error) {
			return log, archive(g).Write(&cut{w, 14 << 10})
		}, "its data is cut short"},
		"clusters are missing": {func(g pve.Guest, w io.Writer) (string, error) {
			a := archive(g)
			a.Order = vmatest.Ascending(a.Disks)[:2]
			return log, a.Write(w)
		}, "is missing"},
		"cut, and it says so": {func(g pve.Guest, w io.Writer) (string, error) {
			return log, errors.Join(archive(g).Write(&cut{w, 50 << 10}), errors.New("exit status 255"))
		}, "exit status 255"},
		"without configuration": {func(g pve.Guest, w io.Writer) (string, error) {
			a := archive(g)
			a.Files[0].Data = nil
			return log, a.Write(w)
		}, "qemu-server.conf is empty"},
		"another guest's disks": {func(g pve.Guest, w io.Writer) (string, error) {
			a := archive(g)
			a.Files[0].Data = bytes.ReplaceAll(a.Files[0].Data, []byte("map:scsi0:"), []byte("map:scsi7:"))
			return log, a.Write(w)
		}, "disk scsi0 () is not in the archive"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir(), "")
			w.add(pve.Guest{ID: 100, Disks: []pve.Disk{{Key: "scsi0", Size: diskSize, InBackup: true}}})
			w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) { return c.dump(g, to) }
			results, err := w.backup(t)
			if !errors.Is(err, guestbackup.ErrFailed) || results[100].Status != guestbackup.Failed || !strings.Contains(results[100].Why, c.want) {
				t.Errorf("%v: %+v", err, results[100])
			}
			w.tells(t, c.want)
			for _, site := range []string{"one", "two", "three"} {
				if files := w.files(t, site, "vm-100"); len(files) > 0 {
					t.Errorf("%s holds %q", site, files)
				}
			}
			if last, err := guestbackup.LastAttempt(guestset.MemoryOf(w.layer.State, "madagascar"), guestset.Guest("vm", 100)); err != nil || last.OK || !strings.Contains(last.Why, c.want) {
				t.Errorf("the last attempt: %+v, %v", last, err)
			}
			if _, err := state.ReadStamp(w.layer.Backups, state.BackupStamp); err == nil {
				t.Error("stamped")
			}
		})
	}
}

// A disk too many is told of, and is no reason to have no backup.
func TestADiskTooMany(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100, Disks: []pve.Disk{{Key: "scsi0", Size: 2 * diskSize << 10, InBackup: true}, {Key: "scsi1", Why: "backup=0 in its configuration"}}})
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		a := vmatest.Guest(vmatest.Bytes("drive-scsi0", disk(g)), vmatest.Bytes("drive-scsi1", disk(g)), vmatest.Bytes("drive-scsi2", disk(g)))
		return "WARN: left-over backup job still running\n" + log, a.Write(to)
	}
	if _, err := w.backup(t); err != nil {
		t.Fatalf("%v\n%s", err, w.said)
	}
	var found []string
	for _, f := range w.sets(t, "one", "vm-100")[0].Findings {
		found = append(found, f.What+": "+f.Why)
	}
	want := []string{
		"disk scsi0 has 307200 bytes in the archive, and 629145600 in the guest's configuration: qm rescan tells whether the configuration is only out of date",
		"disk scsi1 is in the archive, and was not to be: backup=0 in its configuration",
		"disk scsi2 is in the archive, and was not to be: the guest did not have it a moment before",
		"vzdump: WARN: left-over backup job still running: ",
	}
	if !reflect.DeepEqual(found, want) {
		t.Errorf("findings %q", found)
	}
}

// Root in a container can put files where a restore looks for the container's
// configuration. Whoever restores it is to know; it is no reason to have no backup.
func TestAContainerWithAConfigurationOfItsOwn(t *testing.T) {
	w := newWorld(t, t.TempDir(), "")
	w.add(pve.Guest{ID: 100, Type: pve.CT, Disks: []pve.Disk{}})
	w.add(pve.Guest{ID: 101, Type: pve.CT, Disks: []pve.Disk{}})
	w.cluster.dump = func(_ context.Context, g pve.Guest, to io.Writer) (string, error) {
		names := []string{"./etc/vzdump/pct.conf", "./etc/motd"}
		if g.ID == 100 {
			names = append(names, "./etc/vzdump/pct.conf")
		}
		archive := tar.NewWriter(to)
		for _, name := range names {
			if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: 6}); err != nil {
				return log, err
			}
			if _, err := io.WriteString(archive, "arch: "); err != nil {
				return log, err
			}
		}
		return log, archive.Close()
	}
	if _, err := w.backup(t); err != nil {
		t.Fatalf("%v\n%s", err, w.said)
	}
	want := []catalog.Finding{{
		Asset: "ct-100",
		What:  "the container has files of its own below /etc/vzdump",
		Why:   "a restore could take them for the container's configuration",
	}}
	if found := w.sets(t, "one", "ct-100")[0].Findings; !reflect.DeepEqual(found, want) {
		t.Errorf("findings %+v", found)
	}
	w.tells(t, "ct-100: warning: "+want[0].What+" ("+want[0].Why+")")
	if found := w.sets(t, "one", "ct-101")[0].Findings; len(found) > 0 {
		t.Errorf("of one without: %+v", found)
	}
}

// A guest whose backup takes too long does not hold the others up. The clock is
// not the machine's, which may be too busy for those that are quick.
func TestTooLong(t *testing.T) { synctest.Test(t, tooLong) }

func tooLong(t *testing.T) {
	w := newWorld(t, t.TempDir(), "  default: {timeout: 300ms}\n")
	w.add(pve.Guest{ID: 100})
	w.add(pve.Guest{ID: 101})
	w.cluster.dump = func(ctx context.Context, g pve.Guest, to io.Writer) (string, error) {
		if g.ID == 100 {
			<-ctx.Done()
			return log, context.Cause(ctx)
		}
		return log, archive(g).Write(to)
	}
	results, err := w.backup(t)
	if !errors.Is(err, guestbackup.ErrFailed) || results[100].Why != "it took longer than 300ms" || results[101].Status != guestbackup.Done {
		t.Errorf("%v: %+v", err, results)
	}
}

// cut passes so many bytes on and swallows the rest.
type cut struct {
	w    io.Writer
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	n := min(c.left, len(p))
	c.left -= n
	if _, err := c.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}
