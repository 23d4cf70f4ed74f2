//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const journalFile = dataDir + "/server/railiance-restore.json"

// TestKilledRestore kills a restore at every step that it notes, and calls it
// again each time: it must go on, end, and have restored everything.
func TestKilledRestore(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { killed(w, etcdConfig) })
}

// TestKilledRestoreSQLite is the same on SQLite.
func TestKilledRestoreSQLite(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) { killed(w, sqliteConfig) })
}

func killed(w *world, config string) {
	t := w.t
	w.boot(config)
	w.fill()
	before := w.inventory()
	w.firstDay()
	w.do(backup)
	// Over a living server that has moved on: what is there must not leak into what comes back.
	w.kubectl("create", "namespace", "later")

	var seen []string
	for round := 1; ; round++ {
		stands, ended := w.killAt(&seen)
		if ended {
			t.Logf("killed %d times, at: %s", round-1, strings.Join(seen, ", "))
			break
		}
		if round > 40 {
			t.Fatalf("it does not come to an end: %s", stands)
		}
	}
	if len(seen) < 5 {
		t.Errorf("it was killed only at %v", seen)
	}
	w.ready()
	w.equal(before, "after a restore that was killed at every step")
	w.noPlaintext()
	if _, err := os.Stat(journalFile); err == nil {
		t.Errorf("the journal is still at %s", journalFile)
	}
}

// killAt lets a restore run until its journal says something that was not seen
// yet, and kills it there. It returns true when the restore came to its end.
func (w *world) killAt(seen *[]string) (string, bool) {
	w.t.Helper()
	cmd := exec.Command(tree+"/bin/"+restore, "apply", "--yes", "--layer", layerDir)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	w.ok(cmd.Start())
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				w.t.Fatalf("apply: %v\n%s", err, out.String())
			}
			return "", true
		case <-time.After(time.Millisecond):
		}
		now := standing()
		if now == "" || contains(*seen, now) {
			continue
		}
		*seen = append(*seen, now)
		w.ok(cmd.Process.Signal(syscall.SIGKILL))
		<-done
		return now, false
	}
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

// standing is the newest entry of the journal.
func standing() string {
	b, err := os.ReadFile(journalFile)
	if err != nil {
		return ""
	}
	var j struct {
		Steps []struct {
			Name  string
			Ended time.Time
		}
	}
	if err := json.Unmarshal(b, &j); err != nil || len(j.Steps) == 0 {
		return ""
	}
	last := j.Steps[len(j.Steps)-1]
	if last.Ended.IsZero() {
		return last.Name + " begun"
	}
	return last.Name + " ended"
}

// TestGoBack takes a restore back, once when it is done and once in the middle:
// what was there before must be there again.
func TestGoBack(t *testing.T) {
	scenario(t, func(t *testing.T, w *world) {
		w.boot(etcdConfig)
		w.fill()
		w.firstDay()
		w.do(backup)
		w.kubectl("create", "namespace", "later")
		w.kubectl("-n", "later", "create", "configmap", "since", "--from-literal=a=b")
		now := w.inventory()

		w.do(restore, "apply", "--yes")
		w.ready()
		if d := w.program("k3s", "kubectl", "get", "namespace", "later"); d.code == 0 {
			t.Error("what was made after the backup is there after the restore")
		}
		w.do(restore, "apply", "--back", "--yes")
		w.ready()
		w.equal(now, "taken back when it was done")

		seen := []string{"stop begun", "stop ended", "save begun", "save ended", "place begun", "place ended", "datastore begun"}
		if at, ended := w.killAt(&seen); ended {
			t.Fatal("the restore ended before it was killed")
		} else {
			t.Logf("killed at %q", at)
		}
		w.do(restore, "apply", "--back", "--yes")
		w.ready()
		w.equal(now, "taken back from the middle")
		w.noPlaintext()
	})
}
