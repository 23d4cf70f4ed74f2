package identity

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/access"
)

// Made is what Init found and did.
type Made struct {
	KeysFile  string
	SopsYAML  string
	Recipient string // the public key of KeysFile, which is no secret
	MadeKey   bool   // else it was there
	MadeRules bool   // else it was there
	// Warnings are sentences for the operator: above all that the rules, as
	// they were there, do not name the key.
	Warnings []string
}

// Init makes what the first backup on a machine needs: a key pair in
// keysFile, and a .sops.yaml that encrypts everything to it. What is there
// already is kept as it is, and a key is never overwritten, whoever else may
// be making one at the same time.
//
// The pair is a classic X25519 one, although age knows post-quantum keys:
// the age of Debian (1.1.1) cannot read those, and on the bad day an
// artifact must open with what a rescue system has. Who prefers the other
// puts a key of `age-keygen -pq` there first, and Init keeps it.
func Init(keysFile, sopsYAML string) (Made, error) {
	m := Made{KeysFile: keysFile, SopsYAML: sopsYAML}
	var err error
	if m.MadeKey, err = makeKey(keysFile); err != nil {
		return m, fmt.Errorf("make a key: %w", err)
	}
	if err := m.readKey(); err != nil {
		return m, err
	}
	m.MadeRules, err = publish(sopsYAML, fmt.Appendf(nil, "# Who may read what: the first rule whose path_regex matches wins, and one\n"+
		"# without path_regex matches every path. Several readers: a list below age.\n"+
		"creation_rules:\n  - age: %s\n", m.Recipient))
	if err != nil {
		return m, fmt.Errorf("make rules: %w", err)
	}
	if m.MadeRules {
		return m, nil
	}
	named, err := access.All(sopsYAML)
	if err != nil {
		return m, err
	}
	if !slices.Contains(named, m.Recipient) {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s was there and does not name the key of %s, which therefore opens nothing: add its public key %s to the rule, "+
			"or put the private key of one that it names there", sopsYAML, keysFile, m.Recipient))
	}
	return m, nil
}

// makeKey makes a key pair in the format of age-keygen, unless there is a
// file of that name.
func makeKey(keysFile string) (bool, error) {
	if _, err := os.Lstat(keysFile); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return false, err
	}
	return publish(keysFile, fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n",
		time.Now().UTC().Format(time.RFC3339), id.Recipient(), id))
}

func (m *Made) readKey() error {
	data, open, err := read(m.KeysFile)
	if err != nil {
		return fmt.Errorf("%s: %w", m.KeysFile, err)
	}
	defer clear(data)
	if open {
		m.Warnings = append(m.Warnings, m.KeysFile+": others than its owner may read this private key; chmod 0600 it")
	}
	ids, err := parse(data)
	if err != nil {
		return fmt.Errorf("%s: %w; it was kept as it is: correct it, or move it away and run this again", m.KeysFile, err)
	}
	if len(ids) > 1 {
		m.Warnings = append(m.Warnings, fmt.Sprintf("%s holds %d keys; the first is the one meant here", m.KeysFile, len(ids)))
	}
	switch id := ids[0].(type) {
	case *age.X25519Identity:
		m.Recipient = id.Recipient().String()
	case *age.HybridIdentity:
		m.Recipient = id.Recipient().String()
	default:
		return fmt.Errorf("%s: its first key is of a kind without a public key", m.KeysFile)
	}
	return nil
}

// publish makes path hold data, for its owner alone, unless something of
// that name exists: then it is left alone and made is false. The name
// appears by link(2) when all is on the disk, so that a crash cannot leave
// half a key that the next run would take for one.
func publish(path string, data []byte) (made bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return false, err
	}
	draft, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return false, err
	}
	defer func() {
		draft.Close()
		err = errors.Join(err, os.Remove(draft.Name()))
	}()
	if err := draft.Chmod(0o600); err != nil {
		return false, err
	}
	if _, err := draft.Write(data); err != nil {
		return false, err
	}
	if err := draft.Sync(); err != nil {
		return false, err
	}
	switch err := os.Link(draft.Name(), path); {
	case errors.Is(err, fs.ErrExist):
		return false, nil
	case err != nil:
		return false, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return true, err
	}
	defer d.Close()
	return true, d.Sync()
}
