package tools_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/layertest"
)

// What a power cut leaves is decided by the order of writing: artifacts, each
// durable under its name, then the manifest, the signature, the stamp, and only
// then the pruning, signature first. No crash that a test can make shows a
// missing fsync, so the system calls are held to the order themselves.
func TestOrderOfWriting(t *testing.T) {
	b := newBench(t, 1)
	b.run(t, "railiance-backup-s2")
	old := b.whole(t)[0]
	cmd, _ := b.command("railiance-backup-s2")
	log, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	changes, err := layertest.Changes(cmd, b.sets, b.state)
	if err != nil {
		t.Fatal(err)
	}
	made := b.whole(t)[0]

	// at is where the change is; every one that is asked for must be there.
	at := func(change, path string) int {
		t.Helper()
		i := slices.Index(changes, change+" "+filepath.Join(b.sets, path))
		if i < 0 {
			t.Fatalf("no %s of %s in\n%s", change, path, strings.Join(changes, "\n"))
		}
		return i
	}
	before := func(what string, i, j int) {
		t.Helper()
		if i >= j {
			t.Errorf("%s: %s, then %s", what, changes[j], changes[i])
		}
	}
	// durable is where a published file is whole on the disk under its name.
	durable := func(name string) int {
		t.Helper()
		link := at("link", name)
		draft := ""
		synced := -1
		for i, change := range changes[:link] {
			what, path, _ := strings.Cut(change, " ")
			if strings.HasPrefix(filepath.Base(path), ".draft-"+name+"-") {
				draft = path
				switch what {
				case "write", "fchmod":
					synced = -1
				case "fsync":
					synced = i
				}
			}
		}
		if draft == "" || synced < 0 {
			t.Errorf("%s is published before its draft is on the disk", name)
		}
		folder := slices.Index(changes[link:], "fsync "+b.sets)
		if folder < 0 {
			t.Fatalf("%s: the folder is never on the disk", name)
		}
		return link + folder
	}
	// replaced is where a small file has its new content, on the disk.
	replaced := func(path string) int {
		t.Helper()
		rename := slices.Index(changes, "rename "+path)
		if rename < 1 {
			t.Fatalf("%s is not replaced", path)
		}
		if what, draft, _ := strings.Cut(changes[rename-1], " "); what != "fsync" || !strings.HasPrefix(filepath.Base(draft), ".draft-") {
			t.Errorf("%s is replaced by what is not on the disk: after %s", path, changes[rename-1])
		}
		return rename
	}

	note := replaced(filepath.Join(b.sets, ".run"))
	manifest, signature := durable(made.Name()), durable(made.Name()+".sig")
	for _, a := range made.Artifacts {
		before("the note before the first byte", note, at("link", a.Name))
		before("artifacts before the manifest", durable(a.Name), at("link", made.Name()))
	}
	before("the manifest before its signature", manifest, at("link", made.Name()+".sig"))
	memory, stamp := replaced(filepath.Join(b.state, "cluster.seen")), replaced(filepath.Join(b.sets, ".last-backup"))
	before("the signature before the memory", signature, memory)
	before("the signature before the stamp", signature, stamp)

	gone := at("unlink", old.Name()+".sig")
	before("the stamp before the pruning", stamp, gone)
	before("a set stops being one first", gone, at("unlink", old.Name()))
	for _, a := range old.Artifacts {
		before("the manifest goes before what it tells of", at("unlink", old.Name()), at("unlink", a.Name))
	}
	for i, change := range changes {
		if what, path, _ := strings.Cut(change, " "); what == "unlink" && !strings.Contains(path, ".draft-") && filepath.Base(path) != ".run" {
			if changes[i+1] != "fsync "+b.sets {
				t.Errorf("%s is not on the disk before %s", change, changes[i+1])
			}
		}
	}
	before("the note goes last", gone, at("unlink", ".run"))
}
