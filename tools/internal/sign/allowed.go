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

func (s *signer) options(list string) error {
	for list != "" {
		var option string
		var err error
		if option, list, err = nextOption(list); err != nil {
			return err
		}
		name, value, hasValue := strings.Cut(option, "=")
		name = strings.ToLower(name)
		if name == "cert-authority" {
			return errors.New("cert-authority is not supported: every key that signs manifests stands in this file itself")
		}
		if !hasValue {
			return fmt.Errorf("the option %.40q is unknown", name)
		}
		if len(value) < 2 || value[0] != '"' || value[len(value)-1] != '"' {
			return fmt.Errorf("the value of %.40s must stand in double quotes", name)
		}
		if err := s.option(name, strings.ReplaceAll(value[1:len(value)-1], `\"`, `"`)); err != nil {
			return err
		}
	}
	if !s.after.IsZero() && !s.before.IsZero() && !s.before.After(s.after) {
		return errors.New("valid-before is not later than valid-after, so the key is never valid")
	}
	return nil
}

func (s *signer) option(name, value string) (err error) {
	twice := false
	switch name {
	case "namespaces":
		twice = s.limited
		s.namespaces, s.limited = value, true
		if value == "" {
			return errors.New("namespaces is empty, so the key is for nothing")
		}
	case "valid-after":
		twice = !s.after.IsZero()
		s.after, err = parseTime(value)
	case "valid-before":
		twice = !s.before.IsZero()
		s.before, err = parseTime(value)
	default:
		return fmt.Errorf("the option %.40q is unknown", name)
	}
	if twice {
		return fmt.Errorf("%s is given twice", name)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS; in UTC with a Z
// behind it, else in the zone of this machine.
func parseTime(s string) (time.Time, error) {
	zone := time.Local
	digits := s
	if cut, ok := strings.CutSuffix(s, "Z"); ok {
		zone, digits = time.UTC, cut
	}
	const layout = "20060102150405"
	switch len(digits) {
	case 8, 12, 14:
		if t, err := time.ParseInLocation(layout[:len(digits)], digits, zone); err == nil && t.Unix() > 0 {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%.40q is not a time: write 20261231, 202612312359 or 20261231235959, with Z for UTC", s)
}

// cutSpace cuts s around its first run of blanks.
func cutSpace(s string) (before, after string, found bool) {
	i := strings.IndexAny(s, " \t")
	if i < 0 {
		return s, "", false
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), true
}

// cutQuoted is cutSpace for options, where a blank may stand within quotes.
func cutQuoted(s string) (before, after string, err error) {
	i, err := endOf(s, " \t")
	if err != nil {
		return "", "", err
	}
	return s[:i], strings.TrimLeft(s[i:], " \t"), nil
}

func nextOption(list string) (option, rest string, err error) {
	i, err := endOf(list, ",")
	if err != nil {
		return "", "", err
	}
	if i == len(list) {
		return list, "", nil
	}
	if i == 0 || i == len(list)-1 {
		return "", "", errors.New("an option is empty")
	}
	return list[:i], list[i+1:], nil
}

// endOf returns where the first of the stops is that no quotes surround.
func endOf(s, stops string) (int, error) {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && strings.IndexByte(stops, s[i]) >= 0:
			return i, nil
		}
	}
	if quoted {
		return 0, errors.New("a quote in the options does not end")
	}
	return len(s), nil
}

// matchList is OpenSSH's pattern list: one pattern must match, and none of
// those with a "!" before them.
func matchList(s, list string) bool {
	matched := false
	for pattern := range strings.SplitSeq(list, ",") {
		if not, ok := strings.CutPrefix(pattern, "!"); ok {
			if matchPattern(s, not) {
				return false
			}
			continue
		}
		matched = matched || matchPattern(s, pattern)
	}
	return matched
}

// matchPattern knows * and ?. It remembers only the last star, which is
// enough, and keeps a hostile pattern from taking exponential time.
func matchPattern(s, pattern string) bool {
	i, p, star, from := 0, 0, -1, 0
	for i < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, from = p, i
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == s[i]):
			i++
			p++
		case star >= 0:
			from++
			i, p = from, star+1
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
