package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
)

// ensureCred makes the password file and, with secrets encryption, the
// encryption configuration. Without the flag an existing configuration is not
// made use of: a restored server needs its config.yaml back as well.
func ensureCred(l layout, password string, encryption bool) error {
	if passwd := l.path("cred/passwd"); !exists(passwd) {
		text := fmt.Sprintf("%s,node,node,k3s:agent\n%[1]s,server,server,k3s:server\n", password)
		if err := os.WriteFile(passwd, []byte(text), 0o600); err != nil {
			return err
		}
	}
	config := l.path("cred/encryption-config.json")
	if !encryption || exists(config) {
		return nil
	}
	var key [32]byte
	rand.Read(key[:])
	type m = map[string]any
	raw, err := json.Marshal(m{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []m{{
			"resources": []string{"secrets"},
			"providers": []m{
				{"aescbc": m{"keys": []m{{"name": "aescbckey", "secret": base64.StdEncoding.EncodeToString(key[:])}}}},
				{"identity": m{}},
			},
		}},
	})
	if err != nil {
		return err
	}
	if err := os.WriteFile(config, raw, 0o600); err != nil {
		return err
	}
	sum := sha256.Sum256(raw)
	return os.WriteFile(l.path("cred/encryption-state.json"), []byte("start-"+hex.EncodeToString(sum[:])), 0o600)
}
