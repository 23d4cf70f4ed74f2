package sign

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

// signer is one line of allowed_signers.
type signer struct {
	line       int
	principals string // a pattern list, as written
	namespaces string // a pattern list; "" for every namespace
	limited    bool   // whether namespaces was given at all
	after      time.Time
	before     time.Time // the zero time: no limit
	key        ssh.PublicKey
}

// allows tells why the line does not trust its key for a manifest made or
// read at the time at. Both ends of the validity belong to it, as in OpenSSH.
func (s *signer) allows(at time.Time) error {
	if s.limited && !matchList(Namespace, s.namespaces) {
		return fmt.Errorf("%w: the line trusts the key for namespaces=%q alone; add %q to them", ErrNamespace, s.namespaces, Namespace)
	}
	if !s.after.IsZero() && at.Before(s.after) {
		return fmt.Errorf("%w: %s is before its valid-after, %s", ErrExpired, at.UTC().Format(time.RFC3339), s.after.UTC().Format(time.RFC3339))
	}
	if !s.before.IsZero() && at.After(s.before) {
		return fmt.Errorf("%w: %s is past its valid-before, %s", ErrExpired, at.UTC().Format(time.RFC3339), s.before.UTC().Format(time.RFC3339))
	}
	return nil
}

func parseSigners(file string, data []byte) ([]signer, error) {
	var all []signer
	n := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		n++
		line = strings.Trim(line, " \t\r")
		if line == "" || line[0] == '#' {
			continue
		}
		s, err := parseSigner(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		s.line = n
		all = append(all, s)
	}
	return all, nil
}

// parseSigner reads "principals [options] keytype base64 [comment]".
func parseSigner(line string) (signer, error) {
	var s signer
	if strings.ContainsAny(line, "\x00\r") {
		return s, errors.New("a control character stands in the line")
	}
	principals, rest, err := principalsOf(line)
	if err != nil {
		return s, err
	}
	s.principals = principals
	// As OpenSSH does: what is no key type must be the options.
	first, _, _ := cutSpace(rest)
	if !keyType(first) {
		var options string
		if options, rest, err = cutQuoted(rest); err != nil {
			return s, err
		}
		if err := s.options(options); err != nil {
			return s, err
		}
	}
	s.key, err = publicKey(rest)
	return s, err
}

func principalsOf(line string) (principals, rest string, err error) {
	if strings.HasPrefix(line, `"`) {
		inner, after, ok := strings.Cut(line[1:], `"`)
		if !ok {
			return "", "", errors.New("the quote around the principals does not end")
		}
		if after != "" && after[0] != ' ' && after[0] != '\t' {
			return "", "", errors.New("no space stands between the principals and what follows")
		}
		principals, rest = inner, strings.TrimLeft(after, " \t")
	} else {
		principals, rest, _ = cutSpace(line)
	}
	if principals == "" || rest == "" {
		return "", "", errors.New("a line must read: principal, options if any, key type, key")
	}
	if keyType(principals) {
		return "", "", errors.New("the line begins with a key; put a principal such as root@host before it")
	}
	return principals, rest, nil
}

func publicKey(s string) (ssh.PublicKey, error) {
	kind, rest, _ := cutSpace(s)
	if !keyType(kind) {
		return nil, fmt.Errorf("%.40q is not a key type", kind)
	}
	blob, _, _ := cutSpace(rest)
	wire, err := base64.StdEncoding.Strict().DecodeString(blob)
	if err != nil || blob == "" {
		return nil, errors.New("the key is not base64; copy the line from the .pub file again")
	}
	key, err := ssh.ParsePublicKey(wire)
	if err != nil {
		return nil, fmt.Errorf("the key cannot be read: %w", err)
	}
	if _, ok := key.(*ssh.Certificate); ok {
		return nil, errors.New("certificates are not supported; put the plain key in its place")
	}
	if key.Type() != kind {
		return nil, fmt.Errorf("the line says %s but the key is of type %s", kind, key.Type())
	}
	return key, nil
}

// keyType tells key types from options by their look, so that a key type
// unknown to us is called one, and not a wrong option.
func keyType(s string) bool {
	return !strings.ContainsAny(s, `=",@`) && (strings.HasPrefix(s, "ssh-") || strings.HasPrefix(s, "ecdsa-") || strings.HasPrefix(s, "sk-"))
}
