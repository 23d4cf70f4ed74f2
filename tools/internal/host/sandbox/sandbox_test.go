package sandbox_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/host/sandbox"
	"github.com/railiance/railiance/tools/internal/mustrun"
)

// The test binary is its own inside: it is started again with this variable.
const variable = "SANDBOX_TEST_OPTIONS"

func TestMain(m *testing.M) {
	if text := os.Getenv(variable); text != "" {
		os.Exit(within(text))
	}
	os.Exit(m.Run())
}

// seen is what a process finds inside.
type seen struct {
	Interfaces []string // that are up
	Default    string   // where a packet to the world would leave, or the error
	PID        int
	Processes  []string
	Run        []string // entries of /run
	Refused    []string // folders that cannot be written to
	Written    bool     // Dir can
	Size       int64    // bytes of Dir's file system
}

func within(text string) int {
	var o sandbox.Options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	if err := sandbox.Enter(o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	s := seen{PID: os.Getpid()}
	links, err := net.Interfaces()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	for _, link := range links {
		if link.Flags&net.FlagUp != 0 {
			s.Interfaces = append(s.Interfaces, link.Name)
		}
	}
	conn, err := net.DialTimeout("tcp", "203.0.113.1:443", time.Second)
	if err != nil {
		s.Default = err.Error()
	} else {
		s.Default = "connected"
		conn.Close()
	}
	s.Processes, _ = filepath.Glob("/proc/[0-9]*")
	s.Run, _ = filepath.Glob("/run/*")
	for _, dir := range []string{"/", "/tmp", "/etc", "/root", "/var", os.Getenv("ELSEWHERE")} {
		f, err := os.CreateTemp(dir, "railiance-*")
		if errors.Is(err, unix.EROFS) {
			s.Refused = append(s.Refused, dir)
		} else if err == nil {
			os.Remove(f.Name())
		}
	}
	s.Written = os.WriteFile(filepath.Join(sandbox.Dir, "it"), []byte("is"), 0o600) == nil
	var fs unix.Statfs_t
	if err := unix.Statfs(sandbox.Dir, &fs); err == nil {
		s.Size = int64(fs.Blocks) * fs.Bsize
	}
	if err := json.NewEncoder(os.Stdout).Encode(s); err != nil {
		return 2
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

func command(t *testing.T, o sandbox.Options) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+string(text), "ELSEWHERE="+t.TempDir())
	cmd.Stderr = os.Stderr
	return cmd
}

func enter(t *testing.T, o sandbox.Options) seen {
	t.Helper()
	mustrun.Root(t)
	var err error
	if o.Outside, err = sandbox.Here(); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, o)
	cmd.SysProcAttr = sandbox.Attributes()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var s seen
	if err := json.Unmarshal(out, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestInsideThereIsNothingOfTheMachine(t *testing.T) {
	const size = 3 << 20
	s := enter(t, sandbox.Options{Memory: size, IPv6: true})
	if len(s.Interfaces) != 1 || s.Interfaces[0] != "lo" {
		t.Errorf("interfaces: %v", s.Interfaces)
	}
	// The default route leads to lo, where nobody has that address.
	if s.Default == "connected" {
		t.Error("the world was reached")
	}
	if s.PID != 1 || len(s.Processes) != 1 {
		t.Errorf("process %d sees %v", s.PID, s.Processes)
	}
	if len(s.Run) != 1 || s.Run[0] != sandbox.Dir {
		t.Errorf("/run holds %v", s.Run)
	}
	if len(s.Refused) != 6 {
		t.Errorf("only these are read-only: %v", s.Refused)
	}
	if !s.Written || s.Size != size {
		t.Errorf("written %v, size %d", s.Written, s.Size)
	}
}

func TestDiskInsteadOfMemory(t *testing.T) {
	dir := t.TempDir()
	s := enter(t, sandbox.Options{Disk: dir})
	if !s.Written || len(s.Refused) != 6 {
		t.Errorf("written %v, read-only %v", s.Written, s.Refused)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "it")); err != nil || string(b) != "is" {
		t.Errorf("%q, %v", b, err)
	}
}

// nowhere makes Enter fail before it changes anything, should it ever let
// these tests in.
const nowhere = "/nonexistent"

// Enter in a process that was not shut off would make the machine read-only.
func TestEnterRefusesOutside(t *testing.T) {
	here, err := sandbox.Here()
	if err != nil {
		t.Fatal(err)
	}
	for name, outside := range map[string]sandbox.Outside{
		"here":  here,
		"none":  nil,
		"false": {"mnt": "mnt:[1]", "net": "net:[1]"},
	} {
		if err := sandbox.Enter(sandbox.Options{Outside: outside, Disk: nowhere}); !errors.Is(err, fs.ErrInvalid) {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// The namespaces are compared, not believed: a PID namespace alone is not
// enough to be allowed to change mounts.
func TestEnterRefusesHalfInside(t *testing.T) {
	mustrun.Root(t)
	here, err := sandbox.Here()
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range []uintptr{unix.CLONE_NEWNS, unix.CLONE_NEWNET} {
		cmd := command(t, sandbox.Options{Outside: here, Disk: nowhere})
		var complaint strings.Builder
		cmd.Stderr = &complaint
		cmd.SysProcAttr = sandbox.Attributes()
		cmd.SysProcAttr.Cloneflags &^= missing
		runtime.LockOSThread()
		err := cmd.Run()
		runtime.UnlockOSThread()
		if err == nil || !strings.Contains(complaint.String(), "not in namespaces of its own") {
			t.Fatalf("%v: %s", err, complaint.String())
		}
	}
}
