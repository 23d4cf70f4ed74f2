package main

import (
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

const siteName = "nas/one"

const policy = `format: 1
layer: madagascar
sign: %s
keep: {last: 2}
guests:
  cluster: madagascar
  sites: [` + siteName + `]
`

// prepare makes what a layer needs: a policy, the host's signing key, and an
// age key, whose public half is in DIR/recipient for others to encrypt to.
func prepare(dir string) error {
	reader, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	signer, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	for _, sub := range []string{"layer", "site"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return err
		}
	}
	hostKey := filepath.Join(dir, "host_key")
	for name, text := range map[string]string{
		"layer/layer.yaml": fmt.Sprintf(policy, hostKey),
		".sops.yaml":       fmt.Sprintf("creation_rules:\n  - age: %s\n", reader.Recipient()),
		"allowed_signers":  "host " + string(ssh.MarshalAuthorizedKey(signer)),
		"host_key":         string(pem.EncodeToMemory(block)),
		"keys.txt":         reader.String() + "\n",
		"recipient":        reader.Recipient().String() + "\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func privateKeys(dir string) ([]age.Identity, error) {
	f, err := os.Open(filepath.Join(dir, "keys.txt"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return age.ParseIdentities(f)
}
