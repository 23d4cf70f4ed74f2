package pvetest

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

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
	select {
	case <-s.ended: // its number may be another's by now
		return nil
	default:
	}
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
