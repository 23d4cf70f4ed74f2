//go:build e2e

package e2e

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/testdata/estate"
)

const readyLimit = 2 * time.Minute

// The configurations that a server is installed with.
const (
	etcdConfig = `cluster-init: true
secrets-encryption: true
write-kubeconfig-mode: "0600"
node-ip: ` + address + `
tls-san: [coulombcore.example]
`
	sqliteConfig = `write-kubeconfig-mode: "0600"
node-ip: ` + address + `
secrets-encryption: true
`
)

// install does what k3s's installer does; it does not start the server.
func (w *world) install() {
	w.t.Helper()
	w.write("/etc/systemd/system/k3s.service.env", "K3S_NODE_LABEL=\n", 0o600)
	w.write("/etc/systemd/system/k3s.service", `[Unit]
Description=Lightweight Kubernetes

[Install]
WantedBy=multi-user.target

[Service]
Type=notify
EnvironmentFile=-/etc/systemd/system/k3s.service.env
KillMode=process
ExecStart=/usr/local/bin/k3s \
    server
`, 0o644)
}

// boot installs and starts a server and waits until it is ready.
func (w *world) boot(config string) {
	w.t.Helper()
	w.install()
	w.write("/etc/rancher/k3s/config.yaml", config, 0o600)
	w.write("/etc/rancher/k3s/config.yaml.d/10-more.yaml", "disable: [traefik]\n", 0o600)
	w.sh("systemctl start k3s")
	w.ready()
}

func (w *world) ready() {
	w.t.Helper()
	if err := w.server.Ready(w.t.Context(), readyLimit); err != nil {
		w.t.Fatalf("%v\n%s", err, w.sh("tail -50 /etc/systemd/system/k3s.log"))
	}
}

func (w *world) kubectl(args ...string) string {
	w.t.Helper()
	out, err := w.server.Kubectl(w.t.Context(), "", args...)
	w.ok(err)
	return string(out)
}

func (w *world) fill() {
	w.t.Helper()
	w.ok(w.server.Fill(w.t.Context()))
}

func (w *world) inventory() estate.Inventory {
	w.t.Helper()
	inv, err := w.server.Inventory(w.t.Context())
	w.ok(err)
	return inv
}

// equal compares every object and every release with what was there.
func (w *world) equal(before estate.Inventory, what string) {
	w.t.Helper()
	after := w.inventory()
	for _, line := range estate.Differences(before, after) {
		w.t.Errorf("%s: %s", what, line)
	}
	w.t.Logf("%s: %d objects and %d releases compared", what, len(after.Objects), len(after.Releases))
}

// deed is what one call of our executables did.
type deed struct {
	code           int
	stdout, stderr string
}

// call runs one of our executables for the cluster layer.
func (w *world) call(program string, args ...string) deed {
	w.t.Helper()
	return w.program(append(append([]string{tree + "/bin/" + program}, args...), "--layer", layerDir)...)
}

func (w *world) program(args ...string) deed {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		w.t.Fatalf("%v: %v", args, err)
	}
	return deed{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// do is call that must succeed; it returns standard output.
func (w *world) do(program string, args ...string) string {
	w.t.Helper()
	begin := time.Now()
	d := w.call(program, args...)
	if d.code != 0 {
		w.t.Fatalf("%s %s: exit status %d\n%s%s", program, strings.Join(args, " "), d.code, d.stdout, d.stderr)
	}
	w.t.Logf("%s %s: %.1f s", program, strings.Join(args, " "), time.Since(begin).Seconds())
	return d.stdout
}

// refused is call that must fail and say each of words on standard error.
func (w *world) refused(words []string, program string, args ...string) {
	w.t.Helper()
	d := w.call(program, args...)
	if d.code == 0 {
		w.t.Errorf("%s %s: exit status 0\n%s%s", program, strings.Join(args, " "), d.stdout, d.stderr)
	}
	for _, word := range words {
		if !strings.Contains(d.stderr, word) {
			w.t.Errorf("%s %s: does not say %q:\n%s", program, strings.Join(args, " "), word, d.stderr)
		}
	}
}

const (
	backup  = "railiance-backup-s2"
	restore = "railiance-restore-s2"
)

// firstDay is what the operator does once.
func (w *world) firstDay() {
	w.t.Helper()
	w.do(restore, "init")
	w.do(restore, "trust", "--yes")
}

// wipe is the disaster: the server's data and configuration are gone.
func (w *world) wipe() {
	w.t.Helper()
	w.sh("systemctl stop k3s; rm -rf " + dataDir + " /etc/rancher")
}

// processes are the command lines of all that runs on the machine.
func processes() ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, e := range entries {
		if e.Name()[0] < '0' || e.Name()[0] > '9' {
			continue
		}
		// What ended since, or has no command line, is nobody's leftover.
		if b, err := os.ReadFile("/proc/" + e.Name() + "/cmdline"); err == nil && len(b) > 0 {
			lines = append(lines, strings.ReplaceAll(strings.TrimRight(string(b), "\x00"), "\x00", " "))
		}
	}
	slices.Sort(lines)
	return lines, nil
}

func (w *world) processes() []string {
	w.t.Helper()
	lines, err := processes()
	w.ok(err)
	return lines
}
