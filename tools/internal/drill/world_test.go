package drill_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/backupcli"
	"github.com/railiance/railiance/tools/internal/mustrun"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/restorecli"
)

// The test binary is each of our programs, under a link of its name.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "railiance-backup-s2":
		os.Exit(plugin.Main(name, backupcli.Command))
	case "railiance-restore-s2":
		os.Exit(plugin.Main(name, restorecli.Command))
	}
	os.Exit(m.Run())
}

// canary is a value of a Secret, which nobody but the API may show.
const canary = "canary-4711"

// world is a running server on the parts of RAILIANCE_REAL, and a layer that
// backs it up.
type world struct {
	dir    string
	env    []string
	server *exec.Cmd
}

// newWorld starts the server, fills it and backs it up once.
func newWorld(t *testing.T, config string) *world {
	t.Helper()
	mustrun.Root(t)
	parts := os.Getenv("RAILIANCE_REAL")
	if parts == "" {
		mustrun.Skip(t, "RAILIANCE_REAL, the folder of the parts that testdata/real/build.sh builds")
	}
	w := &world{dir: t.TempDir()}
	path := filepath.Join(w.dir, "bin")
	w.mkdir(t, "bin", "home", "layer", "scratch")
	for _, part := range []string{"k3s", "helm3"} {
		if err := os.Symlink(filepath.Join(parts, part), filepath.Join(path, part)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"railiance-backup-s2", "railiance-restore-s2"} {
		w.program(t, filepath.Join(path, name))
	}
	api, etcd := ports(t)
	w.env = []string{
		"PATH=" + path + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + w.path("home"),
		"KUBECONFIG=" + w.path("k3s.yaml"), "K3S_CONFIG_FILE=" + w.path("config.yaml"), "K3S_STANDIN_ETCD_PORT=" + etcd,
		"BACKUP_ROOT=" + w.path("backup"), "RAILIANCE_STATE=" + w.path("state"),
	}
	w.write(t, "config.yaml", fmt.Sprintf("data-dir: %s\nwrite-kubeconfig: %s\nhttps-listen-port: %s\nnode-ip: 127.0.0.1\n%s",
		w.path("data"), w.path("k3s.yaml"), api, config))
	w.write(t, "layer/layer.yaml", strings.ReplaceAll(layerYAML, "DIR", w.dir))
	w.start(t)
	w.fill(t)
	w.do(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.path("hostkey"))
	w.do(t, "railiance-restore-s2", "init")
	w.do(t, "railiance-restore-s2", "trust", "--yes")
	w.do(t, "railiance-backup-s2")
	return w
}

const layerYAML = `format: 1
layer: cluster
sign: DIR/hostkey
k3s: {data-dir: DIR/data, config: DIR/config.yaml, kubeconfig: DIR/k3s.yaml, registries: DIR/none, units: [DIR/none]}
assets:
  - {name: k3s-server, kind: k3s-server}
  - {name: datastore, kind: k3s-datastore}
  - {name: helm-values, kind: helm-values}
  - {name: kubeconfig, kind: kubeconfig, paths: [DIR/k3s.yaml]}
`

func (w *world) path(parts ...string) string {
	return filepath.Join(append([]string{w.dir}, parts...)...)
}

func (w *world) mkdir(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(w.path(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
}

func (w *world) write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(w.path(name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (w *world) program(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Link(self, path) == nil {
		return
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err := errors.Join(err, to.Close()); err != nil {
		t.Fatal(err)
	}
}

// command is one of the programs in the world's bin, or of the system.
func (w *world) command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	if own := w.path("bin", args[0]); filepath.Base(args[0]) == args[0] {
		if _, err := os.Stat(own); err == nil {
			cmd = exec.Command(own, args[1:]...)
		}
	}
	cmd.Env, cmd.Dir = w.env, w.path("layer")
	return cmd
}

// do runs a program that must succeed.
func (w *world) do(t *testing.T, args ...string) {
	t.Helper()
	if out, err := w.command(args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// drill runs a drill and returns its two outputs and its exit status.
func (w *world) drill(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := w.command(append([]string{"railiance-restore-s2", "drill"}, args...)...)
	var out, story bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &story
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.Contains(out.String()+story.String(), canary) {
		t.Error("a drill showed a secret")
	}
	return out.String(), story.String(), cmd.ProcessState.ExitCode()
}

func (w *world) start(t *testing.T) {
	t.Helper()
	log, err := os.Create(w.path("server.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	w.server = w.command("k3s", "server")
	w.server.Stdout, w.server.Stderr = log, log
	w.server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := w.server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = w.server.Process.Kill()
		_ = w.server.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(300 * time.Millisecond) {
		if w.command("k3s", "kubectl", "get", "--raw", "/readyz").Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			b, _ := os.ReadFile(w.path("server.log"))
			t.Fatalf("the server is not ready:\n%s", b[max(0, len(b)-2000):])
		}
	}
}

const things = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: plans.example.org}
spec:
  group: example.org
  names: {plural: plans, singular: plan, kind: Plan}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: media}}
---
{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: media}, stringData: {password: ` + canary + `}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: media}, data: {a: b}}
`

const plans = `{apiVersion: example.org/v1, kind: Plan, metadata: {name: one, namespace: media}}
---
{apiVersion: example.org/v1, kind: Plan, metadata: {name: two, namespace: default}}
`

func (w *world) fill(t *testing.T) {
	t.Helper()
	w.write(t, "things.yaml", things)
	w.write(t, "plans.yaml", plans)
	w.mkdir(t, "chart")
	w.write(t, "chart/Chart.yaml", "apiVersion: v2\nname: tiny\nversion: 0.1.0\n")
	w.do(t, "k3s", "kubectl", "apply", "-f", w.path("things.yaml"))
	w.do(t, "k3s", "kubectl", "wait", "--for", "condition=established", "crd/plans.example.org", "--timeout=30s")
	w.do(t, "k3s", "kubectl", "apply", "-f", w.path("plans.yaml"))
	w.do(t, "helm3", "install", "web", w.path("chart"), "-n", "media")
}

// ports are two that nobody uses: of the API, and of etcd, which takes the
// next one too.
func ports(t *testing.T) (api, etcd string) {
	t.Helper()
	for range 50 {
		var held []net.Listener
		free := func(address string) int {
			l, err := net.Listen("tcp", address)
			if err != nil {
				return 0
			}
			held = append(held, l)
			return l.Addr().(*net.TCPAddr).Port
		}
		a, e := free("127.0.0.1:0"), free("127.0.0.1:0")
		next := free(fmt.Sprintf("127.0.0.1:%d", e+1))
		for _, l := range held {
			l.Close()
		}
		if a > 0 && e > 0 && next > 0 && a != e+1 {
			return fmt.Sprint(a), fmt.Sprint(e)
		}
	}
	t.Fatal("no free ports")
	return "", ""
}
