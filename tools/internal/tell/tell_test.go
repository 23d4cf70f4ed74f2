package tell

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestLines(t *testing.T) {
	var out bytes.Buffer
	teller := &Teller{Program: "railiance-backup-s2", Layer: "cluster", W: &out}
	teller.Say("etcd", "%d bytes", 7)
	teller.Say("", "pruned")
	teller.Warn("kubeconfig", "it expires soon")
	teller.Fail("etcd", Hint(errors.Join(errors.New("snapshot: torn"), errors.New("and more")), "look at %s", "the disk"))
	want := `railiance-backup-s2: cluster/etcd: 7 bytes
railiance-backup-s2: cluster: pruned
railiance-backup-s2: cluster/kubeconfig: warning: it expires soon
railiance-backup-s2: cluster/etcd: error: snapshot: torn; and more
railiance-backup-s2: cluster/etcd: hint: look at the disk
`
	if out.String() != want {
		t.Errorf("%s\nwant\n%s", &out, want)
	}
}

func TestStampedAndColoured(t *testing.T) {
	var out bytes.Buffer
	teller := &Teller{Program: "p", Layer: "l", W: &out, Stamped: true, Colour: true}
	teller.Fail("", errors.New("broken"))
	if !regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ p: l: \x1b\[31merror: \x1b\[0mbroken\n$`).Match(out.Bytes()) {
		t.Errorf("%q", &out)
	}
}

// A verb that was started without a story tells none, and does not fail.
func TestSilent(t *testing.T) {
	var none *Teller
	none.Say("a", "b")
	none.Fail("a", errors.New("b"))
	(&Teller{}).Warn("a", "b")
	w, end := none.Progress("a")
	if n, err := w.Write([]byte("four")); n != 4 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	end()
}

// A log hears of a long deed now and then, not of every write.
func TestProgressInALog(t *testing.T) {
	var out bytes.Buffer
	w, end := (&Teller{Program: "p", Layer: "l", W: &out}).Progress("etcd")
	for range 1000 {
		if _, err := w.Write(make([]byte, 1<<10)); err != nil {
			t.Fatal(err)
		}
	}
	if out.Len() > 0 {
		t.Errorf("told at once: %s", &out)
	}
	w.(*ticker).last = time.Now().Add(-everyLine)
	if _, err := w.Write(make([]byte, 24<<10)); err != nil {
		t.Fatal(err)
	}
	end()
	if !strings.Contains(out.String(), "p: l/etcd: 1.0 MiB so far, ") || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("%q", &out)
	}
}

// Whoever waits for a long deed asks how fast it is and when it ends.
func TestSoFar(t *testing.T) {
	for _, c := range []struct {
		n, about int64
		took     time.Duration
		want     string
	}{
		{1 << 30, 4 << 30, 16 * time.Second, "1.0 GiB so far, 16s, 64.0 MiB/s, about 48s left"},
		{1 << 30, 0, 16 * time.Second, "1.0 GiB so far, 16s, 64.0 MiB/s"},
		{1 << 30, 1 << 20, 16 * time.Second, "1.0 GiB so far, 16s, 64.0 MiB/s"}, // larger than last time
		{0, 1 << 30, 30 * time.Second, "0 B so far, 30s"},
	} {
		if got := soFar(c.n, c.about, c.took); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// Only one of several draws: two bars on one line would be none.
func TestOneOfSeveralDraws(t *testing.T) {
	var out bytes.Buffer
	teller := &Teller{Program: "p", Layer: "l", W: &out, Terminal: true}
	first, end := teller.Long("vm-100", "on baobab", 10)
	second, endSecond := teller.Long("vm-101", "on ebony", 0)
	if _, draws := first.(*drawing); !draws {
		t.Errorf("the first is a %T", first)
	}
	if k, logs := second.(*ticker); !logs || k.where != "on ebony: " {
		t.Errorf("the second is %+v", second)
	}
	for range 5 { // more than was likely
		if _, err := first.Write(make([]byte, 7)); err != nil {
			t.Error(err)
		}
	}
	end()
	endSecond()
	third, end := teller.Long("vm-102", "", 0)
	defer end()
	if _, draws := third.(*drawing); !draws {
		t.Errorf("after the end of the first, the next is a %T", third)
	}
	if !strings.Contains(out.String(), "l/vm-100 on baobab") {
		t.Errorf("%q", &out)
	}
}

func TestHints(t *testing.T) {
	inner := Hint(fs.ErrNotExist, "make it")
	err := fmt.Errorf("open: %w", errors.Join(
		Hint(inner, "or name another"),
		errors.New("plain"),
		Hint(errors.New("second"), "make it"), // told already
	))
	if got, want := Hints(err), []string{"or name another", "make it"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if Hint(nil, "nothing is wrong") != nil {
		t.Error("no error became one")
	}
	if !errors.Is(inner, fs.ErrNotExist) || inner.Error() != fs.ErrNotExist.Error() {
		t.Errorf("a hint changes the error: %v", inner)
	}
	if Hints(nil) != nil || Hints(errors.New("x")) != nil {
		t.Error("hints from nowhere")
	}
}

func TestBytesAndAge(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 1<<63 - 1: "8.0 EiB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		-time.Second: "in the future", 0: "0s", 59 * time.Second: "59s", time.Hour: "1h", 47 * time.Hour: "47h", 49 * time.Hour: "2d", 90 * time.Minute: "1h",
	} {
		if got := Age(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}
