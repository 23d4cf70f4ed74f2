// Package sealed makes sops files for the tests, as `sops encrypt` does.
package sealed

import (
	"fmt"
	"path/filepath"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/keys"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/json"
	"github.com/getsops/sops/v3/stores/yaml"
	"github.com/getsops/sops/v3/version"
)

// File is plain, encrypted to each of the recipients (age1… or ssh-…). name
// says by its ending which kind of file it is; change, where it is not nil, may
// give other metadata than sops itself would.
func File(name string, plain []byte, to []string, change func(*sops.Metadata)) ([]byte, error) {
	var store sops.Store
	switch filepath.Ext(name) {
	case ".yaml", ".yml":
		store = yaml.NewStore(&config.YAMLStoreConfig{})
	case ".json":
		store = json.NewStore(&config.JSONStoreConfig{Indent: 4})
	case ".env":
		store = dotenv.NewStore(&config.DotenvStoreConfig{})
	default:
		return nil, fmt.Errorf("%s: no such kind", name)
	}
	branches, err := store.LoadPlainFile(plain)
	if err != nil {
		return nil, err
	}
	var group sops.KeyGroup
	for _, recipient := range to {
		key, err := sopsage.MasterKeyFromRecipient(recipient)
		if err != nil {
			return nil, err
		}
		group = append(group, keys.MasterKey(key))
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{
		KeyGroups:         []sops.KeyGroup{group},
		UnencryptedSuffix: sops.DefaultUnencryptedSuffix,
		Version:           version.Version,
		LastModified:      time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC),
	}}
	if change != nil {
		change(&tree.Metadata)
	}
	key, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		return nil, errs[0]
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(key, cipher)
	if err != nil {
		return nil, err
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		return nil, err
	}
	return store.EmitEncryptedFile(tree)
}
