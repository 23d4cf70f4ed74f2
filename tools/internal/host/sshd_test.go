package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// sshd is a real one, on a port of loopback, for us alone.
type sshd struct {
	dir, port string
	Remote
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
}

func startSSHD(t *testing.T) *sshd {
	t.Helper()
	path := mustrun.Command(t, "sshd")
	mustrun.Command(t, "ssh-keygen")
	if os.Geteuid() == 0 { // privilege separation wants it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{dir: t.TempDir(), port: port}
	for _, key := range []string{"host", "user", "stranger"} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", filepath.Join(s.dir, key))
	}
	public := s.read(t, "user.pub")
	s.write(t, "authorized", public)
	s.write(t, "sshd_config", fmt.Sprintf(`ListenAddress 127.0.0.1:%s
HostKey %[2]s/host
AuthorizedKeysFile %[2]s/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
Banner %[2]s/user.pub
`, port, s.dir))
	s.trust(t, "host")
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	daemon := exec.Command(path, "-D", "-e", "-f", filepath.Join(s.dir, "sshd_config"))
	var log bytes.Buffer
	daemon.Stderr = &log
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = daemon.Process.Kill()
		_ = daemon.Wait()
		if t.Failed() {
			t.Logf("sshd says: %s", &log)
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("sshd does not answer: %v", err)
		}
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.Remote = Remote{Target: me.Username + "@127.0.0.1", Options: s.access("user")}
	return s
}

func (s *sshd) access(key string) []string {
	return []string{"Port=" + s.port, "UserKnownHostsFile=" + filepath.Join(s.dir, "known_hosts"), "GlobalKnownHostsFile=none",
		"IdentityFile=" + filepath.Join(s.dir, key), "IdentitiesOnly=yes", "IdentityAgent=none"}
}

func (s *sshd) trust(t *testing.T, key string) {
	t.Helper()
	s.write(t, "known_hosts", fmt.Sprintf("[127.0.0.1]:%s %s", s.port, s.read(t, key+".pub")))
}

func (s *sshd) write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (s *sshd) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Over a real sshd, words come through as over the fake, streams pass both
// ways, and statuses are the program's.
func TestRealSSH(t *testing.T) {
	s := startSSHD(t)
	connections, err := OpenConnections("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := connections.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	r := connections.Remote(s.Target)
	r.Options = s.Remote.Options
	remoteArguments(t, r)

	const size = 20 << 20
	var stderr bytes.Buffer
	counted := &counter{}
	c := r.Command(Command{Args: []string{"cat"}, Stdin: io.LimitReader(zeros{}, size), Stdout: counted, Stderr: &stderr})
	if err := Run(t.Context(), c); err != nil || counted.n != size {
		t.Errorf("%d of %d bytes came back: %v", counted.n, size, err)
	}
	if stderr.Len() > 0 {
		t.Errorf("ssh chatters: %q", &stderr)
	}
	var exit *ExitError
	for _, code := range []int{1, 127, 254, 255} {
		err := Run(t.Context(), r.Command(sh(fmt.Sprintf("exit %d", code))))
		if !errors.As(err, &exit) || exit.Code != code {
			t.Errorf("%v, want status %d of the program", err, code)
		}
	}
	// A terminal would turn \n into \r\n, and mix what is to be apart.
	if out, err := Output(t.Context(), r.Command(sh("tty; printf 'a\\nb'; cat")), 100); err != nil || !strings.HasSuffix(string(out), "tty\na\nb") {
		t.Errorf("%q, %v", out, err)
	}
	sockets, err := os.ReadDir(connections.dir)
	if err != nil || len(sockets) != 1 {
		t.Errorf("%d connections, %v; want one that all share", len(sockets), err)
	}
	// The shared connection is gone under a program that runs.
	err = Run(t.Context(), r.Command(untilItRuns(t, `kill -KILL $(ps -o ppid= -p $PPID); read never`)))
	var lost *SSHError
	if !errors.As(err, &lost) || lost.Kind != SSHLost {
		t.Errorf("%v, want a lost connection", err)
	}
	// The next command connects anew.
	if err := Run(t.Context(), r.Command(sh("true"))); err != nil {
		t.Error(err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if err := connections.Close(stopped); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(connections.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of the connections is left: %v", err)
	}
	// Its process has said that it ends, and does so when it is its turn.
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command("pgrep", "-f", connections.dir).Output()
		if err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("a connection is left: %s", out)
		}
	}
}

// untilItRuns is a program that does what line says only when we know that it
// runs: what kills a connection at once may do so before the word of that is here.
func untilItRuns(t *testing.T, line string) Command {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	c := sh("echo it runs >&2; read go; " + line)
	c.Stdin = r
	c.Stderr = writer(func(p []byte) (int, error) {
		if strings.Contains(string(p), "it runs") {
			go func() { _, _ = io.WriteString(w, "go\n"); _ = w.Close() }()
		}
		return len(p), nil
	})
	return c
}

type writer func([]byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// Many commands at once find one connection, or make their own, in silence.
func TestRealSSHAtOnce(t *testing.T) {
	s := startSSHD(t)
	connections, err := OpenConnections("")
	if err != nil {
		t.Fatal(err)
	}
	defer connections.Close(t.Context())
	r := connections.Remote(s.Target)
	r.Options = s.Remote.Options
	said := make(chan string)
	const many = 5
	for range many {
		go func() {
			var stderr bytes.Buffer
			c := r.Command(sh("echo fine"))
			c.Stderr = &stderr
			out, err := Output(t.Context(), c, 100)
			said <- fmt.Sprintf("%s%s %v", out, &stderr, err)
		}()
	}
	for range many {
		if got := <-said; got != "fine\n <nil>" {
			t.Errorf("%q", got)
		}
	}
}

func TestRealSSHFails(t *testing.T) {
	s := startSSHD(t)
	s.ConnectTimeout = time.Second
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	_, deafPort, err := net.SplitHostPort(deaf.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	shut, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, shutPort, err := net.SplitHostPort(shut.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := shut.Close(); err != nil {
		t.Fatal(err)
	}
	first := func(option string) func(r *Remote) {
		return func(r *Remote) { r.Options = append([]string{option}, r.Options...) }
	}
	for name, test := range map[string]struct {
		known  string
		change func(r *Remote)
		kind   SSHKind
	}{
		"fine":             {"host", func(*Remote) {}, ""},
		"host key changed": {"stranger", func(*Remote) {}, SSHHostKeyChanged},
		"host key unknown": {"", func(*Remote) {}, SSHHostKeyUnknown},
		// Our settings hold against those of the caller and of the user.
		"laxer":         {"", first("StrictHostKeyChecking=no"), SSHHostKeyUnknown},
		"stranger":      {"host", func(r *Remote) { r.Options = s.access("stranger") }, SSHAuth},
		"deaf":          {"host", first("Port=" + deafPort), SSHTimeout},
		"refused":       {"host", first("Port=" + shutPort), SSHUnreachable},
		"no such host":  {"host", func(r *Remote) { r.Target = "ebony.invalid" }, SSHUnreachable},
		"misconfigured": {"host", first("NoSuchSetting=1"), SSHConfig},
	} {
		t.Run(name, func(t *testing.T) {
			s.write(t, "known_hosts", "")
			if test.known != "" {
				s.trust(t, test.known)
			}
			before := s.read(t, "known_hosts")
			r := s.Remote
			test.change(&r)
			err := Run(t.Context(), r.Command(sh("true")))
			var failed *SSHError
			if test.kind == "" {
				if err != nil {
					t.Fatal(err)
				}
			} else if !errors.As(err, &failed) || failed.Kind != test.kind || failed.Said == "" {
				t.Errorf("%v, want %s", err, test.kind)
			}
			if s.read(t, "known_hosts") != before {
				t.Error("it changed what is trusted")
			}
		})
	}
}

// At night there is nobody to ask, and on a terminal eight nodes would ask at
// once: a key with a passphrase is no key.
func TestRealSSHAsksNobody(t *testing.T) {
	s := startSSHD(t)
	s.trust(t, "host")
	run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", filepath.Join(s.dir, "locked"))
	s.write(t, "authorized", s.read(t, "locked.pub"))
	asked := filepath.Join(s.dir, "asked")
	s.write(t, "ask", "#!/bin/sh\ntouch '"+asked+"'\necho passphrase\n")
	if err := os.Chmod(filepath.Join(s.dir, "ask"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_ASKPASS", filepath.Join(s.dir, "ask"))
	t.Setenv("SSH_ASKPASS_REQUIRE", "force")
	s.Options = s.access("locked")
	err := Run(t.Context(), s.Command(sh("true")))
	var failed *SSHError
	if !errors.As(err, &failed) || failed.Kind != SSHAuth {
		t.Errorf("%v, want %s", err, SSHAuth)
	}
	if _, err := os.Stat(asked); err == nil {
		t.Error("somebody was asked")
	}
}

// A login shell that is none, or a key that is bound to a command, must not
// look like a program that did well.
func TestRealSSHForced(t *testing.T) {
	s := startSSHD(t)
	s.write(t, "authorized", `command="true" `+s.read(t, "user.pub"))
	err := Run(t.Context(), s.Command(sh("echo")))
	var failed *SSHError
	if !errors.As(err, &failed) || failed.Kind != SSHShell {
		t.Errorf("%v, want %s", err, SSHShell)
	}
}
