package pvetest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// server is the sshd of a node.
type server struct {
	pid   int
	ended chan struct{}
	log   lockedBuffer
}

type lockedBuffer struct {
	sync.Mutex
	b bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.Lock()
	defer l.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.Lock()
	defer l.Unlock()
	return l.b.String()
}

// makeKey makes a key pair without a passphrase, at path and path.pub. What is
// there is replaced.
func makeKey(path string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, filepath.Base(path))
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	if err := write(path, pem.EncodeToMemory(block)); err != nil {
		return err
	}
	// ssh and sshd refuse a private key that others can read.
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return write(path+".pub", ssh.MarshalAuthorizedKey(key))
}

// port is the port of a node's sshd. It stays the same as long as it can.
func (w *World) port(node string) (string, error) {
	path := filepath.Join(w.nodeDir(node), "port")
	if b, err := os.ReadFile(path); err == nil {
		return string(b), nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		return "", err
	}
	return port, write(path, []byte(port))
}

// StartNode starts the sshd of a node; the others see the node again.
func (w *World) StartNode(node string) error {
	if w.servers == nil {
		return errors.New("pvetest: an opened world has no sshd of its own")
	}
	if s := w.servers[node]; s != nil {
		if err := s.stop(); err != nil {
			return err
		}
	}
	config, err := w.configure(node)
	if err != nil {
		return err
	}
	program, err := exec.LookPath("sshd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/sshd"); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 { // privilege separation wants it
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			return err
		}
	}
	s := &server{ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// It dies with the thread that started it, which therefore waits here.
		runtime.LockOSThread()
		daemon := exec.Command(program, "-D", "-e", "-f", config)
		daemon.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		daemon.Stderr = &s.log
		// A session that outlives it holds the pipe of its messages.
		daemon.WaitDelay = time.Second
		err := daemon.Start()
		if err == nil {
			s.pid = daemon.Process.Pid
		}
		started <- err
		if err == nil {
			_ = daemon.Wait()
		}
		close(s.ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	w.servers[node] = s
	if err := w.reach(node, s); err != nil {
		return err
	}
	return w.offline(node, false)
}

// reach waits until the sshd answers.
func (w *World) reach(node string, s *server) error {
	port, err := w.port(node)
	if err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("pvetest: sshd of %s ended: %s", node, &s.log)
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("pvetest: sshd of %s does not answer: %w", node, err)
		}
	}
}

// nodeEnv is what programs find in their environment on a node.
func (w *World) nodeEnv(node string) []string {
	dir := w.nodeDir(node)
	env := []string{
		"PATH=" + filepath.Join(dir, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + filepath.Join(dir, "root"), "TMPDIR=" + filepath.Join(dir, "tmp"),
		DirVariable + "=" + w.Dir, NodeVariable + "=" + node, NodeDirVariable + "=" + dir,
	}
	if second := os.Getenv(SecondVariable); w.Second > 0 {
		env = append(env, SecondVariable+"="+w.Second.String())
	} else if second != "" {
		env = append(env, SecondVariable+"="+second)
	}
	return env
}

// Command is a program of a node, without ssh on the way.
func (w *World) Command(ctx context.Context, node, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(w.nodeDir(node), "bin", program), args...)
	c.Env = w.nodeEnv(node)
	return c
}

// configure writes the settings of a node's sshd and those of our ssh.
func (w *World) configure(node string) (string, error) {
	port, err := w.port(node)
	if err != nil {
		return "", err
	}
	dir := w.nodeDir(node)
	text := fmt.Sprintf(`ListenAddress 127.0.0.1:%s
HostKey "%s"
AuthorizedKeysFile "%s"
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
PrintMotd no
MaxSessions 100
MaxStartups 100
SetEnv "%s"
`, port, w.key(node), w.key("user")+".pub", strings.Join(w.nodeEnv(node), `" "`))
	path := filepath.Join(dir, "sshd_config")
	if err := write(path, []byte(text)); err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(w.Dir, "known_hosts")); errors.Is(err, fs.ErrNotExist) {
		f, err := w.file()
		if err != nil {
			return "", err
		}
		for _, n := range f.Nodes {
			if err := w.TrustHostKey(n.Name); err != nil {
				return "", err
			}
		}
	}
	return path, w.configureClient()
}

func (w *World) configureClient() error {
	f, err := w.file()
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, n := range f.Nodes {
		port, err := w.port(n.Name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "Host %[1]s\n\tHostName 127.0.0.1\n\tPort %[2]s\n\tHostKeyAlias %[1]s\n", n.Name, port)
	}
	user, err := me()
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "Host *\n\tUser %s\n\tIdentityFile \"%s\"\n\tIdentitiesOnly yes\n\tIdentityAgent none\n\tUserKnownHostsFile \"%s\"\n\tGlobalKnownHostsFile none\n",
		user, w.key("user"), filepath.Join(w.Dir, "known_hosts"))
	return write(filepath.Join(w.Dir, "ssh_config"), []byte(b.String()))
}

// Options are those that a host.Remote with the node as its Target needs where
// Env is not in the environment.
func (w *World) Options(node string) ([]string, error) {
	port, err := w.port(node)
	if err != nil {
		return nil, err
	}
	user, err := me()
	if err != nil {
		return nil, err
	}
	return []string{
		"HostName=127.0.0.1", "Port=" + port, "HostKeyAlias=" + node, "User=" + user,
		"IdentityFile=" + w.key("user"), "IdentitiesOnly=yes", "IdentityAgent=none",
		"UserKnownHostsFile=" + filepath.Join(w.Dir, "known_hosts"), "GlobalKnownHostsFile=none",
	}, nil
}

// TrustHostKey puts the key that a node has by now into known_hosts.
func (w *World) TrustHostKey(node string) error {
	path := filepath.Join(w.Dir, "known_hosts")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var b strings.Builder
	for line := range strings.Lines(string(old)) {
		if !strings.HasPrefix(line, node+" ") {
			b.WriteString(line)
		}
	}
	public, err := os.ReadFile(w.key(node) + ".pub")
	if err != nil {
		return err
	}
	fmt.Fprintf(&b, "%s %s", node, public)
	return write(path, []byte(b.String()))
}

// ChangeHostKey gives a node another host key, as a new machine or an attacker
// has; what is trusted stays.
func (w *World) ChangeHostKey(node string) error {
	if err := makeKey(w.key(node)); err != nil {
		return err
	}
	return w.StartNode(node)
}

// StopNode ends the sshd of a node and all that runs over it; connections are
// refused, and the other nodes see it offline.
func (w *World) StopNode(node string) error {
	if s := w.servers[node]; s != nil {
		// Sessions are in groups of their own, and outlive the server.
		if err := errors.Join(w.CutConnections(node), s.stop()); err != nil {
			return err
		}
	}
	for _, pid := range w.processes(node) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return w.offline(node, true)
}

// MuteNode makes a node accept connections and never answer, until StartNode.
func (w *World) MuteNode(node string) error {
	s := w.servers[node]
	if s == nil {
		return fmt.Errorf("pvetest: %s is not started", node)
	}
	if err := unix.Kill(s.pid, unix.SIGSTOP); err != nil {
		return err
	}
	return w.offline(node, true)
}

// CutConnections ends the connections to a node under the programs that run
// over them. The node can be reached again at once.
func (w *World) CutConnections(node string) error {
	s := w.servers[node]
	if s == nil {
		return fmt.Errorf("pvetest: %s is not started", node)
	}
	for _, pid := range connections(s.pid) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return nil
}

// connections are the sshds that an sshd has started, and those that they have:
// one a connection as root, two otherwise.
func connections(server int) []int {
	paths, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		text := string(b)
		var state string
		var pid, parent int
		end := strings.LastIndexByte(text, ')')
		if end < 0 || !strings.Contains(text[:end], "(sshd") {
			continue
		}
		if _, err := fmt.Sscanf(text, "%d", &pid); err != nil {
			continue
		}
		if _, err := fmt.Sscanf(text[end+1:], "%s %d", &state, &parent); err == nil {
			children[parent] = append(children[parent], pid)
		}
	}
	all := children[server]
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

func (w *World) offline(node string, offline bool) error {
	return w.change(node, func(m *member) { m.Offline = offline })
}

func (w *World) change(node string, change func(*member)) error {
	f, err := w.file()
	if err != nil {
		return err
	}
	for i := range f.Nodes {
		if f.Nodes[i].Name == node {
			change(&f.Nodes[i])
			return w.setFile(f)
		}
	}
	return fmt.Errorf("pvetest: no node is called %s", node)
}

// stop ends the server and the processes of its connections.
func (s *server) stop() error {
	for _, pid := range append(connections(s.pid), s.pid) {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(10 * time.Second):
		return fmt.Errorf("pvetest: sshd %d does not end", s.pid)
	}
}
