package recovery_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/ssh"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/seal"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// Secrets of the test world: none of them may ever be printed.
const (
	setToken  = "K10aaaa::server:the-token-of-the-set"
	hereToken = "K10bbbb::server:the-token-of-today"
	s3Secret  = "AbsolutelySecretS3Key"
)

const setConfig = "# of the set\ncluster-init: true\ntls-san: [old.example]\netcd-s3-secret-key: " + s3Secret + "\n"

var setTime = time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)

// world is a machine with a k3s that has moved on since its last set.
type world struct {
	t      *testing.T
	root   string
	data   string
	layer  string
	sets   string
	signer *sign.Signer
	key    *age.X25519Identity
	env    []string
	change func(snapshot []byte) []byte // made to the datastore of the sets that come
}

func unpacked(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	ok(t, err)
	d, err := zstd.NewReader(nil)
	ok(t, err)
	defer d.Close()
	b, err = d.DecodeAll(b, nil)
	ok(t, err)
	return b
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newWorld(t *testing.T, kind string) *world {
	t.Helper()
	root := t.TempDir()
	w := &world{
		t: t, root: root, data: filepath.Join(root, "k3s data"), layer: filepath.Join(root, "repo"), sets: filepath.Join(root, "backup", "cluster"),
	}
	var err error
	w.key, err = age.GenerateX25519Identity()
	ok(t, err)
	bin := filepath.Join(root, "bin")
	self, err := os.Executable()
	ok(t, err)
	for _, name := range []string{"k3s", "systemctl", "railiance-restore-s2", "restore-to-death"} {
		ok(t, os.MkdirAll(bin, 0o755))
		ok(t, os.Symlink(self, filepath.Join(bin, name)))
	}
	w.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + filepath.Join(root, "home"), "WORLD=" + root, "DATA=" + w.data, "LAYER=" + w.layer,
		"BACKUP_ROOT=" + filepath.Dir(w.sets), "RAILIANCE_STATE=" + filepath.Join(root, "state"), "SOPS_AGE_KEY=" + w.key.String(),
	}
	w.signer = newSigner(t, filepath.Join(root, "hostkey"))
	w.write("repo/layer.yaml", fmt.Sprintf(`format: 1
layer: cluster
sign: %[1]s/hostkey
k3s:
  data-dir: %[2]q
  config: %[1]s/etc/config.yaml
  registries: %[1]s/etc/registries.yaml
  kubeconfig: %[1]s/etc/k3s.yaml
  node-password: %[1]s/etc/node/password
  units: [%[1]s/etc/k3s.service]
assets:
  - {name: k3s-server, kind: k3s-server}
  - {name: datastore, kind: k3s-datastore}
  - {name: kubeconfig, kind: kubeconfig, paths: [%[1]s/home/kubeconfig]}
`, root, w.data))
	_, err = sign.AddTrusted(filepath.Join(w.layer, "allowed_signers"), "root@test", w.signer.PublicKey())
	ok(t, err)
	w.set(setTime, 1, kind, w.signer, w.key.Recipient())
	w.today()
	return w
}

func newSigner(t *testing.T, path string) *sign.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	ok(t, err)
	block, err := ssh.MarshalPrivateKey(private, "")
	ok(t, err)
	ok(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	signer, err := sign.Load(path)
	ok(t, err)
	return signer
}

// today is what is on the machine, which a restore replaces.
func (w *world) today() {
	for name, text := range map[string]string{
		"server/token": hereToken, "server/tls/server-ca.crt": "of today", "server/cred/passwd": "of today", "server/manifests/mine.yaml": "of today",
		"server/db/etcd/member/snap/db": "etcd of today", "server/db/state.db": "sqlite of today", "server/db/state.db-wal": "stale log", "server/db/snapshots/kept": "x",
	} {
		path := filepath.Join(w.data, name)
		ok(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
		ok(w.t, os.WriteFile(path, []byte(text), 0o600))
	}
	w.write("etc/config.yaml", "tls-san: [new.example]\ntoken: "+hereToken+"\n")
	w.write("etc/config.yaml.d/50-broken.yaml", "disable: [traefik]\n")
	w.write("etc/k3s.yaml", "# the administrator's\n")
	w.write("running", "")
}

func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.root, name)
	ok(w.t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func (w *world) read(path string) string {
	w.t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.root, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "(" + err.Error() + ")"
	}
	return string(b)
}

func serverTar(t *testing.T) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	a := tar.NewWriter(z)
	for _, m := range [][2]string{
		{asset.MemberVersion, "k3s version v1.36.3+k3s1\n"}, {asset.MemberToken, setToken + "\n"}, {asset.MemberConfig, setConfig},
		{"server/agent-token", setToken + "\n"}, {"server/tls/server-ca.crt", "of the set"}, {"server/cred/encryption-config.json", "{}"},
		{"server/manifests/mine.yaml", "of the set"}, {asset.MemberPassword, "password of the set"}, {"unit/k3s.service", "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n    --node-ip \\\n    the-token-of-nobody\n"},
	} {
		ok(t, a.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: m[0], Size: int64(len(m[1])), Mode: 0o600}))
		_, err := io.WriteString(a, m[1])
		ok(t, err)
	}
	ok(t, a.Close())
	ok(t, z.Close())
	return out.Bytes()
}

// set makes a set as a backup would have.
func (w *world) set(at time.Time, sequence int64, kind string, signer *sign.Signer, to age.Recipient) *catalog.Manifest {
	t := w.t
	t.Helper()
	datastore, ext := unpacked(t, "../etcdsnap/testdata/etcd-snapshot-k3s-1-1795281633.db.zst"), "snap"
	if kind == asset.KindStateDB {
		datastore, ext = unpacked(t, "../kine/testdata/state.backup-api.db.zst"), "db"
	}
	if w.change != nil {
		datastore = w.change(datastore)
	}
	kubeconfig, err := os.ReadFile("../kubeconfig/testdata/files/k3s-default-loopback.yaml")
	ok(t, err)
	dir, err := store.MakeDir(w.sets)
	ok(t, err)
	m := &catalog.Manifest{Format: 1, Layer: "cluster", Host: "oldhost", Sequence: sequence, Time: at, Tool: "test"}
	for _, d := range []struct {
		kind, ext string
		b         []byte
		source    map[string]string
	}{
		{asset.KindServer, "tar.gz", serverTar(t), nil},
		{kind, ext, datastore, map[string]string{"k3s": "k3s version v1.35.1+k3s1 (abc)"}},
		{asset.KindKubeconfig, "yaml", kubeconfig, map[string]string{"path": "/root/kubeconfig"}},
	} {
		f, err := os.CreateTemp(t.TempDir(), "")
		ok(t, err)
		_, err = f.Write(d.b)
		ok(t, err)
		contents, err := asset.Check(t.Context(), d.kind, f)
		ok(t, err)
		name := catalog.ArtifactName(d.kind, at, d.ext)
		var sum seal.Sum
		stream := seal.Stream(func(w io.Writer) error { _, err := w.Write(d.b); return err })
		ok(t, dir.Put(t.Context(), name, stream.Encrypted(to).Measured(&sum)))
		m.Artifacts = append(m.Artifacts, catalog.Artifact{
			Name: name, Asset: d.kind, Kind: d.kind, Size: sum.Size, SHA256: sum.SHA256, Recipients: []string{"age1test"}, Source: d.source, Contents: contents,
		})
	}
	_, err = catalog.Write(t.Context(), dir, m, signer)
	ok(t, err)
	return m
}

// run runs one of our programs and returns its status and all that it said.
func (w *world) run(program string, env []string, args ...string) (int, string) {
	w.t.Helper()
	if program == "railiance-restore-s2" {
		args = append(args, "--layer", w.layer)
	}
	cmd := exec.Command(filepath.Join(w.root, "bin", program), args...)
	cmd.Env = append(w.env, env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		w.t.Fatal(err)
	}
	for _, secret := range []string{"the-token-of", s3Secret, w.key.String()} {
		if strings.Contains(string(out), secret) {
			w.t.Errorf("%s %v printed a secret:\n%s", program, args, out)
		}
	}
	if strings.Contains(w.read("argv"), "the-token-of") {
		w.t.Errorf("a token stood in an argument")
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// picture is every file below the places that a restore changes.
func (w *world) picture() map[string]string {
	w.t.Helper()
	all := map[string]string{}
	for _, root := range []string{w.data, filepath.Join(w.root, "etc"), filepath.Join(w.root, "home")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil
			}
			rel, err := filepath.Rel(w.root, path)
			if err != nil {
				return err
			}
			all[rel] = w.read(path)
			return nil
		})
		ok(w.t, err)
	}
	return all
}

// withoutCopies are the files that are no part of a safety copy.
func withoutCopies(all map[string]string) map[string]string {
	out := map[string]string{}
	for name, text := range all {
		if !strings.Contains(name, "railiance-before-") {
			out[name] = text
		}
	}
	return out
}
