package tbdeploy

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tbtest"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// What cannot be put back is not said to be back: the node tries again, says why
// not yet to who asks, and keeps the old file until it is in its place.
func TestUndoneOnFullDisk(t *testing.T) {
	t.Parallel()
	n := tbtest.New(t, 3).Node("ebony")
	const unit = "/etc/systemd/system/railiance-thunderbolt-undo.service"
	on(t, n, `mkdir -p /etc/udev/rules.d /etc/network/interfaces.d /etc/systemd/network
rm -rf /var/lib/railiance
mount -t tmpfs -o size=64k tmpfs /etc/udev/rules.d
{ head -c 40000 /dev/zero | tr '\0' '#'; echo; } >`+rulesPath)
	before := treeOf(t, n)
	const fill, free = "cat /dev/zero >/etc/udev/rules.d/filler 2>/dev/null || true", "rm /etc/udev/rules.d/filler"
	// told tells whether the node has said so, and that it has kept what was there.
	told := func(said string) {
		t.Helper()
		if !strings.Contains(said, "No space left on device") || !strings.Contains(said, rulesPath+" is not as it was: that is in "+pending+"/old/1") {
			t.Errorf("it says %q", said)
		}
		on(t, n, "cmp "+rulesPath+" "+pending+"/new/1; [ $(wc -c <"+pending+"/old/1) = 40001 ]; [ -e "+unit+" ]; [ ! -e "+rulesPath+".railiance-old ]; [ ! -e "+hookPath+" ] && [ ! -e "+stanzaPath+" ]")
	}

	must(t, n, taken(placed()), "begin", "5", "")
	must(t, n, "", "apply", "word")
	on(t, n, fill)
	for end := time.Now().Add(60 * time.Second); on(t, n, "grep 'is not as it was' "+pending+"/log || true") == ""; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the timer says nothing of it")
		}
	}
	_, err := scripted(t, n, "", "cancel")
	if err == nil {
		t.Fatal("cancel says that nothing is left to undo")
	}
	told(err.Error())
	on(t, n, free)
	gone(t, n)
	if after := treeOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}

	// Nobody is at it any more: who comes next is told, and then does it.
	must(t, n, taken(placed()), "begin", "3600", "")
	must(t, n, "", "apply", "word")
	on(t, n, endTimer+fill)
	for range 2 {
		_, err = scripted(t, n, "", "cancel")
		if err == nil {
			t.Fatal("cancel says that nothing is left to undo")
		}
		told(err.Error())
	}
	_, err = scripted(t, n, taken(placed()), "begin", "3600", "")
	if err == nil || strings.Contains(err.Error(), "status 76") {
		t.Fatalf("the next one went on: %v", err)
	}
	told(err.Error())
	on(t, n, free)
	must(t, n, "", "cancel")
	if after := treeOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
}

// story is told, and does something about it.
type story func(string)

func (s story) Write(p []byte) (int, error) {
	s(string(p))
	return len(p), nil
}

// Who deploys is told at once what keeps the node from undoing it, not only when
// nobody tries any more.
func TestToldWhyNotYetUndone(t *testing.T) {
	t.Parallel()
	ring := liveRing(t)
	n := ring.Node("ebony")
	on(t, n, `mkdir -p /etc/udev/rules.d; mount -t tmpfs -o size=64k tmpfs /etc/udev/rules.d
{ head -c 40000 /dev/zero | tr '\0' '#'; echo; } >`+rulesPath)
	before := stateOf(t, n)
	d := deployment(t, ring, "ebony")
	refused(t, d, "or was not made by tb-deploy: "+rulesPath)
	d.Overwrite = true
	told := 0
	d.Tell = &tell.Teller{W: story(func(line string) {
		t.Log(line)
		if strings.Contains(line, "not known to be undone yet") {
			told++
			if !strings.Contains(line, "No space left on device") || !strings.Contains(line, rulesPath+" is not as it was") {
				t.Errorf("is told %q", line)
			}
			on(t, n, "rm /etc/udev/rules.d/filler")
		}
	})}
	check, checks := d.Check, 0
	worse := errors.New("worse")
	d.Check = func(ctx context.Context) (thunderbolt.Diagnosis, error) {
		if checks++; checks == 2 {
			on(t, n, "cat /dev/zero >/etc/udev/rules.d/filler 2>/dev/null || true")
			return thunderbolt.Diagnosis{}, worse
		}
		return check(ctx)
	}
	if r, err := d.Run(t.Context()); r.Outcome != Undone || !errors.Is(err, worse) || told != 1 {
		t.Errorf("%s, %v, told %d times", r.Outcome, err, told)
	}
	if after := stateOf(t, n); after != before {
		t.Errorf("what was there (-) and is now (+):\n%s", diff(before, after))
	}
}
