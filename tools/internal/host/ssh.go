package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Remote is another machine, reached by the system's ssh: the user's ssh
// configuration is the configuration, except for what a program without a
// person in front of it must insist on.
type Remote struct {
	Target         string        // a host, an alias of ssh_config, or user@host
	ControlDir     string        // private folder (0700) of the shared connections; empty: each command connects anew
	ConnectTimeout time.Duration // until the keys are exchanged, in whole seconds; 0: DefaultConnectTimeout
	Options        []string      // further settings, Key=value, as after -o. They cannot loosen ours
}

// DefaultConnectTimeout is how long a machine may take to answer.
const DefaultConnectTimeout = 10 * time.Second

const (
	aliveInterval = 10 // seconds
	aliveCount    = 3
	controlKept   = 60 // seconds that a shared connection outlives a run that was killed

	// A socket's path has 107 bytes, and ssh makes a draft of it with 17 more.
	controlDirMax = 107 - 17 - controlName - 1
	controlName   = 16
)

// remote is what a wrapped Command knows of where it goes.
type remote struct {
	name string // for messages
	err  error  // why it cannot be run
}

// Check says what is wrong with r, without reaching for the machine.
func (r Remote) Check() error {
	switch {
	case r.Target == "":
		return fmt.Errorf("ssh target: is empty")
	case len(r.Target) > 300:
		return fmt.Errorf("ssh target: has %d bytes", len(r.Target))
	case strings.HasPrefix(r.Target, "-"):
		return fmt.Errorf("ssh target %q: begins like an option", Printable(r.Target))
	case !regexp.MustCompile(`^[A-Za-z0-9._@:%+-]+$`).MatchString(r.Target):
		// Also what a ProxyCommand's shell would take for its own.
		return fmt.Errorf("ssh target %q: holds other characters than letters, digits and ._@:%%+-", Printable(r.Target))
	}
	if r.ConnectTimeout < 0 {
		return fmt.Errorf("ssh target %s: a negative timeout", r.Target)
	}
	for _, option := range r.Options {
		if !regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*=[^\x00-\x1f\x7f]*$`).MatchString(option) {
			return fmt.Errorf("ssh option %q: is not Key=value", Printable(option))
		}
	}
	if r.ControlDir == "" {
		return nil
	}
	return checkControlDir(r.ControlDir)
}

// checkControlPath refuses a path that ssh would read in another way, or that is
// too long for a socket.
func checkControlPath(dir string) error {
	if !regexp.MustCompile(`^/[A-Za-z0-9/._+=,@-]*$`).MatchString(dir) {
		return fmt.Errorf("folder of ssh connections %q: is no absolute path of letters, digits and /._+=,@-", Printable(dir))
	}
	if len(dir) > controlDirMax {
		return fmt.Errorf("folder of ssh connections %s: has %d bytes, and a socket's path allows %d", dir, len(dir), controlDirMax)
	}
	return nil
}

// checkControlDir refuses a folder in which somebody else could put a socket:
// ssh would talk to it in place of the machine.
func checkControlDir(dir string) error {
	if err := checkControlPath(dir); err != nil {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("folder of ssh connections: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ours(info) {
		return fmt.Errorf("folder of ssh connections %s: is %s; it must be a folder of ours with mode 0700", dir, info.Mode())
	}
	return nil
}

// Command is c, to be run on r. Env and Dir are those of the remote program;
// both machines' users can read Env, as they can Args, so that secrets go
// through Stdin. Bare keeps our own environment from ssh but for what ssh
// needs. The remote user's shell must be a POSIX one. A remote program outlives
// the connection if it neither reads nor writes.
//
// Running it fails with an *SSHError where ssh itself failed, and with an
// *ExitError where the program did.
func (r Remote) Command(c Command) Command {
	call := &remote{name: Printable(r.Target)}
	wrapped := c
	wrapped.remote = call
	wrapped.Args, wrapped.Dir = []string{"ssh"}, ""
	if len(c.Args) == 0 || c.remote != nil {
		call.err = fmt.Errorf("%s: no program to run, or one that is remote already", call.name)
		return wrapped
	}
	call.name += ": " + name(c)
	if call.err = r.Check(); call.err != nil {
		return wrapped
	}
	line, err := shellLine(c)
	if err != nil {
		call.err = fmt.Errorf("%s: %w", call.name, err)
		return wrapped
	}
	wrapped.Env = sshEnv(c.Bare)
	wrapped.Args = append(append([]string{"ssh"}, r.options()...), "--", r.Target, line)
	return wrapped
}

// options are what ssh is called with. The first value that ssh is given for a
// key holds, so ours come first.
func (r Remote) options() []string {
	timeout := r.ConnectTimeout
	if timeout == 0 {
		timeout = DefaultConnectTimeout
	}
	settings := []string{
		"BatchMode=yes",
		"StrictHostKeyChecking=yes",
		"UpdateHostKeys=no", // what is trusted is not changed by a nightly run
		"LogLevel=ERROR",
		fmt.Sprintf("ConnectTimeout=%d", max(1, int(timeout.Round(time.Second)/time.Second))),
		fmt.Sprintf("ServerAliveInterval=%d", aliveInterval),
		fmt.Sprintf("ServerAliveCountMax=%d", aliveCount),
		"RequestTTY=no",
		"RemoteCommand=none",
		"PermitLocalCommand=no",
		"ClearAllForwardings=yes",
		"ForwardAgent=no",
		"ForwardX11=no",
	}
	if r.ControlDir == "" {
		settings = append(settings, "ControlMaster=no", "ControlPath=none")
	} else {
		settings = append(settings, "ControlMaster=auto", "ControlPath="+r.socket(), fmt.Sprintf("ControlPersist=%d", controlKept))
	}
	var args []string
	for _, setting := range append(settings, r.Options...) {
		args = append(args, "-o", setting)
	}
	return args
}

// socket is the path of r's shared connection. Its name is shorter than ssh's
// own %C, since a socket's path is short.
func (r Remote) socket() string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{r.Target}, r.Options...), "\x00")))
	return filepath.Join(r.ControlDir, hex.EncodeToString(sum[:])[:controlName])
}

// sshEnv is what ssh gets on top of our environment or, bare, in place of it.
// Its messages are told apart by their English text.
func sshEnv(bare bool) []string {
	env := []string{"LC_ALL=C.UTF-8", "LANGUAGE="}
	if !bare {
		return env
	}
	for _, key := range []string{"HOME", "USER", "LOGNAME", "PATH", "SSH_AUTH_SOCK", "XDG_RUNTIME_DIR", "KRB5CCNAME"} {
		if value, set := os.LookupEnv(key); set {
			env = append(env, key+"="+value)
		}
	}
	return env
}
