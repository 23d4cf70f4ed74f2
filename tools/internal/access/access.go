// Package access answers who may read what: it gives the recipients that a
// reviewed .sops.yaml names for a path, so that one file rules both the
// secrets that sops keeps and the artifacts that the backups make.
//
// The one thing to know: it reads .sops.yaml as sops does (the first rule
// that matches wins, key_groups win over age) but where sops stays silent
// about a doubtful file this package refuses it, because a backup that the
// wrong people can open, or nobody, looks like a good one until the bad day.
// The parity module next to it holds every case against sops itself.
//
// Nothing here touches a private key. Identities live in the sub-package
// identity, so that a program which only encrypts never links the code that
// decrypts.
package access

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"filippo.io/age"
)

// Recipients are the keys that an artifact is encrypted to. There is always
// at least one, and they can always be used together.
type Recipients struct {
	List    []age.Recipient // same order and length as Strings
	Strings []string        // as written in the file, each key once
	// PostQuantum is true if all of them are post-quantum keys; age allows
	// no mix, so otherwise none is.
	PostQuantum bool
	Rule        string // where they stand, such as "creation_rules[1]"
	File        string // the .sops.yaml that was read
	// Warnings are sentences for the operator about what is allowed but may
	// surprise: so far only that a rule names keys of other kinds than age.
	// They stay warnings because refusing would mean to have no backup.
	Warnings []string
}

// ForPath reads the file sopsYAML and returns the recipients of path, which
// is the absolute path of the file to be written; it need not exist. Every
// error names the file, where possible its line and the rule, and a way out;
// none quotes a private key that somebody pasted by mistake.
func ForPath(sopsYAML, path string) (Recipients, error) {
	data, err := read(sopsYAML)
	if err != nil {
		return Recipients{}, err
	}
	if !filepath.IsAbs(path) {
		return Recipients{}, fmt.Errorf("%s: the path %q is not absolute, so no rule can be matched with it", sopsYAML, path)
	}
	dir, err := filepath.Abs(filepath.Dir(sopsYAML))
	if err != nil {
		return Recipients{}, fmt.Errorf("%s: %w", sopsYAML, err)
	}
	return forPath(sopsYAML, data, relative(dir, filepath.Clean(path)))
}

// All returns every recipient that any rule of the file names, each once, in
// the order of the file. It is for questions like "does this file know my
// key at all"; to encrypt, ask ForPath.
func All(sopsYAML string) ([]string, error) {
	data, err := read(sopsYAML)
	if err != nil {
		return nil, err
	}
	rules, err := parse(sopsYAML, data)
	if err != nil {
		return nil, err
	}
	var all []string
	seen := map[string]bool{}
	for i := range rules {
		entries, _, err := rules[i].entries(at{file: sopsYAML, line: rules[i].line, what: ruleName(i)})
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if !seen[e.text] {
				seen[e.text] = true
				all = append(all, e.text)
			}
		}
	}
	return all, nil
}

// relative is the text that path_regex is matched with. sops cuts the prefix
// "dir/" off and nothing more: a file outside of the folder, or any file if
// the configuration stands in the root folder, keeps its absolute path.
func relative(dir, path string) string {
	return strings.TrimPrefix(path, dir+string(filepath.Separator))
}

func forPath(file string, data []byte, path string) (Recipients, error) {
	rules, err := parse(file, data)
	if err != nil {
		return Recipients{}, err
	}
	i, err := match(file, rules, path)
	if err != nil {
		return Recipients{}, err
	}
	where := at{file: file, line: rules[i].line, what: ruleName(i)}
	entries, others, err := rules[i].entries(where)
	if err != nil {
		return Recipients{}, err
	}
	if len(entries) == 0 && len(others) > 0 {
		return Recipients{}, where.errorf("the rule has only %s keys, which cannot open an age file; add an age recipient to it",
			strings.Join(others, ", "))
	}
	if len(entries) == 0 {
		return Recipients{}, where.errorf("the rule names no recipient, so nobody could read what it encrypts; add an age recipient to it")
	}
	r := Recipients{Rule: ruleName(i), File: file}
	if err := r.add(where, entries); err != nil {
		return Recipients{}, err
	}
	if len(others) > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"%s: the rule also has %s keys, which this program does not use: their holders need an age key to read the artifacts",
			where, strings.Join(others, ", ")))
	}
	return r, nil
}

// match returns the index of the first rule for path. Like sops it does not
// look at the rules after it, not even at whether their patterns are sound.
func match(file string, rules []rule, path string) (int, error) {
	for i := range rules {
		if rules[i].PathRegex == "" {
			return i, nil
		}
		re, err := regexp.Compile(rules[i].PathRegex)
		if err != nil {
			return 0, at{file: file, line: rules[i].line, what: ruleName(i)}.errorf("path_regex: %s", redact(err.Error()))
		}
		if re.MatchString(path) {
			return i, nil
		}
	}
	return 0, at{file: file}.errorf("none of its %d creation_rules matches %q; add a rule without path_regex as the last one, or one for this path",
		len(rules), path)
}

// add parses the entries, drops repetitions and refuses the one combination
// that age cannot encrypt to.
func (r *Recipients) add(where at, entries []entry) error {
	var quantum, classic *entry
	seen := map[string]bool{}
	for i := range entries {
		e := &entries[i]
		parsed, err := parseRecipient(e.text)
		if err != nil {
			return where.on(e.line).errorf("%w", err)
		}
		if parsed.postQuantum {
			quantum = e
		} else {
			classic = e
		}
		if seen[parsed.id] {
			continue
		}
		seen[parsed.id] = true
		r.List = append(r.List, parsed.recipient)
		r.Strings = append(r.Strings, e.text)
	}
	if quantum != nil && classic != nil {
		return where.on(quantum.line).errorf("the rule mixes post-quantum recipients (age1pq1…) with classic ones (%s, line %d): "+
			"age refuses the mix, because one classic key would undo the protection that the others promise; "+
			"give every reader a post-quantum key (age-keygen -pq), or none", brief(classic.text), classic.line)
	}
	r.PostQuantum = quantum != nil
	return nil
}

// at is where in the file something is wrong.
type at struct {
	file string
	line int // 0 if unknown
	what string
}

func (a at) on(line int) at {
	if line > 0 {
		a.line = line
	}
	return a
}

func (a at) String() string {
	s := a.file
	if a.line > 0 {
		s = fmt.Sprintf("%s:%d", s, a.line)
	}
	if a.what != "" {
		s += ": " + a.what
	}
	return s
}

func (a at) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", a, fmt.Errorf(format, args...))
}

func ruleName(i int) string { return fmt.Sprintf("creation_rules[%d]", i) }

var errTooMany = errors.New("more than 1000 recipients are named, which no reviewed file needs")
