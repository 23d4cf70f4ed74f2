package pve

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Every recorded run of vzdump: those that did well are taken, and every other
// is refused for the right reason, those that exit with 0 included.
func TestJudgeOfTheRecordings(t *testing.T) {
	refused := map[string]string{
		"100-all-stdout":                   "only backup a single VM",
		"100-bad-mode":                     "400 Parameter verification failed",
		"100-bad-option":                   "Unknown option: nosuchoption",
		"100-consumer-killed":              "vma_queue_write: write error - Broken pipe",
		"100-consumer-killed-zstd":         "vma_queue_write: write error - Broken pipe",
		"100-dumpdir-full":                 "ended well, but: Warning: unable to close filehandle GEN54 properly: No space left on device",
		"100-dumpdir-missing":              "dumpdir '/mnt/nosuch' does not exist",
		"100-dumpdir-readonly":             "",
		"100-file-full":                    "",
		"100-node-pve2":                    "vzdump ended well, and sent nothing",
		"100-notes-without-storage":        "",
		"100-stdout-storage":               "",
		"100-storage-dumpdir":              "",
		"100-storage-nosuch":               "",
		"100-tmpdir-readonly":              "",
		"100-two-vmids":                    "",
		"101-excluded-disk-volume-missing": "volume 'local:101/vm-101-disk-9.raw' does not exist",
		"101-locked":                       "the guest is locked: VM is locked (backup)",
		"101-locked-zstd":                  "the guest is locked: VM is locked (backup)",
		"110-missing-disk":                 "volume 'local:110/vm-110-disk-0.raw' does not exist",
		"110-missing-disk-zstd":            "volume 'local:110/vm-110-disk-0.raw' does not exist",
		"111-config-over-64k":              "got signal 5",
		"111-config-over-64k-zstd":         "got signal 5",
		"200-consumer-killed":              "ended well, but tar did not",
		"200-consumer-killed-zstd":         "",
		"200-zstd":                         "tar wrote 522240 bytes, and 418528 came", // we never ask for it
		"201-consumer-killed":              "got signal 13",
		"300-other-node":                   "vzdump ended well, and sent nothing",
		"999-nonexistent":                  "there is no such guest: unable to find VM '999'",
		"999-nonexistent-zstd":             "there is no such guest: unable to find VM '999'",
	}
	bytes := map[string]int64{"100-node-pve2": 0, "300-other-node": 0, "200-consumer-killed": 100000, "200-zstd": 418528, "200-snapshot": 522240, "200-stop": 522240, "200-dumpdir-full": 522240, "201-snapshot": 522240}
	paths, err := filepath.Glob("testdata/vzdump-*.rc")
	ok(t, err)
	if len(paths) < 40 {
		t.Fatalf("%d recordings", len(paths))
	}
	for _, path := range paths {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "vzdump-"), ".rc")
		if strings.HasSuffix(name, "-qm-status-after") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			rc, err := os.ReadFile(path)
			ok(t, err)
			log, err := os.ReadFile(strings.TrimSuffix(path, ".rc") + ".stderr")
			ok(t, err)
			id, err := strconv.Atoi(regexp.MustCompile(`^[0-9]+`).FindString(name))
			ok(t, err)
			g := Guest{ID: id, Type: VM, Node: "pve1"}
			if id == 200 || id == 201 {
				g.Type = CT
			}
			sent, told := bytes[name]
			if !told {
				sent = 1 << 20
			}
			var ended error
			if code := strings.TrimSpace(string(rc)); code != "0" {
				ended = &host.ExitError{Name: "pve1: vzdump", How: "exit status " + code, Stderr: word(tell.Line(string(log)))}
			}
			err = judge(g, string(log), sent, ended)
			want, bad := refused[name]
			if bad != (err != nil) || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		})
	}
}

func TestLockedSaysTheWayOut(t *testing.T) {
	log := string(recorded(t, "vzdump-101-locked.stderr"))
	err := judge(Guest{ID: 101, Type: VM, Node: "pve1"}, log, 0, &host.ExitError{})
	if !errors.Is(err, ErrLocked) || len(tell.Hints(err)) != 1 || !strings.Contains(tell.Hints(err)[0], "qm unlock 101") {
		t.Errorf("%v, hints %q", err, tell.Hints(err))
	}
}

func TestWarnings(t *testing.T) {
	got := Warnings(string(recorded(t, "vzdump-100-leftover-job-warning.stderr")) + "WARN: \x1b[2J\nWARN: \x1b[2J\n")
	want := []string{"WARN: left-over backup job still running inside QEMU - canceling now", "WARN: �[2J"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for _, line := range []string{
		"INFO: mode failure - some volumes do not support snapshots",
		"INFO: skipping guest filesystem freeze - agent configured but not running?",
	} {
		if got := Warnings("INFO: starting\n" + line + "\nINFO: trying 'suspend' mode instead\n"); !slices.Equal(got, []string{line}) {
			t.Errorf("%q", got)
		}
	}
	if got := Warnings(string(recorded(t, "vzdump-100-running-snapshot.stderr"))); got != nil {
		t.Errorf("%q", got)
	}
}

// The log of a dump that takes a night stays small, and keeps both its ends.
func TestJournal(t *testing.T) {
	j := &journal{}
	ok2 := func(n int, err error) { ok(t, err) }
	ok2(j.Write([]byte("begin\n")))
	line := []byte(strings.Repeat("x", 1<<20))
	for range 50 {
		ok2(j.Write(line))
	}
	ok2(j.Write([]byte("end\n")))
	s := j.String()
	if len(s) > journalHead+2*journalTail+100 || !strings.HasPrefix(s, "begin\n") || !strings.HasSuffix(s, "end\n") || !strings.Contains(s, "bytes are left out here") {
		t.Errorf("%d bytes", len(s))
	}
}

// A log is what a node says, and it says it to a terminal in the end.
func FuzzLog(f *testing.F) {
	for _, name := range []string{"101-locked", "201-consumer-killed", "200-snapshot", "100-leftover-job-warning"} {
		f.Add(recorded(f, "vzdump-"+name+".stderr"))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		said := Warnings(string(log))
		for _, kind := range []string{VM, CT} {
			g := Guest{ID: 201, Type: kind, Node: "a"}
			if err := judge(g, string(log), 1, nil); err != nil {
				said = append(said, err.Error())
			}
			if err := judge(g, string(log), 1, &host.ExitError{Name: "a: vzdump", How: "exit status 255"}); err == nil {
				t.Error("a failure was taken for none")
			} else {
				said = append(said, err.Error())
			}
		}
		for _, s := range said {
			if len(s) > 4*wordMax || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q", s)
			}
		}
	})
}
