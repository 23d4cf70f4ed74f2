package host

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/tell"
)

// Whose failure it was, ssh's or the program's, is told from how far it came,
// not from a status that both use.
func TestWhoFailed(t *testing.T) {
	for name, test := range map[string]struct {
		ssh  string // what our ssh does before it runs the program
		line string // the program
		kind SSHKind
		code int // of an ExitError
		want string
	}{
		"fine":                 {"", "true", "", 0, ""},
		"a program's status":   {"", "echo broken >&2; exit 3", "", 3, "ebony: sh: exit status 3: broken"},
		"a program's 255":      {"", "echo 'no such VM' >&2; exit 255", "", 255, "ebony: sh: exit status 255: no such VM"},
		"a program killed":     {"", "kill -KILL $$", "", 137, "ebony: sh: exit status 137"},
		"an inner ssh's words": {"", "echo 'Permission denied (publickey).' >&2; exit 255", "", 255, "exit status 255: Permission denied"},
		"lost":                 {`(sleep 0.2; kill -TERM $$) & printf '\036railiance:reached\036' >&2; sleep 1; exit 255`, "", SSHLost, 0, ""},
		"refused":              {"echo 'ssh: connect to host ebony port 22: Connection refused' >&2; exit 255", "", SSHUnreachable, 0, "ebony: unreachable: ssh: connect to host"},
		"lost after the start": {`printf '\036railiance:reached\036' >&2; echo 'Connection to ebony closed by remote host.' >&2; exit 255`, "", SSHLost, 0, "ebony: connection lost"},
		"no shell":             {"echo This account is currently not available.; exit 1", "", SSHShell, 0, "login shell"},
		"a forced command":     {"exit 0", "", SSHShell, 0, "login shell"},
		"silent":               {"exit 255", "", SSHOther, 0, "ebony: ssh failed"},
	} {
		t.Run(name, func(t *testing.T) {
			fakeSSH(t, test.ssh)
			err := Run(t.Context(), Remote{Target: "ebony"}.Command(sh(test.line)))
			var lost *SSHError
			var exit *ExitError
			switch {
			case test.kind != "":
				if !errors.As(err, &lost) || lost.Kind != test.kind {
					t.Fatalf("%v, want %s", err, test.kind)
				}
			case test.code != 0:
				if !errors.As(err, &exit) || exit.Code != test.code {
					t.Fatalf("%v, want status %d", err, test.code)
				}
			case err != nil:
				t.Fatal(err)
			}
			if err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// What ssh and the start files of the remote shell chatter is not the
// program's; the program's complaints come whole and without our marks.
func TestRemoteStderr(t *testing.T) {
	fakeSSH(t, "echo 'ControlSocket x already exists, disabling multiplexing' >&2")
	var stderr bytes.Buffer
	c := Remote{Target: "ebony"}.Command(sh(`printf 'INFO: a\036railia\n' >&2; sleep 0.1; printf 'nce\n' >&2; exit 255`))
	c.Stderr = &stderr
	err := Run(t.Context(), c)
	if want := "INFO: a\x1erailia\nnce\n"; stderr.String() != want {
		t.Errorf("%q, want %q", &stderr, want)
	}
	if err == nil || strings.Contains(err.Error(), "ControlSocket") || strings.Contains(err.Error(), "railiance:") {
		t.Errorf("%v", err)
	}
}

// However the marks are cut on their way, they are found and taken out.
func TestMarksInPieces(t *testing.T) {
	said := "noise\x1erail" + markReached + "one\x1e\x1erailiance:2 two" + mark255 + "three\x1e"
	for size := 1; size <= len(said); size++ {
		var out bytes.Buffer
		r := &remoteStderr{to: &out}
		for rest := said; rest != ""; {
			n := min(size, len(rest))
			if _, err := r.Write([]byte(rest[:n])); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		r.flush()
		if want := "one\x1e\x1erailiance:2 twothree\x1e"; out.String() != want || !r.reached || !r.said255 {
			t.Errorf("by %d: %q, %t, %t", size, &out, r.reached, r.said255)
		}
	}
}

func TestClassify(t *testing.T) {
	for said, want := range map[string]SSHKind{
		"No ED25519 host key is known for ebony and you have requested strict checking.\r\nHost key verification failed.\r\n":             SSHHostKeyUnknown,
		"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nHost key verification failed.\r\n":                                SSHHostKeyChanged,
		"root@ebony: Permission denied (publickey,password).\r\n":                                                                         SSHAuth,
		"ssh: Could not resolve hostname ebony: Name or service not known\r\n":                                                            SSHUnreachable,
		"ssh: connect to host ebony port 22: No route to host\r\n":                                                                        SSHUnreachable,
		"ssh: connect to host ebony port 22: Connection timed out\r\n":                                                                    SSHTimeout,
		"Connection timed out during banner exchange\r\nConnection to ebony port 22 timed out\r\n":                                        SSHTimeout,
		"kex_exchange_identification: read: Connection reset by peer\r\nConnection reset by 192.0.2.1 port 22\r\n":                        SSHUnreachable,
		"/root/.ssh/config: line 3: Bad configuration option: hostnam\r\n/root/.ssh/config: terminating, 1 bad configuration options\r\n": SSHConfig,
		"Bad owner or permissions on /root/.ssh/config\r\n":                                                                               SSHConfig,
		"something new\r\n": SSHOther,
	} {
		if got := classify(said); got != want {
			t.Errorf("%q is %q, want %q", said, got, want)
		}
		err := sshFailure("root@ebony", want, said)
		if hints := tell.Hints(err); want != SSHOther && len(hints) == 0 {
			t.Errorf("%q has no way out", want)
		}
	}
}

// Bare, ssh gets what it needs, and none of our secrets.
func TestRemoteBare(t *testing.T) {
	fakeSSH(t, "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "hidden")
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	out, err := Output(t.Context(), Remote{Target: "ebony"}.Command(Command{Args: []string{"env"}, Bare: true, Env: []string{"A=b"}}), 1<<20)
	if err != nil || strings.Contains(string(out), "hidden") || !strings.Contains(string(out), "SSH_AUTH_SOCK=/agent\n") || !strings.Contains(string(out), "\nA=b\n") {
		t.Errorf("%s, %v", out, err)
	}
}

// A machine that hangs is given up by the caller's clock.
func TestRemoteStopped(t *testing.T) {
	fakeSSH(t, "exec sleep 300")
	why := errors.New("two tenths of a second are over")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, why)
	defer cancel()
	if err := Run(ctx, Remote{Target: "ebony"}.Command(sh("true"))); !errors.Is(err, why) || !strings.Contains(err.Error(), "ebony: sh: stopped") {
		t.Errorf("%v", err)
	}
}
