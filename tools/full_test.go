package tools_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/mustrun"
)

// A disk that is full at whatever point of a run costs that run, never an older
// set; and once there is room again the next run is a good one.
func TestFullAtEveryArtifact(t *testing.T) {
	mustrun.Root(t)
	b := newBench(t, 7)
	if err := os.Mkdir(b.root, 0o700); err != nil {
		t.Fatal(err)
	}
	unmount, err := layertest.Mount(b.root, "16m")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(unmount)
	b.run(t, "railiance-backup-s2")
	older := b.whole(t)

	const page = 4 << 10
	ballast := filepath.Join(b.root, "ballast")
	failures := map[string]bool{}
	ended := false
	// Few pages, then ever more: each artifact, the manifest and the signature
	// are in turn what no longer fits.
	for room := 0; !ended; room = max(room+1, room*5/4) {
		if room*page > 8<<20 {
			t.Fatal("a run with 8 MiB of room still fails")
		}
		fill(t, ballast, room*page)
		cmd, out := b.command("railiance-backup-s2")
		err := cmd.Run()
		story := out.String()
		if err == nil {
			ended = true
		} else if cmd.ProcessState.ExitCode() != 1 {
			t.Fatalf("%d pages of room: %v\n%s", room, err, story)
		}
		for line := range strings.Lines(story) {
			if _, what, ok := strings.Cut(line, "error: "); ok {
				if !strings.Contains(what, "no space left on device") && !strings.Contains(what, "the backup is not complete") {
					t.Errorf("%d pages of room: it says %s", room, line)
				}
				failures[strings.SplitN(line, ":", 3)[1]] = true
			}
		}
		if ended == strings.Contains(story, "error:") {
			t.Errorf("%d pages of room, exit status %d:\n%s", room, cmd.ProcessState.ExitCode(), story)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if gone := lost(older, b.whole(t)); len(gone) > 0 {
			t.Fatalf("%d pages of room: lost %q", room, gone)
		}
		// What was kept is a set that verifies, though it may lack something;
		// nothing waits to be swept but the note.
		for _, left := range b.leftovers(t) {
			if filepath.Base(left) != ".run" {
				t.Errorf("%d pages of room: left %s", room, left)
			}
		}
		if out := b.run(t, "railiance-restore-s2", "verify"); strings.Contains(out, "warning:") {
			t.Errorf("%d pages of room: verify says %s", room, out)
		}
	}
	for _, asset := range []string{"k3s-server", "datastore", "helm-values", "kubeconfig"} {
		if !failures[" cluster/"+asset] {
			t.Errorf("the disk was never full at %s", asset)
		}
	}
	if out := b.run(t, "railiance-backup-s2"); !strings.Contains(out, ", complete") || strings.Contains(out, "error:") {
		t.Errorf("with room again:\n%s", out)
	}
	if found := b.leftovers(t); len(found) > 0 {
		t.Errorf("with room again: left %q", found)
	}
}

// fill writes a file until the disk has no more room than that many bytes.
func fill(t *testing.T, path string, room int) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4<<10)
	size := int64(0)
	for {
		n, err := f.Write(block)
		size += int64(n)
		if err != nil {
			break
		}
	}
	if err := f.Truncate(max(size-int64(room), 0)); err != nil {
		t.Fatal(err)
	}
}
