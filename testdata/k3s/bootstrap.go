package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// bootstrapFiles are what a cluster cannot be rebuilt without. k3s keeps them,
// encrypted with the token, in the datastore itself: so a snapshot and the
// token are all that a restore needs, and without the token it is worth nothing.
var bootstrapFiles = map[string]string{
	"ServerCA":           "tls/server-ca.crt",
	"ServerCAKey":        "tls/server-ca.key",
	"ClientCA":           "tls/client-ca.crt",
	"ClientCAKey":        "tls/client-ca.key",
	"RequestHeaderCA":    "tls/request-header-ca.crt",
	"RequestHeaderCAKey": "tls/request-header-ca.key",
	"ETCDServerCA":       "tls/etcd/server-ca.crt",
	"ETCDServerCAKey":    "tls/etcd/server-ca.key",
	"ETCDPeerCA":         "tls/etcd/peer-ca.crt",
	"ETCDPeerCAKey":      "tls/etcd/peer-ca.key",
	"ServiceKey":         "tls/service.key",
	"PasswdFile":         "cred/passwd",
	"EncryptionConfig":   "cred/encryption-config.json",
	"EncryptionHash":     "cred/encryption-state.json",
}

type bootstrapFile struct {
	Timestamp time.Time
	Content   []byte
}

const bootstrapPrefix = "/bootstrap/"

var errOtherToken = errors.New("bootstrap data already found and encrypted with different token")

func bootstrapKey(password string) string {
	sum := sha256.Sum256([]byte(password))
	return bootstrapPrefix + hex.EncodeToString(sum[:])[:12]
}

// loadBootstrap writes the files kept in the datastore to disk and tells
// whether there were any. Files that are already there stay, unless replace.
func loadBootstrap(ctx context.Context, kv clientv3.KV, l layout, password string, replace bool) (bool, error) {
	resp, err := kv.Get(ctx, bootstrapPrefix, clientv3.WithPrefix())
	if err != nil {
		return false, fmt.Errorf("failed to read bootstrap data: %w", err)
	}
	var value []byte
	for _, e := range resp.Kvs {
		if string(e.Key) == bootstrapKey(password) {
			value = e.Value
		}
	}
	switch {
	case len(resp.Kvs) == 0:
		return false, nil
	case value == nil:
		return false, errOtherToken
	}
	raw, err := decrypt(password, value)
	if err != nil {
		return false, fmt.Errorf("failed to decrypt bootstrap data: %w", err)
	}
	var files map[string]bootstrapFile
	if err := json.Unmarshal(raw, &files); err != nil {
		return false, fmt.Errorf("failed to decode bootstrap data: %w", err)
	}
	for key, rel := range bootstrapFiles {
		f, ok := files[key]
		if !ok || (exists(l.path(rel)) && !replace) {
			continue
		}
		if err := os.WriteFile(l.path(rel), f.Content, 0o600); err != nil {
			return false, err
		}
	}
	return true, nil
}

// saveBootstrap puts the files into the datastore. It never overwrites: the
// first server to start decides.
func saveBootstrap(ctx context.Context, c *clientv3.Client, l layout, password string) error {
	files := map[string]bootstrapFile{}
	for key, rel := range bootstrapFiles {
		raw, err := os.ReadFile(l.path(rel))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(l.path(rel))
		if err != nil {
			return err
		}
		files[key] = bootstrapFile{info.ModTime(), raw}
	}
	raw, err := json.Marshal(files)
	if err != nil {
		return err
	}
	value, err := encrypt(password, raw)
	if err != nil {
		return err
	}
	key := bootstrapKey(password)
	_, err = c.Txn(ctx).
		If(clientv3.Compare(clientv3.ModRevision(key), "=", 0)).
		Then(clientv3.OpPut(key, string(value))). // no Else: kine knows a creation by this very shape
		Commit()
	if err != nil {
		return fmt.Errorf("failed to save bootstrap data: %w", err)
	}
	return nil
}

func sealer(password, salt string) (cipher.AEAD, error) {
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func encrypt(password string, plain []byte) ([]byte, error) {
	var b [8]byte
	rand.Read(b[:])
	salt := hex.EncodeToString(b[:])
	gcm, err := sealer(password, salt)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, gcm.NonceSize())
	rand.Read(nonce)
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, plain, nil))), nil
}

func decrypt(password string, value []byte) ([]byte, error) {
	salt, encoded, ok := strings.Cut(string(value), ":")
	if !ok {
		return nil, errors.New("no salt")
	}
	sealed, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	gcm, err := sealer(password, salt)
	if err != nil {
		return nil, err
	}
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("too short")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
}
