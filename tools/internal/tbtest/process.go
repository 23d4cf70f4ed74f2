package tbtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// process is a child, with the pipe that keeps it alive if it has one.
type process struct {
	cmd  *exec.Cmd
	hold io.Closer // its standard input; nil: it does not wait for us
	done chan struct{}
}

// spawn starts a child and waits for it in the background.
func spawn(cmd *exec.Cmd, hold io.Closer) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // an interrupt at the terminal is for us alone
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", cmd.Args[0], err)
	}
	p := &process{cmd, hold, make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is said by what it leaves
		close(p.done)
	}()
	return p, nil
}

// end lets go of the child and waits for it.
func (p *process) end() error {
	if p == nil {
		return nil
	}
	if p.hold == nil {
		_ = p.cmd.Process.Kill()
	} else if err := p.hold.Close(); err != nil {
		return err
	}
	p.wait()
	return nil
}

func (p *process) wait() { <-p.done }

func (p *process) pid() int { return p.cmd.Process.Pid }

// held starts a shell with the script, whose standard input ends when we do.
func held(script string, attr *syscall.SysProcAttr, stdout io.Writer, args ...string) (*process, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-euc", script, "sh"}, args...)...)
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = read, stdout, os.Stderr, attr
	return spawn(cmd, write)
}

// keep removes dir when we are gone.
func keep(dir string) (*process, error) {
	return held(`cat >/dev/null; rm -rf -- "$1"`, nil, nil, dir)
}

// world is what a node does before it waits: a root of its own, in memory, that
// looks like ours. /run/written shows what it changed of it. The shell, not a cat, is init: it also reaps.
const world = `
dir=$1 name=$2
mount --make-rprivate /
base=$dir/$name
mount -t tmpfs -o mode=0755 tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=0755 tmpfs run
mount -t tmpfs -o mode=0700 tmpfs root
mkdir run/sshd run/network run/udev run/written
mount --bind "$base/upper" run/written
mkdir -p ".$dir"
mount --bind "$dir" ".$dir"
pivot_root . mnt
cd /
umount -l /mnt
hostname "$name"
echo ready
exec >/dev/null
cat
`

// boot starts the node, without a network.
func (n *Node) boot(_ context.Context) error {
	if err := os.Mkdir(n.ring.path(n.Name), 0o700); err != nil {
		return err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC}
	n.init, err = held(world, attr, write, n.ring.dir, n.Name)
	if err := write.Close(); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	if line, err := bufio.NewReader(read).ReadString('\n'); err != nil {
		return fmt.Errorf("does not come up: %q: %w", line, err)
	}
	return nil
}

// command is a program inside of the node.
func (n *Node) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"-t", fmt.Sprint(n.init.pid()), "-m", "-u", "-i", "-n", "-p", "--"}, args...)...)
}

// Run runs a program on the node, past ssh, with input as its standard input,
// and returns what it wrote.
func (n *Node) Run(ctx context.Context, input string, args ...string) (string, error) {
	return finish(n.command(ctx, args...), input)
}

// output runs a program of our own machine.
func output(ctx context.Context, input string, args ...string) (string, error) {
	return finish(exec.CommandContext(ctx, args[0], args[1:]...), input)
}

func finish(cmd *exec.Cmd, input string) (string, error) {
	var stdout, stderr strings.Builder
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}
