package pvetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// rootfs is the content of a container's volumes. The real ones are file
// systems in images, which only root can open.
func (c *call) rootfs(id int) string { return c.at(fmt.Sprintf("rootfs/%d", id)) }

// tarOptions is how containers are packed (cpf) and unpacked (xpf).
func tarOptions(verb string) []string {
	return []string{
		"tar", verb, "-", "--totals", "--one-file-system", "-p", "--sparse", "--numeric-owner", "--acls", "--xattrs",
		"--xattrs-include=user.*", "--xattrs-include=security.capability", "--warning=no-file-ignored", "--warning=no-xattr-write",
	}
}

// usernsexec goes before the tar of an unprivileged container.
var usernsexec = []string{"lxc-usernsexec", "-m", "u:0:100000:65536", "-m", "g:0:100000:65536", "--"}

func commandLine(words []string) string {
	shown := make([]string, len(words))
	for i, word := range words {
		shown[i] = quoted(word)
	}
	return strings.Join(shown, " ")
}

// exclusions are tar's arguments for what the node's vzdump.conf excludes, and
// for what vzdump excludes unless it is told not to. That it is done so is not
// recorded but for the latter.
func (j *job) exclusions() ([]string, error) {
	var all []string
	conf, err := os.ReadFile(j.at("etc/vzdump.conf"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(conf)) {
		if paths, is := strings.CutPrefix(line, "exclude-path:"); is {
			for _, path := range strings.Fields(paths) {
				if strings.HasPrefix(path, "/") {
					all = append(all, "--exclude=."+path)
				} else {
					all = append(all, "--no-anchored", "--exclude="+path, "--anchored")
				}
			}
		}
	}
	if !j.has("stdexcludes") || j.on("stdexcludes") {
		all = append(all, "--exclude=./tmp/?*", "--exclude=./var/tmp/?*", "--exclude=./var/run/?*.pid")
	}
	return all, nil
}

// container writes a container as a tar archive, packed by the real tar.
func (j *job) container() error {
	if !j.state.runs {
		j.modeLines()
	}
	j.name()
	var excluded []string
	for _, d := range j.state.drives(mountKey) {
		mp := d.props["mp"]
		switch {
		case d.key == "rootfs":
			j.info("including mount point rootfs ('/') in backup")
		case strings.HasPrefix(d.volume, "/dev/"):
			j.info("excluding device mount point %s ('%s') from backup (not a volume)", d.key, mp)
			excluded = append(excluded, mp)
		case strings.HasPrefix(d.volume, "/"):
			j.info("excluding bind mount point %s ('%s') from backup (not a volume)", d.key, mp)
			excluded = append(excluded, mp)
		case d.props["backup"] != "1":
			j.info("excluding volume mount point %s ('%s') from backup (disabled)", d.key, mp)
			excluded = append(excluded, mp)
		default:
			j.info("including mount point %s ('%s') in backup", d.key, mp)
		}
	}
	if j.state.runs {
		j.modeLines()
		j.info("create storage snapshot 'vzdump'")
		defer j.info("cleanup temporary 'vzdump' snapshot")
	}
	conf := filepath.Join(j.tmp, "etc", "vzdump")
	if err := os.MkdirAll(conf, 0o755); err != nil {
		return err
	}
	fw, err := os.ReadFile(j.pve(fmt.Sprintf("firewall/%d.fw", j.id)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := errors.Join(os.WriteFile(filepath.Join(conf, "pct.conf"), j.settle().text(), 0o644),
		os.WriteFile(filepath.Join(conf, "pct.fw"), fw, 0o644)); err != nil {
		return err
	}
	j.info("sending archive to stdout")
	if is(j.faults, "exit 0 empty") {
		return nil
	}
	return j.pack(excluded)
}

func (j *job) pack(excluded []string) error {
	more, err := j.exclusions()
	if err != nil {
		return err
	}
	words := func(tree string) []string {
		return append(append(tarOptions("cpf"), "--one-file-system", "--warning=no-file-ignored", "--directory="+j.tmp,
			"./etc/vzdump/pct.conf", "./etc/vzdump/pct.fw", "--directory="+tree, "--no-anchored", "--exclude=lost+found",
			"--anchored"), append(more, "./")...)
	}
	told, real := words("/mnt/vzsnap0"), words(j.rootfs(j.id))
	unprivileged := j.state.keys["unprivileged"] == "1"
	if unprivileged {
		told = append(slices.Clone(usernsexec), told...)
	}
	// Who runs the fake owns the files, in place of root.
	own := []string{"--owner=0", "--group=0", "--anchored"}
	for _, mp := range excluded {
		own = append(own, "--exclude=."+mp+"/?*")
	}
	real = slices.Insert(real, len(real)-1, own...)
	tar := exec.Command(real[0], real[1:]...)
	tar.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	tar.Env = append(os.Environ(), "LC_ALL=C")
	out, err := tar.StdoutPipe()
	if err != nil {
		return err
	}
	stderr, err := tar.StderrPipe()
	if err != nil {
		return err
	}
	s, err := j.stream()
	if err != nil {
		return err
	}
	if err := tar.Start(); err != nil {
		return err
	}
	said := make(chan []string, 1)
	go func() {
		var lines []string
		for r := bufio.NewScanner(stderr); r.Scan(); {
			lines = append(lines, r.Text())
		}
		said <- lines
	}()
	_, err = io.CopyBuffer(struct{ io.Writer }{s}, struct{ io.Reader }{out}, make([]byte, 64<<10))
	compressed := j.values["compress"] == "zstd"
	switch {
	case err == nil:
		err = s.w.Close()
		s.refused = err
	case compressed && s.refused != nil:
		// It is the compressor that loses its reader: tar gets to its end.
		_, _ = io.Copy(io.Discard, out)
	default:
		_ = out.Close()
	}
	lines := <-said
	waited := tar.Wait()
	for _, line := range lines {
		j.info("%s", line)
	}
	command := "set -o pipefail && " + commandLine(told)
	switch {
	case errors.Is(err, errClosed):
		return nil
	case err != nil && compressed:
		return fmt.Errorf("command '%s | zstd '--threads=1'' failed: exit code 141", command)
	case err != nil && unprivileged && s.refused != nil:
		return nil // so the real one was seen to do
	case err != nil:
		return fmt.Errorf("command '%s' failed: got signal 13", command)
	case waited != nil:
		return fmt.Errorf("command '%s' failed: exit code %d", command, tar.ProcessState.ExitCode())
	}
	return nil
}
