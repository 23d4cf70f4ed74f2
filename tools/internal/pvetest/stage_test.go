package pvetest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// torn is a reader of a stream who goes away.
type torn struct{ n int64 }

func (r *torn) Write(p []byte) (int, error) {
	if r.n -= int64(len(p)); r.n < 0 {
		return 0, errors.New("broken pipe")
	}
	return len(p), nil
}

// stage is the world of the recordings, and its archives.
type stage struct {
	*World
	t        *testing.T
	archives map[string][]byte
}

// call is a call of a fake on pve1, in this process.
func (s *stage) call(in io.Reader, out io.Writer, args []string) (rc int, stderr string) {
	s.t.Helper()
	c, err := s.on("pve1")
	must(s.t, err)
	var said bytes.Buffer
	c.in, c.out, c.err, c.second = in, out, &said, time.Millisecond
	return c.status(programs()[args[0]](c, args[1:])), said.String()
}

// archive is what a job writes.
func (s *stage) archive(args ...string) []byte {
	s.t.Helper()
	var out bytes.Buffer
	if rc, stderr := s.call(nil, &out, append([]string{"vzdump"}, args...)); rc != 0 {
		s.t.Fatalf("vzdump %q: %d, %s", args, rc, stderr)
	}
	return out.Bytes()
}

func newStage(t *testing.T) *stage {
	t.Helper()
	w, err := NewRecorded(filepath.Join(t.TempDir(), "world"), os.Args[0])
	must(t, err)
	s := &stage{World: w, t: t, archives: map[string][]byte{"/dev/null": nil}}
	must(t, os.MkdirAll(filepath.Join(w.NodeDir("pve1"), "mnt/full"), 0o755))
	must(t, os.MkdirAll(filepath.Join(w.NodeDir("pve1"), "mnt/ro"), 0o755))
	a := s.archives
	a["vm100.vma"] = s.archive("100", "--stdout")
	a["trunc.vma"] = a["vm100.vma"][:20_000_000]
	a["nodisk.vma"] = s.archive("102", "--stdout")
	a["ct200.tar"] = s.archive("200", "--stdout")
	a["ct201.tar"] = s.archive("201", "--stdout")
	a["garbage"] = make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(a["garbage"])
	// Between two members: nobody finds a fault then.
	i := bytes.Index(a["ct200.tar"], []byte("./var/"))
	a["trunc.tar"] = a["ct200.tar"][:i&^511]
	z, err := zstd.NewWriter(nil)
	must(t, err)
	a["vm100.vma.zst"] = z.EncodeAll(a["vm100.vma"][:1<<20], nil)
	a["ct200.tar.zst"] = z.EncodeAll(a["ct200.tar"], nil)
	must(t, w.SetFault("vzdump-pve1", "dumpdir full"))
	a["vm100-noconfig.vma"] = s.archive("100", "--stdout")
	must(t, w.SetFault("vzdump-pve1", ""))
	must(t, os.RemoveAll(filepath.Join(w.NodeDir("pve1"), "var/lib/vz/dump")))
	return s
}

// prepare brings about the state that a recording was made in, and returns what
// undoes it.
func (s *stage) prepare(name string) func() {
	t := s.t
	switch {
	case strings.Contains(name, "paused"):
		must(t, s.Pause(100))
		return func() { must(t, s.Run(100)) }
	case strings.Contains(name, "unknown") && strings.HasPrefix(name, "pvesh"), strings.Contains(name, "without-pvestatd"):
		must(t, s.Blind("pve1", true))
		return func() { must(t, s.Blind("pve1", false)) }
	case name == "vzdump-100-stopped":
		must(t, s.Halt(100))
		return func() { must(t, s.Run(100)) }
	case strings.HasSuffix(name, "dumpdir-full"):
		must(t, s.SetFault("vzdump-pve1", "dumpdir full"))
		return func() { must(t, s.SetFault("vzdump-pve1", "")) }
	case strings.HasSuffix(name, "readonly"):
		must(t, s.SetFault("vzdump-pve1", "dumpdir read-only"))
		return func() { must(t, s.SetFault("vzdump-pve1", "")) }
	case name == "vzdump-100-leftover-job-warning":
		must(t, s.SetFault("vzdump-100", "leftover job"))
		return func() { must(t, s.SetFault("vzdump-100", "")) }
	case strings.HasPrefix(name, "vzdump-101-excluded-disk"):
		must(t, s.SetKey(101, "lock", ""))
		c, err := s.on("pve1")
		must(t, err)
		path, err := c.path("local:101/vm-101-disk-9.raw")
		must(t, err)
		if !strings.HasSuffix(name, "missing") {
			must(t, c.freshDisk(path, 1<<30))
		}
		return func() {
			must(t, s.SetKey(101, "lock", "backup"))
			_ = os.Remove(path)
		}
	case strings.HasPrefix(name, "vzdump-110"):
		must(t, s.AddVM(VM{ID: 110, Node: "pve1", Name: "broken-disk", Disks: []Disk{{Key: "scsi0", Size: 64 << 20, Missing: true}}}))
		return func() { must(t, s.Remove(110)) }
	case strings.HasPrefix(name, "vzdump-111"):
		must(t, s.AddVM(VM{ID: 111, Node: "pve1", Name: "long-notes", Description: strings.Repeat("x", 80029-len("#\nmemory: 512\nname: long-notes\nostype: l26\n"))}))
		return func() { must(t, s.Remove(111)) }
	case name == "qmrestore-150-exists", name == "qmrestore-150-force":
		must(t, s.AddVM(VM{ID: 150, Node: "pve1"}))
		return func() { must(t, s.Remove(150)) }
	case name == "pct-restore-250-exists":
		must(t, s.AddCT(CT{ID: 250, Node: "pve1"}))
		return func() { must(t, s.Remove(250)) }
	}
	return func() {}
}

// answer runs a recorded command.
func (s *stage) answer(cmd string, out io.Writer) (int, string) {
	s.t.Helper()
	root := s.NodeDir("pve1")
	var in io.Reader
	if line, ok := strings.CutPrefix(cmd, "sleep 25 | "); ok {
		silent, w := io.Pipe()
		defer w.Close()
		cmd, in = line, silent
	}
	if line, limit, ok := strings.Cut(cmd, " | head -c "); ok {
		n, err := strconv.ParseInt(limit, 10, 64)
		must(s.t, err)
		cmd, out = line, &torn{n}
	}
	if line, file, ok := strings.Cut(cmd, " < "); ok {
		archive, known := s.archives[file]
		if !known {
			s.t.Fatalf("no archive %s", file)
		}
		cmd, in = line, bytes.NewReader(archive)
	}
	cmd = strings.ReplaceAll(strings.ReplaceAll(cmd, "/mnt/", root+"/mnt/"), "/etc/pve/qemu-server", root+"/etc/pve/nodes/pve1/qemu-server")
	cmd = strings.ReplaceAll(strings.ReplaceAll(cmd, " /etc/pve", " "+root+"/etc/pve"), " /var/lib/vz", " "+root+"/var/lib/vz")
	args := strings.Fields(cmd)
	if programs()[args[0]] != nil {
		return s.call(in, out, args)
	}
	var stderr bytes.Buffer
	c := exec.Command(args[0], args[1:]...)
	c.Stdout, c.Stderr = out, &stderr
	c.Env = append(os.Environ(), "LC_ALL=C")
	err := c.Run()
	if c.ProcessState == nil {
		s.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), stderr.String()
}
