package tbtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// keys makes the keys of a node: the one that is known, and another one.
func (n *Node) keys(ctx context.Context) error {
	for _, name := range []string{"host", "other"} {
		if err := keygen(ctx, n.ring.path(n.Name+"-"+name)); err != nil {
			return err
		}
	}
	return nil
}

func keygen(ctx context.Context, path string) error {
	_, err := output(ctx, "", "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path)
	return err
}

// sshConfig writes what ssh needs to reach the nodes by their names, and a
// program `ssh` that uses it.
func (r *Ring) sshConfig(ctx context.Context) error {
	if err := keygen(ctx, r.path("user")); err != nil {
		return err
	}
	var config, known strings.Builder
	for _, n := range r.Nodes {
		key, err := os.ReadFile(r.path(n.Name + "-host.pub"))
		if err != nil {
			return err
		}
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  HostKeyAlias %s\n", n.Name, n.Management, n.Name)
		fmt.Fprintf(&known, "%s %s", n.Name, key)
	}
	fmt.Fprintf(&config, "Host *\n  User root\n  IdentityFile %s\n  IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile %s\n  GlobalKnownHostsFile none\n",
		r.path("user"), r.path("known_hosts"))
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	if err := os.Mkdir(r.Bin(), 0o755); err != nil {
		return err
	}
	for path, text := range map[string]string{
		r.path("ssh_config"): config.String(), r.path("known_hosts"): known.String(),
		r.Bin() + "/ssh": fmt.Sprintf("#!/bin/sh\nexec %s -F %s \"$@\"\n", ssh, r.path("ssh_config")),
	} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Bin is a folder whose ssh knows the nodes of the ring by their names, for the
// front of PATH.
func (r *Ring) Bin() string { return r.path("bin") }

// startSSHD starts the node's sshd with more lines in its settings, and waits
// until it listens.
func (n *Node) startSSHD(ctx context.Context, more string) error {
	key := "host"
	if more == otherKey {
		key, more = "other", ""
	}
	config := n.ring.path(n.Name + "-sshd_config")
	text := fmt.Sprintf("ListenAddress %s\nHostKey %s\nAuthorizedKeysFile %s\nPidFile none\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\nMaxSessions 100\n%s\n",
		n.Management, n.ring.path(n.Name+"-"+key), n.ring.path("user.pub"), more)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	path, err := exec.LookPath("sshd") // by its whole path, which it needs to run itself anew
	if err != nil {
		return err
	}
	log, err := os.OpenFile(n.ring.path(n.Name+"-sshd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := n.command(context.Background(), path, "-D", "-e", "-f", config)
	cmd.Stderr = log
	if n.sshd, err = spawn(cmd, nil); err != nil {
		return err
	}
	for end := time.Now().Add(20 * time.Second); ; {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", n.Management.String()+":22")
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("sshd does not answer: %w", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// stopSSHD ends the node's sshd with its sessions.
func (n *Node) stopSSHD(ctx context.Context) error {
	if n.sshd == nil {
		return nil
	}
	// Killing what entered the node would leave sshd itself.
	if _, err := n.Run(ctx, "", "pkill", "-KILL", "-x", "sshd"); err != nil {
		return err
	}
	n.sshd.wait()
	n.sshd = nil
	return nil
}

// SSHOptions are what host.Remote needs to reach the target "root@node" without
// the ssh of Bin.
func (r *Ring) SSHOptions(target string) []string {
	n := r.Node(strings.TrimPrefix(target, "root@"))
	return []string{"HostName=" + n.Management.String(), "HostKeyAlias=" + n.Name, "IdentityFile=" + r.path("user"), "IdentitiesOnly=yes", "IdentityAgent=none",
		"UserKnownHostsFile=" + r.path("known_hosts"), "GlobalKnownHostsFile=none"}
}
