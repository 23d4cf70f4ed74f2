package host

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sh is a command that does what a shell line says.
func sh(line string) Command { return Command{Args: []string{"sh", "-c", line}} }

func TestRun(t *testing.T) {
	var out bytes.Buffer
	c := sh(`read line; echo "$line $WHO $PWD"`)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c.Env, c.Dir, c.Stdin, c.Stdout = []string{"WHO=me"}, dir, strings.NewReader("hello\n"), &out
	if err := Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	if want := "hello me " + dir + "\n"; out.String() != want {
		t.Errorf("%q, want %q", &out, want)
	}
}

func TestMissing(t *testing.T) {
	if err := Run(context.Background(), Command{Args: []string{"no-such-program-here"}}); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("%v, want ErrNotInstalled", err)
	}
}

// A failure quotes the last lines of what the program complained about, and
// nothing that acts on a terminal.
func TestExitError(t *testing.T) {
	var all bytes.Buffer
	c := sh(`for i in 1 2 3 4; do echo "line $i" >&2; done; printf '\033[31mred\007' >&2; exit 7`)
	c.Stderr = &all
	err := Run(context.Background(), c)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Fatalf("%v", err)
	}
	if want := "sh: exit status 7: line 3; line 4; \ufffd[31mred\ufffd"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !strings.HasPrefix(all.String(), "line 1\n") {
		t.Errorf("the rest went nowhere: %q", &all)
	}
	err = Run(context.Background(), sh("exit 3"))
	if err == nil || err.Error() != "sh: exit status 3" {
		t.Errorf("%v", err)
	}
	err = Run(context.Background(), sh("kill -KILL $$"))
	if !errors.As(err, &exit) || exit.Code != -1 || !strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
}

// The account of what a program complained about is bounded.
func TestComplaintsAreBounded(t *testing.T) {
	err := Run(context.Background(), sh(`head -c 10000000 /dev/zero | tr '\0' x >&2; exit 1`))
	if err == nil || len(err.Error()) > 2*tailBytes {
		t.Errorf("%d bytes", len(err.Error()))
	}
}

func TestOutput(t *testing.T) {
	if b, err := Output(context.Background(), sh("printf 12345"), 5); err != nil || string(b) != "12345" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := Output(context.Background(), sh("printf 123456"), 5); err == nil || b != nil {
		t.Errorf("more than allowed: %q, %v", b, err)
	}
	// A program that prints too much still ends, and its failure is what is said.
	if _, err := Output(context.Background(), sh("head -c 1000000 /dev/zero; exit 4"), 5); err == nil || !strings.Contains(err.Error(), "exit status 4") {
		t.Errorf("%v", err)
	}
	// Unless it does not.
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if _, err := Output(ctx, sh("exec cat /dev/zero"), 5); err == nil || ctx.Err() != nil || !strings.Contains(err.Error(), "more than 5 bytes, and did not end") {
		t.Errorf("%v", err)
	}
}

// What is stopped takes its own children with it, and says why it was stopped.
func TestStopped(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancelCause(context.Background())
	c := sh(`sleep 300 & echo $! >"$PIDFILE.new"; mv "$PIDFILE.new" "$PIDFILE"; wait`)
	c.Env = []string{"PIDFILE=" + pidFile}
	why := errors.New("it took longer than a second")
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, c) }()
	pid := 0
	for end := time.Now().Add(20 * time.Second); pid == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the program does not begin")
		}
		if b, err := os.ReadFile(pidFile); err == nil {
			if pid, err = strconv.Atoi(strings.TrimSpace(string(b))); err != nil {
				t.Fatal(err)
			}
		}
	}
	cancel(why)
	if err := <-ended; !errors.Is(err, why) || !strings.Contains(err.Error(), "sh: stopped") {
		t.Errorf("%v, want why it was stopped", err)
	}
	for end := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("its child, %d, lives on", pid)
		}
	}
}

// alive says whether a process runs: one that only nobody has waited for does
// not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"plain, grüße ☃":    "plain, grüße ☃",
		"two\nlines\tand":   "two lines and",
		"\x1b]0;title\x07":  "\ufffd]0;title\ufffd",
		"right\u202eleft":   "right\ufffdleft",
		"\x00\r\x7f\u0085x": "\ufffd\ufffd\ufffd\ufffdx",
		"bad \xff utf":      "bad \ufffd utf",
	} {
		if got := Printable(in); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// A message names the command, not its arguments: they can be long, or paths
// that say nothing.
func TestNames(t *testing.T) {
	for args, want := range map[string]string{
		"k3s etcd-snapshot save --name x":     "k3s etcd-snapshot save",
		"/usr/local/bin/k3s kubectl get pods": "k3s kubectl get",
		"k3s kubectl /api/v1/secrets":         "k3s kubectl",
		"k3s":                                 "k3s",
	} {
		if got := name(Command{Args: strings.Fields(args)}); got != want {
			t.Errorf("%q is called %q, want %q", args, got, want)
		}
	}
}

func TestWidenPath(t *testing.T) {
	t.Setenv("PATH", "/opt/own:/usr/bin")
	for range 2 {
		if err := WidenPath(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := os.Getenv("PATH"), "/opt/own:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
