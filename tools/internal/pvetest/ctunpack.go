package pvetest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// unpack gives the archive to the real tar, which says what it thinks of it on
// our standard output.
func (r *ctRestore) unpack() error {
	root := r.rootfs(r.guest.id)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	fault, err := r.fault("pct-" + r.node)
	if err != nil {
		return err
	}
	fmt.Fprintln(r.out, "extracting archive from STDIN")
	words := func(tree string) []string {
		return append(tarOptions("xpf"), "-C", tree, "--skip-old-files", "--anchored", "--exclude", "./dev/*")
	}
	told, real := words(fmt.Sprintf("/var/lib/lxc/%d/rootfs", r.guest.id)), words(root)
	if r.on("unprivileged") {
		told = append(append([]string{}, usernsexec...), told...)
	}
	// Who runs the fake owns the files, in place of root.
	real = append(real, "--no-same-owner")
	tar := exec.Command(real[0], real[1:]...)
	tar.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	tar.Env = append(os.Environ(), "LC_ALL=C")
	tar.Stdout, tar.Stderr = r.out, r.out
	in, err := tar.StdinPipe()
	if err != nil {
		return err
	}
	if err := tar.Start(); err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(in, &faulty{r: r.in, fault: fault})
		copied <- errors.Join(err, in.Close())
	}()
	ended := make(chan error, 1)
	go func() { ended <- tar.Wait() }()
	select {
	case <-r.stopped:
		_ = tar.Process.Kill()
		return errors.New("interrupted by signal")
	case err = <-ended:
	}
	if err == nil && len(fault) > 0 {
		err = <-copied
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("command '%s' failed: exit code %d", commandLine(told), max(2, tar.ProcessState.ExitCode()))
}

var osRelease = regexp.MustCompile(`(?m)^ID="?([a-z]+)"?$`)

// merge makes the configuration from what was given and the archive's.
func (r *ctRestore) merge(given map[string]string) error {
	fmt.Fprintln(r.out, "merging backed-up and given configuration..")
	archived := filepath.Join(r.rootfs(r.guest.id), "etc", "vzdump")
	text, err := os.ReadFile(filepath.Join(archived, "pct.conf"))
	if err != nil {
		return errors.New("archive does not contain etc/vzdump/pct.conf")
	}
	if err := os.RemoveAll(archived); err != nil {
		return err
	}
	conf := parseConfig(text)
	was := conf.keys["ostype"]
	for key := range conf.keys {
		if mountKey.MatchString(key) || key == "unprivileged" || key == "lock" || strings.HasPrefix(key, "unused") {
			delete(conf.keys, key)
		}
	}
	if conf.keys["swap"] == "" {
		conf.keys["swap"] = "512"
	}
	conf.keys["ostype"] = "unmanaged"
	release, err := os.ReadFile(filepath.Join(r.rootfs(r.guest.id), "etc", "os-release"))
	if m := osRelease.FindSubmatch(release); m != nil {
		conf.keys["ostype"] = string(m[1])
	} else if err != nil {
		fmt.Fprintln(r.out, "/etc/os-release file not found and autodetection failed, falling back to 'unmanaged'")
	}
	if now := conf.keys["ostype"]; was != "" && now != was {
		fmt.Fprintf(r.out, "got unexpected ostype (%s != %s)\n", now, was)
	}
	for key, value := range given {
		conf.keys[key] = value
	}
	for _, key := range []string{"hostname", "memory", "cores", "swap", "net0", "features"} {
		if r.has(key) {
			conf.keys[key] = r.values[key]
		}
	}
	if r.on("unprivileged") {
		conf.keys["unprivileged"] = "1"
	}
	if r.on("unique") {
		renew(conf)
	}
	return r.setConfig(r.guest, conf)
}
