package pvecli_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/railiance/railiance/tools/internal/layertest"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pvecli"
	"github.com/railiance/railiance/tools/internal/pvetest"
)

// One binary is our program, what makes sets behind its back, and the fakes.
func TestMain(m *testing.M) {
	pvetest.Dispatch() // what the nodes of the fake cluster run
	testscript.Main(m, map[string]func(){
		"pve-vm-backup": func() {
			os.Exit(plugin.Main("pve-vm-backup", func(sh *plugin.Shell) *cobra.Command {
				sh.Now = layertest.Clock
				return pvecli.Command(sh)
			}))
		},
		"mkset": func() { os.Exit(makeSet(os.Args[1:])) },
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("LAYERTEST_CLOCK", "2026-11-21T12:00:00Z")
			return setUp(env)
		},
	})
}

// setUp makes the layer of a script, and names its places.
func setUp(env *testscript.Env) error {
	for name, path := range map[string]string{
		"HOME": "home", "LAYER": "repo/layers/madagascar", "SITES": "sites", "BACKUP_ROOT": "backups", "RAILIANCE_STATE": "state", "SIGN": "sign",
	} {
		env.Setenv(name, filepath.Join(env.WorkDir, filepath.FromSlash(path)))
	}
	return world(env.WorkDir)
}

// world is a layer with two directory sites, in which nothing lies yet.
func world(dir string) error {
	files := map[string]string{
		"repo/layers/madagascar/layer.yaml": fmt.Sprintf(`format: 1
layer: madagascar
sign: %s
guests:
  cluster: madagascar
  sites: [nas/disk, nas/other]
  nodes: {skip: true}
  rules:
    - {guest: 101, sites: [nas/disk]}
`, filepath.Join(dir, "sign")),
		"repo/layers/madagascar/cluster-context/madagascar.json": fmt.Sprintf(`{"clusters": {"madagascar": {
  "nodes": {"baobab": {"hosts": ["root@127.0.0.1"]}},
  "backupServers": {"nas": {"stores": {
    "disk": {"type": "dir", "path": %q},
    "other": {"type": "dir", "path": %q}
  }}}
}}}`, filepath.Join(dir, "sites", "disk"), filepath.Join(dir, "sites", "other")),
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	files["home/.config/sops/age/keys.txt"] = key.String() + "\n"
	files["repo/.sops.yaml"] = "creation_rules:\n  - age: " + key.Recipient().String() + "\n"
	for _, signer := range []string{"sign", "stranger"} {
		pub, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return err
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			return err
		}
		files[signer] = string(pem.EncodeToMemory(block))
		line, err := ssh.NewPublicKey(pub)
		if err != nil {
			return err
		}
		if signer == "sign" {
			files["repo/allowed_signers"] = "root@test " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(line))) + "\n"
		}
	}
	for _, site := range []string{"disk", "other"} {
		if err := os.MkdirAll(filepath.Join(dir, "sites", site), 0o700); err != nil {
			return err
		}
	}
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}
