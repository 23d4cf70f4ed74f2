package fake

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// Secrets of the fake server: none of them may be found anywhere but inside of
// artifacts.
const (
	CanaryToken    = "canary-7f3a-server-token"
	CanaryRegistry = "canary-91bc-registry-password"
	CanaryKube     = "canary-c05e-kubeconfig-comment"
	CanaryHelm     = "canary-2d68-helm-value"
)

// Canaries are all of them, and a text of the snapshot.
func Canaries() []string {
	return []string{CanaryToken, CanaryRegistry, CanaryKube, CanaryHelm, SnapshotText}
}

// Cluster is a k3s server and the checkout that backs it up, all in one folder.
type Cluster struct{ Dir string }

// World is what the fake k3s acts on.
func (c Cluster) World() string { return filepath.Join(c.Dir, "k3s") }

// DataDir is k3s's data directory.
func (c Cluster) DataDir() string { return filepath.Join(c.Dir, "host", "k3s") }

// Etc is where k3s's configuration is.
func (c Cluster) Etc() string { return filepath.Join(c.Dir, "host", "etc") }

// Home is the home folder of whoever runs the backup.
func (c Cluster) Home() string { return filepath.Join(c.Dir, "home") }

// Repo is the checkout; Layer is its folder of the cluster layer.
func (c Cluster) Repo() string  { return filepath.Join(c.Dir, "repo") }
func (c Cluster) Layer() string { return filepath.Join(c.Repo(), "layers", "cluster") }

// Key is the file of a private age key: one and two are recipients of the
// backups, stranger is not. SSHKey is a private ssh key: host signs manifests
// and is trusted, other is not.
func (c Cluster) Key(name string) string    { return filepath.Join(c.Dir, "keys", name+".txt") }
func (c Cluster) SSHKey(name string) string { return filepath.Join(c.Dir, "keys", "ssh_"+name) }

// Env is what the programs need to know of the cluster.
func (c Cluster) Env() []string {
	return []string{WorldVariable + "=" + c.World(), "HOME=" + c.Home()}
}

// NewCluster makes a healthy server in dir, from recordings, and a checkout
// with two recipients and the server's key trusted.
func NewCluster(dir string) (Cluster, error) {
	c := Cluster{dir}
	for _, make := range []func() error{c.world, c.server, c.keys, c.checkout} {
		if err := make(); err != nil {
			return Cluster{}, fmt.Errorf("fake cluster: %w", err)
		}
	}
	return c, nil
}

func (c Cluster) world() error {
	snapshot, err := recorded(recordedSnapshot)
	if err != nil {
		return err
	}
	secrets, err := recorded(recordedSecrets)
	if err != nil {
		return err
	}
	good, err := edit(secrets, healthy)
	if err != nil {
		return err
	}
	configMaps, err := recorded(recordedConfigMaps)
	if err != nil {
		return err
	}
	for name, b := range map[string][]byte{
		"snapshot.db": snapshot, "secrets.json": good, "configmaps.json": configMaps,
		"node": []byte("k3s-1\n"), "data-dir": []byte(c.DataDir() + "\n"),
	} {
		if err := write(filepath.Join(c.World(), name), b); err != nil {
			return err
		}
	}
	return AddRelease(c.World(), "apps", "canary", 1, map[string]any{"password": CanaryHelm})
}

func (c Cluster) server() error {
	kubeconfig, err := recorded(recordedKubeconfig)
	if err != nil {
		return err
	}
	kubeconfig = append(kubeconfig, "# "+CanaryKube+"\n"...)
	for name, text := range map[string]string{
		filepath.Join(c.DataDir(), "server", "token"):                                 "K10" + strings.Repeat("ab", 32) + "::server:" + CanaryToken + "\n",
		filepath.Join(c.DataDir(), "server", "cred", "passwd"):                        CanaryToken + ",node,node:k3s-1,\n",
		filepath.Join(c.DataDir(), "server", "tls", "server-ca.crt"):                  "a certificate\n",
		filepath.Join(c.DataDir(), "server", "manifests", "coredns.yaml"):             "kind: List\n",
		filepath.Join(c.DataDir(), "server", "db", "snapshots", "on-demand-k3s-1-17"): "somebody else's snapshot\n",
		filepath.Join(c.Etc(), "config.yaml"):                                         "cluster-init: true\n",
		filepath.Join(c.Etc(), "config.yaml.d", "10-token.yaml"):                      "token: " + CanaryToken + "\n",
		filepath.Join(c.Etc(), "registries.yaml"):                                     "configs: {r.example: {auth: {password: " + CanaryRegistry + "}}}\n",
		filepath.Join(c.Etc(), "k3s.yaml"):                                            string(kubeconfig),
		filepath.Join(c.Home(), ".kube", "config-hosteurope"):                         string(kubeconfig),
	} {
		if err := write(name, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

func (c Cluster) keys() error {
	for _, name := range []string{"one", "two", "stranger"} {
		key, err := age.GenerateX25519Identity()
		if err != nil {
			return err
		}
		if err := write(c.Key(name), []byte(key.String()+"\n")); err != nil {
			return err
		}
		if err := write(c.Key(name)+".pub", []byte(key.Recipient().String()+"\n")); err != nil {
			return err
		}
	}
	for _, name := range []string{"host", "other"} {
		if err := c.sshKey(name); err != nil {
			return err
		}
	}
	return nil
}

func (c Cluster) sshKey(name string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "test "+name)
	if err != nil {
		return err
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	return errors.Join(
		write(c.SSHKey(name), pem.EncodeToMemory(block)),
		write(c.SSHKey(name)+".pub", ssh.MarshalAuthorizedKey(pub)))
}

// Recipient is the public half of the age key called name.
func (c Cluster) Recipient(name string) (string, error) {
	b, err := os.ReadFile(c.Key(name) + ".pub")
	return strings.TrimSpace(string(b)), err
}

// checkout is the layer as it is shipped, but for where this server's things
// are.
func (c Cluster) checkout() error {
	layer, err := recorded(recordedLayer)
	if err != nil {
		return err
	}
	one, err := c.Recipient("one")
	if err != nil {
		return err
	}
	two, err := c.Recipient("two")
	if err != nil {
		return err
	}
	pub, err := os.ReadFile(c.SSHKey("host") + ".pub")
	if err != nil {
		return err
	}
	settings := fmt.Sprintf("\nsign: %q\nk3s: {data-dir: %q, config: %q, registries: %q, kubeconfig: %q, node-password: %q, units: []}\n", c.SSHKey("host"), c.DataDir(),
		filepath.Join(c.Etc(), "config.yaml"), filepath.Join(c.Etc(), "registries.yaml"), filepath.Join(c.Etc(), "k3s.yaml"), filepath.Join(c.Etc(), "node-password"))
	return errors.Join(
		write(filepath.Join(c.Layer(), "layer.yaml"), append(layer, settings...)),
		write(filepath.Join(c.Repo(), ".sops.yaml"), fmt.Appendf(nil, "creation_rules:\n  - age:\n      - %s\n      - %s\n", one, two)),
		write(filepath.Join(c.Repo(), "allowed_signers"), fmt.Appendf(nil, "root@server namespaces=\"railiance-manifest\" %s", pub)))
}

// UseSQLite makes the server one whose datastore is SQLite.
func (c Cluster) UseSQLite() error {
	db, err := recorded(recordedStateDB)
	if err != nil {
		return err
	}
	return errors.Join(
		write(filepath.Join(c.World(), FaultSQLite), nil),
		write(filepath.Join(c.Etc(), "config.yaml"), []byte("write-kubeconfig-mode: \"0600\"\n")),
		write(filepath.Join(c.DataDir(), "server", "db", "state.db"), db),
		// Real nodes have that folder although nothing uses it.
		os.MkdirAll(filepath.Join(c.DataDir(), "server", "db", "etcd"), 0o700))
}

// UseSmall leaves the large release out, for tests that run hundreds of
// backups.
func (c Cluster) UseSmall() error {
	return change(c.World(), func(items []json.RawMessage) []json.RawMessage {
		return slices.DeleteFunc(items, func(item json.RawMessage) bool { return len(item) > 100<<10 })
	})
}

// UseEncrypted makes the cluster one whose Secrets are encrypted, with a key
// that is not on the server yet.
func (c Cluster) UseEncrypted() error {
	snapshot, err := recorded(recordedEncrypted)
	if err != nil {
		return err
	}
	return write(filepath.Join(c.World(), "snapshot.db"), snapshot)
}

// UseCorrupt puts the broken records back that NewCluster left out.
func (c Cluster) UseCorrupt() error {
	secrets, err := recorded(recordedSecrets)
	if err != nil {
		return err
	}
	same, err := edit(secrets, func(items []json.RawMessage) []json.RawMessage { return items })
	if err != nil {
		return err
	}
	return write(filepath.Join(c.World(), "secrets.json"), same)
}

// DamageSnapshot makes k3s write snapshots that are damaged in that way.
func (c Cluster) DamageSnapshot(how string) error {
	good, err := recorded(recordedSnapshot)
	if err != nil {
		return err
	}
	b, err := Damage(good, how)
	if err != nil {
		return err
	}
	return write(filepath.Join(c.World(), "snapshot.db"), b)
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}
