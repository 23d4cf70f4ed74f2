package pvetest

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/vma/vmatest"
)

const (
	clusterSize = 65536
	extentHead  = 512
	// reach is how many clusters a live backup mixes up: 15 MiB, as idle guests
	// do; 30 MiB apart two neighbours have been seen.
	reach = 240
)

// uuid is a random one, as text and as bytes.
func uuid() (string, [16]byte) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it does not fail
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:]), b
}

// machine writes a virtual machine as VMA.
func (j *job) machine() error {
	if !j.state.runs {
		j.modeLines()
	}
	j.name()
	disks, files, missing, err := j.disks()
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return err
	}
	if j.state.runs {
		j.modeLines()
	}
	conf, err := j.archived(disks)
	if err != nil {
		return err
	}
	j.info("sending archive to stdout")
	if len(disks) == 0 {
		return j.diskless(conf)
	}
	if is(j.faults, "exit 0 empty") {
		return nil
	}
	if is(j.faults, "exit 255 zstd") {
		_, err := io.WriteString(j.out, emptyZstd)
		return errors.Join(err, errors.New("vma_queue_write: write error - Broken pipe"))
	}
	if !j.state.runs {
		j.info("starting kvm to execute backup task")
		if missing != "" {
			why := fmt.Errorf("volume '%s' does not exist", missing)
			j.say("ERROR: %v", why)
			j.info("aborting backup job")
			j.say("ERROR: VM %d not running", j.id)
			j.say("VM %d not running", j.id)
			return why
		}
	}
	fleeced, err := j.fleece(disks)
	if err != nil {
		return err
	}
	j.freeze()
	j.info("starting backup via QMP command")
	task, _ := uuid()
	j.info("started backup task '%s'", task)
	resume := j.state.runs && !j.state.Paused
	if resume {
		j.info("resuming VM again")
	}
	_, id := uuid()
	var seed [8]byte
	_, _ = rand.Read(seed[:])
	archive := vmatest.Archive{
		UUID: id, Created: j.began.Unix(), Files: conf, Disks: disks,
		Order: vmatest.Live(disks, reach, binary.LittleEndian.Uint64(seed[:])),
	}
	if err := j.transfer(archive, resume); err != nil {
		return err
	}
	for _, name := range fleeced {
		j.info("removing (old) fleecing image '%s'", name)
	}
	if !j.state.runs {
		j.info("stopping kvm after backup task")
	}
	return nil
}

// disks are those that the archive will hold, with the files that they are
// read from; missing is an excluded volume that is not there.
func (j *job) disks() (disks []vmatest.Disk, files []*os.File, missing string, err error) {
	for _, d := range j.state.drives(driveKey) {
		path, err := j.path(d.volume)
		if err != nil {
			return nil, files, "", err
		}
		info, err := os.Stat(path)
		if !d.backup() {
			j.info("exclude disk '%s' '%s' (backup=no)", d.key, d.volume)
			if errors.Is(err, fs.ErrNotExist) {
				missing = d.volume
			}
			continue
		}
		j.info("include disk '%s' '%s' %s", d.key, d.volume, d.props["size"])
		if errors.Is(err, fs.ErrNotExist) {
			return nil, files, "", fmt.Errorf("volume '%s' does not exist", d.volume)
		}
		if err != nil {
			return nil, files, "", err
		}
		f, err := os.Open(path)
		if err != nil {
			return nil, files, "", err
		}
		files = append(files, f)
		disks = append(disks, vmatest.Disk{Name: deviceName(d.key), Size: info.Size(), Content: f})
	}
	return disks, files, missing, nil
}

// deviceName is what an archive calls a disk.
func deviceName(key string) string {
	if key[:min(len(key), 8)] == "tpmstate" {
		return "drive-" + key + "-backup"
	}
	return "drive-" + key
}

// archived are the configuration files of the archive. They lie in dumpdir on
// the way; where that is full, the real one goes on with an empty one.
func (j *job) archived(disks []vmatest.Disk) ([]vmatest.File, error) {
	text := j.settle().text()
	for _, d := range j.state.drives(driveKey) {
		if d.backup() && len(disks) > 0 {
			name, _, _ := cut(d.volume)
			text = fmt.Appendf(text, "#qmdump#map:%s:%s:%s:raw:\n", d.key, deviceName(d.key), name)
		}
	}
	err := os.WriteFile(j.confFile(), text, 0o600)
	if is(j.node, "dumpdir full") {
		err = unix.ENOSPC
	}
	if errors.Is(err, unix.ENOSPC) {
		j.say("Warning: unable to close filehandle GEN54 properly: No space left on device at /usr/share/perl5/PVE/VZDump/QemuServer.pm line 285.")
		text, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	files := []vmatest.File{{Name: "qemu-server.conf", Data: text}}
	fw, err := os.ReadFile(j.pve(fmt.Sprintf("firewall/%d.fw", j.id)))
	if errors.Is(err, fs.ErrNotExist) {
		return files, nil
	}
	return append(files, vmatest.File{Name: "qemu-server.fw", Data: fw}), err
}

func (j *job) confFile() string { return filepath.Join(j.tmp, "qemu-server.conf") }

func cut(volume string) (storage, name string, ok bool) {
	for i := range volume {
		if volume[i] == ':' {
			return volume[:i], volume[i+1:], true
		}
	}
	return "", volume, false
}

// diskless archives a configuration alone. One above 64 KiB fits into no
// archive.
func (j *job) diskless(conf []vmatest.File) error {
	j.info("backup contains no disks")
	j.info("starting diskless backup")
	target, shown := "exec:cat", "exec:cat"
	compressed := j.values["compress"] == "zstd"
	if compressed {
		target, shown = "exec:zstd --threads=1", "'exec:zstd --threads=1'"
	}
	command := "/usr/bin/vma create -v -c " + j.confFile() + " "
	j.info("%s", command+target)
	if size := len(conf[0].Data); size > 65535 {
		j.info("vma: Unable to append config data %s (len = %d)", j.confFile(), size)
		if compressed {
			if _, err := io.WriteString(j.out, emptyZstd); err != nil {
				return err
			}
		}
		return fmt.Errorf("command '%s' failed: got signal 5", command+shown)
	}
	_, id := uuid()
	s, err := j.stream()
	if err != nil {
		return err
	}
	if err := (vmatest.Archive{UUID: id, Created: j.began.Unix(), Files: conf}).Write(s); err != nil {
		return err
	}
	return s.w.Close()
}
