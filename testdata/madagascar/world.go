package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/railiance/railiance/testdata/told"
)

// world is the folder with everything that the machine which makes the backups,
// its stores and a clone of this repository would have.
type world struct {
	told.Stage
	layer   string // folder of layer.yaml
	ends    []func() error
	secrets map[string]string // by variable, for the sops file

	disks map[string]string // what there was to lose, as inventory gives it
}

const keepAll, keepOne = "keep: {last: 3}", "keep: {last: 1}"

// settle lays the folder out and starts the stores.
func settle(ctx context.Context, parts, bin, dir string) (w *world, err error) {
	w = &world{Stage: told.Stage{Dir: dir}, secrets: map[string]string{}}
	w.layer = w.Path("repository/layers/madagascar")
	for _, d := range []string{"bin", "etc", "home", "spool", "disk", "out", "repository/layers/madagascar/cluster-context", "repository/layers/madagascar/secrets"} {
		if err := os.MkdirAll(w.Path(d), 0o700); err != nil {
			return nil, err
		}
	}
	if err := w.Link(bin, "pve-vm-backup", "railiance-secrets", "pveworld", "sopsseal"); err != nil {
		return nil, err
	}
	w.Env = []string{
		"HOME=" + w.Path("home"), "PATH=" + w.Path("bin") + ":" + os.Getenv("PATH"),
		"BACKUP_ROOT=" + w.Path("backups"), "RAILIANCE_STATE=" + w.Path("state"), "XDG_CONFIG_HOME=",
		// What opens the credentials of the stores is the machine's own key, and
		// opens no backup.
		"SOPS_AGE_SSH_PRIVATE_KEY_FILE=" + w.Path("etc/ssh_host_ed25519_key"), "SOPS_AGE_KEY=", "SOPS_AGE_KEY_FILE=", "SOPS_AGE_KEY_CMD=",
	}
	if err := w.Exec(ctx, nil, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", w.Path("etc/ssh_host_ed25519_key")); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = w.end()
		}
	}()
	stores, err := w.stores(ctx, parts)
	if err != nil {
		return nil, err
	}
	if err := w.context(stores); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"disk/.this-is-the-nas": "",
		"repository/layers/madagascar/layer.yaml": fmt.Sprintf(`format: 1
layer: madagascar
sign: %q
%s
guests:
  cluster: madagascar
  context: cluster-context/madagascar.json
  sites: [shelter/disk, shelter/bucket, shelter/cloud]
  default: {spool: {dir: %q, max: 64MiB}}
`, w.Path("etc/ssh_host_ed25519_key"), keepAll, w.Path("spool")),
	} {
		if err := os.WriteFile(w.Path(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// context is the one that pveworld wrote, with the stores.
func (w *world) context(stores map[string]any) error {
	b, err := os.ReadFile(w.Path("cluster/madagascar.json"))
	if err != nil {
		return err
	}
	var c struct {
		Clusters map[string]map[string]any `json:"clusters"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	c.Clusters["madagascar"]["backupServers"] = map[string]any{"shelter": map[string]any{"stores": stores}}
	if b, err = json.MarshalIndent(c, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(w.layer+"/cluster-context/madagascar.json", b, 0o600)
}

// end ends what was started, the last first.
func (w *world) end() error {
	var err error
	for len(w.ends) > 0 {
		last := len(w.ends) - 1
		if e := w.ends[last](); e != nil {
			err = e
		}
		w.ends = w.ends[:last]
	}
	return err
}

// ours runs pve-vm-backup for somebody to see, and returns what it said.
func (w *world) ours(ctx context.Context, args ...string) (string, error) {
	return w.Shown(ctx, append([]string{"pve-vm-backup"}, append(args, "--layer", w.layer)...)...)
}

// on runs a program on a node, as anybody would.
func (w *world) on(ctx context.Context, node string, args ...string) (string, error) {
	var out strings.Builder
	err := w.Exec(ctx, &out, nil, append([]string{"ssh", node}, args...)...)
	return out.String(), err
}

func (w *world) keys() string { return w.Path("home/.config/sops/age/keys.txt") }
