package host

import (
	"fmt"
	"strings"

	"github.com/railiance/railiance/tools/internal/tell"
)

// SSHKind is in what way ssh failed.
type SSHKind string

// The ways in which ssh fails.
const (
	SSHUnreachable    SSHKind = "unreachable"
	SSHTimeout        SSHKind = "no answer in time"
	SSHHostKeyUnknown SSHKind = "host key unknown"
	SSHHostKeyChanged SSHKind = "host key changed"
	SSHAuth           SSHKind = "not let in"
	SSHConfig         SSHKind = "ssh configuration"
	SSHLost           SSHKind = "connection lost" // the program had been started; whether it goes on is not known
	SSHShell          SSHKind = "the login shell did not run the program"
	SSHOther          SSHKind = "ssh failed"
)

// SSHError says that ssh failed, not the program that it was to run.
type SSHError struct {
	Target string
	Kind   SSHKind
	Said   string // the last of what ssh said, on one line, printable
}

func (e *SSHError) Error() string {
	if e.Said == "" {
		return fmt.Sprintf("%s: %s", e.Target, e.Kind)
	}
	return fmt.Sprintf("%s: %s: %s", e.Target, e.Kind, e.Said)
}

// sshFailure is an SSHError with the way out that its kind has.
func sshFailure(target string, kind SSHKind, said string) error {
	err := &SSHError{Target: target, Kind: kind, Said: said}
	// known_hosts knows no user.
	machine := target[strings.LastIndex(target, "@")+1:]
	switch kind {
	case SSHHostKeyUnknown:
		return tell.Hint(err, "compare the fingerprint with the machine's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, on its console), then: ssh %s true", target)
	case SSHHostKeyChanged:
		return tell.Hint(err, "somebody may stand between. If the machine was installed anew: compare its fingerprint on its console, then ssh-keygen -R %s, and ssh %s true", machine, target)
	case SSHAuth:
		return tell.Hint(err, "the key must work without a person: ssh-copy-id %s, and a key without passphrase or in an agent", target)
	case SSHUnreachable, SSHTimeout:
		return tell.Hint(err, "try: ssh -v %s true", target)
	case SSHShell:
		return tell.Hint(err, "the user needs a POSIX login shell there, and a key without a forced command")
	case SSHConfig:
		return tell.Hint(err, "ssh -G %s shows what ssh makes of its configuration", target)
	}
	return err
}

// classify tells by ssh's text, before any program was reached, why it failed.
func classify(said string) SSHKind {
	for _, sign := range []struct {
		text string
		kind SSHKind
	}{
		// The first that fits: a changed key is also said to be a failed verification.
		{"HOST IDENTIFICATION HAS CHANGED", SSHHostKeyChanged},
		{"has changed and you have requested strict checking", SSHHostKeyChanged},
		{"REVOKED HOST KEY", SSHHostKeyChanged},
		{"host key is known for", SSHHostKeyUnknown},
		{"Host key verification failed", SSHHostKeyUnknown},
		{"Permission denied (", SSHAuth},
		{"Too many authentication failures", SSHAuth},
		{"No supported authentication methods", SSHAuth},
		{"Bad owner or permissions on", SSHConfig},
		{"Bad configuration option", SSHConfig},
		{"terminating, ", SSHConfig},
		{"command-line line", SSHConfig},
		{"timed out", SSHTimeout},
		{"Timeout, server", SSHTimeout},
		{"Could not resolve hostname", SSHUnreachable},
		{"Connection refused", SSHUnreachable},
		{"No route to host", SSHUnreachable},
		{"is unreachable", SSHUnreachable},
		{"Connection closed by", SSHUnreachable},
		{"Connection reset by", SSHUnreachable},
		{"closed by remote host", SSHUnreachable},
		{"invalid format", SSHUnreachable}, // something answers, and it is no ssh
		{"Broken pipe", SSHUnreachable},
	} {
		if strings.Contains(said, sign.text) {
			return sign.kind
		}
	}
	return SSHOther
}
