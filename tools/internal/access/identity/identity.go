// Package identity finds the private keys that open artifacts, and makes the
// first one. It is for restores, drills and `make init`.
//
// The one thing to know: it stands apart from package access so that the
// programs which only make backups do not link it, and a server that lost
// its integrity has no code at hand that asks for private keys. It looks
// where sops looks and takes everything it finds, so that a key which opens
// the secrets of a repository opens its backups too. No error and no warning
// quotes anything that was read from a key.
package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"golang.org/x/crypto/ssh"
)

const maxSize = 1 << 20

// Found are the identities of all sources together.
type Found struct {
	Identities []age.Identity
	From       []string // "SOPS_AGE_KEY", "/root/.ssh/id_ed25519", …: each source that gave one
	Warnings   []string // a source that could not be used, or that others can read
}

// Load collects identities from the sources that sops knows: SOPS_AGE_KEY,
// SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD, sops/age/keys.txt below
// $XDG_CONFIG_HOME or else home/.config, SOPS_AGE_SSH_PRIVATE_KEY_FILE,
// SOPS_AGE_SSH_PRIVATE_KEY_CMD, and id_ed25519 and id_rsa in home/.ssh.
//
// env looks a variable up and gives "" for one that is not set; home is the
// person's home folder, or "" where there is none; run runs a command line
// and returns what it printed, and may be nil where no command shall run.
//
// As with sops, a source that fails does not hide the others: it becomes a
// warning. It is an error if none gives an identity.
func Load(env func(string) string, home string, run func(cmd string) ([]byte, error)) (Found, error) {
	s := search{run: run}
	if keys := env("SOPS_AGE_KEY"); keys != "" {
		// The keys may stand in one line here, as sops allows.
		s.keys("SOPS_AGE_KEY", []byte(strings.Join(strings.Fields(dropComments(keys)), "\n")))
	}
	if path := env("SOPS_AGE_KEY_FILE"); path != "" {
		s.file("SOPS_AGE_KEY_FILE="+path, path, s.keys)
	}
	if cmd := env("SOPS_AGE_KEY_CMD"); cmd != "" {
		s.command("SOPS_AGE_KEY_CMD", cmd, s.keys)
	}
	config := env("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		s.usual(filepath.Join(config, "sops", "age", "keys.txt"), s.keys)
	}
	if path := env("SOPS_AGE_SSH_PRIVATE_KEY_FILE"); path != "" {
		s.file("SOPS_AGE_SSH_PRIVATE_KEY_FILE="+path, path, s.ssh)
	}
	if cmd := env("SOPS_AGE_SSH_PRIVATE_KEY_CMD"); cmd != "" {
		s.command("SOPS_AGE_SSH_PRIVATE_KEY_CMD", cmd, s.ssh)
	}
	if home != "" {
		s.usual(filepath.Join(home, ".ssh", "id_ed25519"), s.ssh)
		s.usual(filepath.Join(home, ".ssh", "id_rsa"), s.ssh)
	}
	if len(s.Identities) > 0 {
		return s.Found, nil
	}
	if len(s.Warnings) > 0 {
		return s.Found, fmt.Errorf("no private key could be read: %s", strings.Join(s.Warnings, "; "))
	}
	return s.Found, fmt.Errorf("no private key was found: looked at SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, SOPS_AGE_KEY_CMD, %s and the ssh keys of this account; "+
		"bring the key that is kept off this machine, and name its file in SOPS_AGE_KEY_FILE", strings.Join(s.missing, ", "))
}

type search struct {
	Found
	run     func(string) ([]byte, error)
	missing []string
}

func (s *search) warn(source string, err error) {
	s.Warnings = append(s.Warnings, fmt.Sprintf("%s: %s", source, err))
}

func (s *search) add(source string, ids ...age.Identity) {
	s.Identities = append(s.Identities, ids...)
	s.From = append(s.From, source)
}

// usual is a file at its usual place, which need not exist.
func (s *search) usual(path string, use func(string, []byte)) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		s.missing = append(s.missing, path)
		return
	}
	s.file(path, path, use)
}

func (s *search) file(source, path string, use func(string, []byte)) {
	data, open, err := read(path)
	if err != nil {
		s.warn(source, err)
		return
	}
	if open {
		s.warn(source, errors.New("others than its owner may read this private key; chmod 0600 it"))
	}
	use(source, data)
	clear(data)
}

func (s *search) command(source, cmd string, use func(string, []byte)) {
	if s.run == nil {
		s.warn(source, errors.New("no command is run here"))
		return
	}
	out, err := s.run(cmd)
	if err != nil {
		// Not even the error: a command that fails may print what it read.
		s.warn(source, errors.New("the command failed; run it by hand to see why"))
		return
	}
	use(source, out)
	clear(out)
}

// keys takes a file in age's format: a private key a line.
func (s *search) keys(source string, data []byte) {
	ids, err := parse(data)
	if err != nil {
		s.warn(source, err)
		return
	}
	s.add(source, ids...)
}

// ssh takes one private ssh key. Nobody is asked for a passphrase, as a
// restore may run where there is nobody.
func (s *search) ssh(source string, data []byte) {
	id, err := agessh.ParseIdentity(data)
	switch locked := (*ssh.PassphraseMissingError)(nil); {
	case errors.As(err, &locked):
		s.warn(source, errors.New("the ssh key has a passphrase, so it was left out; `ssh-keygen -p` on a copy in a private folder takes it off"))
	case err != nil:
		s.warn(source, errors.New("not a private ssh key of type ed25519 or rsa, the two that age can use"))
	default:
		s.add(source, id)
	}
}

// parse reads age's identity format. It tells more of a mistake than age
// does, and less of the text.
func parse(data []byte) ([]age.Identity, error) {
	if err := notKeys(data); err != nil {
		return nil, err
	}
	var ids []age.Identity
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		if text == "" || text[0] == '#' {
			continue
		}
		id, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, errors.New("it holds no private key; one starts with AGE-SECRET-KEY-1")
	}
	return ids, nil
}

func parseLine(text string) (age.Identity, error) {
	var id age.Identity
	var err error
	switch {
	case strings.HasPrefix(text, "AGE-SECRET-KEY-PQ-1"):
		id, err = age.ParseHybridIdentity(text)
	case strings.HasPrefix(text, "AGE-SECRET-KEY-1"):
		id, err = age.ParseX25519Identity(text)
	case strings.HasPrefix(text, "AGE-PLUGIN-"):
		return nil, errors.New("keys of age plugins are not supported; decrypt with `age -d` itself, or use another key")
	case strings.HasPrefix(text, "age1"):
		return nil, errors.New("this is a public key, which opens nothing; the private one starts with AGE-SECRET-KEY-1")
	default:
		return nil, errors.New("not a private key of age")
	}
	if err != nil {
		return nil, errors.New("the private key is damaged or incomplete; copy it again")
	}
	return id, nil
}

// notKeys recognises the files that people take for one of age keys.
func notKeys(data []byte) error {
	head := bytes.TrimLeft(data, " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("age-encryption.org/")), bytes.HasPrefix(head, []byte("-----BEGIN AGE ENCRYPTED FILE")):
		return errors.New("the key file is itself encrypted; decrypt it with `age -d` into a private folder and name that file")
	case bytes.HasPrefix(head, []byte("-----BEGIN ")):
		return errors.New("this is a PEM file and not one of age keys; name an ssh key in SOPS_AGE_SSH_PRIVATE_KEY_FILE")
	}
	return nil
}

func dropComments(keys string) string {
	var b strings.Builder
	for line := range strings.Lines(keys) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// read returns a key file and whether others than its owner may read it.
func read(path string) (data []byte, open bool, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	if !info.Mode().IsRegular() {
		return nil, false, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, false, err
	}
	if len(data) > maxSize {
		return nil, false, fmt.Errorf("larger than %d bytes, so this is no key file", maxSize)
	}
	return data, info.Mode().Perm()&0o077 != 0, nil
}
