package pvetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

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

// nodeEnv is what programs find in their environment on a node.
func (w *World) nodeEnv(node string) []string {
	dir := w.nodeDir(node)
	env := []string{
		"PATH=" + filepath.Join(dir, "bin") + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=" + filepath.Join(dir, "root"), "TMPDIR=" + filepath.Join(dir, "tmp"),
		DirVariable + "=" + w.Dir, NodeVariable + "=" + node, NodeDirVariable + "=" + dir,
		"RAILIANCE_ROOT=" + dir, // of what reads a node's own files
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
