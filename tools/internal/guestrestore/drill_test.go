package guestrestore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/pvetest"
	"github.com/railiance/railiance/tools/internal/vma"
)

func (w *world) drill() *guestrestore.Drill {
	return &guestrestore.Drill{
		Cluster: w.cluster, Memory: w.memory, Tell: w.tell,
		First: 900, Last: 903, Ready: 5 * time.Second, Settle: 200 * time.Millisecond,
	}
}

// A drill proves as much as the guest can tell, and leaves nothing of itself;
// the original runs on.
func TestDrill(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	mute := web()
	mute.ID, mute.Name, mute.Agent = 101, "mute", false
	ok(t, w.AddVM(mute))
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Keys: map[string]string{"net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01"}}))
	ok(t, w.AddVM(pvetest.VM{ID: 900, Node: "ebony", Name: "not-ours"}))
	golden := web()
	golden.ID, golden.Name, golden.Running, golden.Template = 102, "golden", false, true
	ok(t, w.AddVM(golden))
	ok(t, w.SetFault("agent-901", "after 10"))
	for id, want := range map[int]guestrestore.Drilled{
		100: {Proof: guestrestore.ProofBooted, Disks: []string{"scsi0", "scsi1"}, Node: "baobab"},
		101: {Proof: guestrestore.ProofRuns, Disks: []string{"scsi0", "scsi1"}, Node: "baobab"},
		102: {Proof: guestrestore.ProofContents, Disks: []string{"scsi0", "scsi1"}, Node: "baobab"},
		200: {Proof: guestrestore.ProofBooted, Node: "tapia"},
	} {
		s := w.backup(t, id, nil)
		got, err := w.drill().Do(soon(t), s.Source)
		if ok(t, err); got.ID != 901 || got.Node != want.Node || got.Proof != want.Proof || !slices.Equal(got.Disks, want.Disks) || (got.Answers > 0) != (want.Proof == guestrestore.ProofBooted) {
			t.Errorf("%d: %+v", id, got)
		}
	}
	calls, err := w.Calls()
	ok(t, err)
	var deeds []string
	for _, c := range calls {
		for _, deed := range []string{"set 901 --tags", "link_down=1", "start 901", "destroy 901", "qmrestore - 901", "pct restore 901"} {
			if strings.Contains(c, deed) {
				deeds = append(deeds, deed)
			}
		}
	}
	for i, deed := range deeds {
		if deed == "start 901" && (deeds[i-1] != "link_down=1" || deeds[i-2] != "set 901 --tags" || deeds[i+1] != "destroy 901") {
			t.Errorf("in this order: %v", deeds)
		}
	}
	if n := len(deeds); n != 4*5-1 {
		t.Errorf("%d deeds: %v", n, deeds)
	}
	if runs, err := w.Runs(100); err != nil || !runs || w.has(t, 900) != "ebony" {
		t.Errorf("the original runs: %v, %v; 900 is on %q", runs, err, w.has(t, 900))
	}
	w.clean(t, 901, 902)
}

// What cannot be kept from its original is compared, and not started.
func TestDrillOfWhatReachesOut(t *testing.T) {
	w := start(t)
	ok(t, w.AddCT(pvetest.CT{ID: 200, Node: "tapia", Name: "dns", Keys: map[string]string{"lxc.mount.entry": "/srv srv none bind"}}))
	got, err := w.drill().Do(soon(t), w.backup(t, 200, nil).Source)
	if ok(t, err); got.Proof != guestrestore.ProofContents || !strings.Contains(w.said.String(), "not started: guest 900") {
		t.Errorf("%+v: %s", got, w.said)
	}
	calls, err := w.Calls()
	ok(t, err)
	if slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "start 900") }) {
		t.Errorf("%q", calls)
	}
	w.clean(t, 900, 901)
}

// A machine that the node has no memory for is compared, and not started.
func TestDrillOfWhatIsTooLarge(t *testing.T) {
	w := start(t)
	large := web()
	large.Memory, large.Running = 64<<10, false
	ok(t, w.AddVM(large))
	got, err := w.drill().Do(soon(t), w.backup(t, 100, nil).Source)
	if ok(t, err); got.Proof != guestrestore.ProofContents || !strings.Contains(w.said.String(), "not started: it wants 64.0 GiB of memory, and baobab has 8.0 GiB free") {
		t.Errorf("%+v: %s", got, w.said)
	}
	if slices.ContainsFunc(w.calls(t), func(c string) bool { return strings.Contains(c, "start 900") }) {
		t.Error("it was started")
	}
	w.clean(t, 900, 901)
}

// Whatever is wrong with it, nothing is proven, and nothing stays.
func TestDrillOfWhatIsWrong(t *testing.T) {
	mustrun.Long(t)
	w := start(t)
	ok(t, w.AddVM(web()))
	good := w.backup(t, 100, nil)
	for name, tt := range map[string]struct {
		change func(*guestset.About)
		fault  string
		want   string
	}{
		"another disk":     {change: func(a *guestset.About) { a.Disks[0].Digest = vma.Digest{} }, want: "disk scsi0: is not what was backed up"},
		"it does not boot": {fault: "start-900 fail", want: "does not start"},
		"nobody answers":   {fault: "agent-900 never", want: "nobody in it answers for 5s"},
		"no room":          {fault: "qmrestore-baobab fail after 1000000", want: "guest 900"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good
			if tt.change != nil {
				s = w.backup(t, 100, tt.change)
			}
			if fault, line, is := strings.Cut(tt.fault, " "); is {
				ok(t, w.SetFault(pvetest.Fault(fault), line))
				defer func() { ok(t, w.SetFault(pvetest.Fault(fault), "")) }()
			}
			_, err := w.drill().Do(soon(t), s.Source)
			fails(t, err, tt.want)
			w.clean(t, 900, 901)
		})
	}
	d := w.drill()
	d.First, d.Last = 100, 100
	_, err := d.Do(soon(t), good.Source)
	fails(t, err, "no number from 100 to 100 is free")
}

// A storage that does not keep what it is given is found before the guest boots.
func TestDrillReadsTheDisksBack(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	ctx := soon(t)
	spoilt := w.spoil(ctx, overwrite("rot", 70_000))
	_, err := w.drill().Do(ctx, s.Source)
	ok(t, <-spoilt)
	fails(t, err, "disk scsi1 is not what was backed up once it is in the cluster")
	if slices.ContainsFunc(w.calls(t), func(c string) bool { return strings.Contains(c, "start 900") }) {
		t.Error("it was booted")
	}
	w.clean(t, 900)
}

// A logical volume is rounded up, and what lies behind the end of the disk is
// of somebody before.
func TestDrillOfARoundedDisk(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	ctx := soon(t)
	spoilt := w.spoil(ctx, overwrite(strings.Repeat("somebody else's", 9000), 3<<20))
	got, err := w.drill().Do(ctx, s.Source)
	ok(t, <-spoilt)
	if ok(t, err); !slices.Contains(got.Disks, "scsi1") {
		t.Errorf("%+v", got)
	}
	w.clean(t, 900)
}

// A disk that is too short for its guest is found also where nothing but zeros is
// missing, which is no matter of digests.
func TestDrillOfADiskThatIsTooShort(t *testing.T) {
	w := start(t)
	ok(t, w.AddVM(web()))
	s := w.backup(t, 100, nil)
	ctx := soon(t)
	spoilt := w.spoil(ctx, func(f *os.File) error { return f.Truncate(2 << 20) })
	_, err := w.drill().Do(ctx, s.Source)
	ok(t, <-spoilt)
	fails(t, err, "disk scsi1 has 2097152 bytes in the cluster, and had 3145728")
	w.clean(t, 900)
}

func overwrite(text string, at int64) func(*os.File) error {
	return func(f *os.File) error { _, err := f.WriteAt([]byte(text), at); return err }
}

// spoil does something to scsi1 of guest 900, between its restore and the reading
// of its disks.
func (w *world) spoil(ctx context.Context, harm func(*os.File) error) chan error {
	spoilt := make(chan error, 1)
	go func() {
		spoilt <- func() error {
			for ctx.Err() == nil {
				calls, err := w.Calls()
				if err != nil {
					return err
				}
				if slices.ContainsFunc(calls, func(c string) bool { return strings.Contains(c, "set 900 --tags") }) {
					path, err := w.DiskPath(900, "scsi1")
					if err != nil {
						return err
					}
					f, err := os.OpenFile(path, os.O_WRONLY, 0)
					if err != nil {
						return err
					}
					return errors.Join(harm(f), f.Close())
				}
				time.Sleep(5 * time.Millisecond)
			}
			return ctx.Err()
		}()
	}()
	return spoilt
}

func (w *world) calls(t *testing.T) []string {
	t.Helper()
	all, err := w.Calls()
	ok(t, err)
	return all
}

// Somebody may interrupt at any point.
func TestDrillInterrupted(t *testing.T) {
	mustrun.Long(t)
	w := start(t)
	ok(t, w.AddVM(web()))
	ok(t, w.SetFault("agent-900", "never"))
	s := w.backup(t, 100, nil)
	for _, deed := range []string{"qmrestore - 900", "set 900 --tags", "pvesm path", "start 900", "guest cmd 900 ping"} {
		t.Run(deed, func(t *testing.T) {
			before, err := w.Calls()
			ok(t, err)
			ctx, stop := context.WithCancelCause(soon(t))
			why := errors.New("interrupted")
			go func() {
				for ctx.Err() == nil {
					calls, err := w.Calls()
					if err != nil || slices.ContainsFunc(calls[len(before):], func(c string) bool { return strings.Contains(c, deed) }) {
						stop(why)
					}
					time.Sleep(2 * time.Millisecond)
				}
			}()
			_, err = w.drill().Do(ctx, s.Source)
			if !errors.Is(err, why) {
				t.Error(err)
			}
			w.clean(t, 900)
		})
	}
}

// What a killed drill has left is recognised by its note and its mark, and goes;
// what somebody else has made under its number since does not.
func TestSweep(t *testing.T) {
	w := start(t)
	left := func(id int, text string) string {
		t.Helper()
		path := filepath.Join(string(w.memory), "restoring-"+text+".json")
		ok(t, os.MkdirAll(filepath.Dir(path), 0o700))
		ok(t, os.WriteFile(path, []byte(`{"format":1,"made":{"id":`+text+`,"type":"qemu","node":"baobab"},"drill":true,"set":"vm-100/x"}`), 0o600))
		return path
	}
	ours := pvetest.VM{ID: 900, Node: "baobab", Name: "web", Running: true, Tags: []string{"prod", pve.DrillTag}}
	theirs := pvetest.VM{ID: 901, Node: "baobab", Name: "new"}
	ok(t, errors.Join(w.AddVM(ours), w.AddVM(theirs)))
	note := map[int]string{900: left(900, "900"), 901: left(901, "901"), 902: left(902, "902")}
	torn := filepath.Join(string(w.memory), "restoring-903.json")
	ok(t, os.WriteFile(torn, []byte(`{"form`), 0o600))
	living := pvetest.VM{ID: 904, Node: "baobab", Name: "web", Tags: []string{pve.DrillTag}}
	ok(t, w.AddVM(living))
	held, err := os.Open(left(904, "904"))
	ok(t, err)
	defer held.Close()
	ok(t, syscall.Flock(int(held.Fd()), syscall.LOCK_EX))
	err = guestrestore.Sweep(soon(t), w.cluster, w.memory, w.tell)
	if w.has(t, 904) == "" {
		t.Error("the guest of a drill that lives was removed")
	}
	fails(t, err, "guest 901 on baobab: does not look like what a drill has made")
	if w.has(t, 900) != "" || w.has(t, 901) == "" || !strings.Contains(w.said.String(), "removed guest 900 on baobab") {
		t.Errorf("900 on %q, 901 on %q:\n%s", w.has(t, 900), w.has(t, 901), w.said)
	}
	for _, path := range []string{note[900], note[902], torn} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(note[901]); err != nil {
		t.Error(err)
	}
}
