// Package sopsfile opens sops files (YAML, JSON, dotenv) that are encrypted to
// age or ssh keys, and returns the values at their top.
//
// The one thing to know: no error of sops, of YAML or of JSON is passed on.
// They quote what they stumble over, and in such a file that may be the secret:
// one that somebody typed in without encrypting it, say. Nor are sops's own
// means of finding a key used: they ask a person for passphrases, and follow
// the addresses of key servers that the file names.
package sopsfile

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/logging"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/shell"
	"github.com/railiance/railiance/tools/internal/tell"
)

// An environment has no room for more, and sops takes a file into memory
// several times over.
const (
	maxSize    = 1 << 20 // bytes of a file
	maxEntries = 1000    // values of a file, comments included
	maxRule    = 1 << 10 // bytes of a regular expression, which sops compiles for every value
)

// Open returns the values of the sops file at path by their names, opened with
// any of the keys, and authenticated: values that were changed, moved or added
// are an error. Numbers and truth values are as sops prints them. A
// *shell.Usage says that the file is not one that could be opened anywhere.
func Open(path string, with []age.Identity) (values map[string]string, err error) {
	for _, l := range logging.Loggers {
		l.SetOutput(io.Discard) // sops logs comments that it could not decrypt
	}
	shown := host.Printable(path)
	defer func() {
		// The file is anybody's, and sops was not written to withstand it.
		if recover() != nil {
			values, err = nil, fmt.Errorf("%s: damaged: sops cannot read it", shown)
		}
	}()
	values, err = open(path, with)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", shown, err)
	}
	return values, nil
}

func open(path string, with []age.Identity) (map[string]string, error) {
	kind := filepath.Ext(path)
	store, err := storeOf(kind)
	if err != nil {
		return nil, &shell.Usage{Err: err}
	}
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	if err := wellFormed(kind, data); err != nil {
		return nil, &shell.Usage{Err: err}
	}
	tree, err := store.LoadEncryptedFile(data)
	if errors.Is(err, sops.MetadataNotFound) {
		return nil, &shell.Usage{Err: tell.Hint(errors.New("not encrypted: whoever can read the file has its secrets"),
			"change the secrets, write the new ones with `sops edit`, or `sops encrypt -i` it before anybody sees it")}
	}
	if err != nil {
		return nil, tell.Hint(errors.New("damaged: sops's part of it cannot be read"), "take the file from the repository again; `sops decrypt` tells more")
	}
	if err := flat(tree); err != nil {
		return nil, &shell.Usage{Err: err}
	}
	if err := decrypt(tree, with); err != nil {
		return nil, err
	}
	return texts(tree.Branches[0])
}

// storeOf is sops's reader of a kind of file. It goes by the ending, as sops
// does.
func storeOf(kind string) (sops.EncryptedFileLoader, error) {
	switch kind {
	case ".yaml", ".yml":
		return yaml.NewStore(&config.YAMLStoreConfig{}), nil
	case ".json":
		return json.NewStore(&config.JSONStoreConfig{}), nil
	case ".env":
		return dotenv.NewStore(&config.DotenvStoreConfig{}), nil
	}
	return nil, tell.Hint(errors.New("what kind of file this is does not show in its name"), "name it .yaml, .yml, .json or .env")
}

// read never waits for a pipe, and never reads more than a secrets file has.
func read(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unnamed(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, unnamed(err)
	}
	if !info.Mode().IsRegular() {
		return nil, &shell.Usage{Err: errors.New("not a file")}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, unnamed(err)
	}
	if len(data) > maxSize {
		return nil, &shell.Usage{Err: fmt.Errorf("larger than %s, which no environment holds", tell.Bytes(maxSize))}
	}
	return data, nil
}

// unnamed is err without the path, which stands before it already.
func unnamed(err error) error {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// decrypt decrypts the values of tree in place.
func decrypt(tree sops.Tree, with []age.Identity) error {
	key, err := dataKey(tree.Metadata, with)
	if err != nil {
		return err
	}
	defer clear(key)
	cipher := newCipher()
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		return cipher.why()
	}
	told, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	text, _ := told.(string)
	if err != nil || subtle.ConstantTimeCompare([]byte(text), []byte(mac)) != 1 {
		// Not the two sums: one of the values can be guessed by its sum.
		return tell.Hint(errors.New("the file was changed since it was encrypted: its authentication code differs"),
			"take the file from the repository again, or look at who changed it; values are changed with `sops edit`")
	}
	return nil
}

// texts are the values as an environment has them.
func texts(branch sops.TreeBranch) (map[string]string, error) {
	values := map[string]string{}
	for _, item := range branch {
		if _, comment := item.Key.(sops.Comment); comment {
			continue
		}
		name, _ := item.Key.(string)
		text, err := scalar(item.Value)
		if err != nil {
			return nil, &shell.Usage{Err: fmt.Errorf("%s: %w", shown(name), err)}
		}
		values[name] = text
	}
	return values, nil
}

// recipients are the public keys of a file, for a message.
func recipients(m sops.Metadata) []string {
	var all []string
	for _, group := range m.KeyGroups {
		for _, key := range group {
			text := host.Printable(key.ToString())
			if len(text) > 80 {
				text = text[:80] + "…"
			}
			all = append(all, text)
		}
	}
	if len(all) > 5 {
		all = append(slices.Clip(all[:5]), fmt.Sprintf("and %d more", len(all)-5))
	}
	return all
}
