package pvetest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"
)

// Nodes are those of a World.
func Nodes() []string { return []string{"baobab", "ebony", "tapia"} }

// World is a cluster that ssh leads to: a real sshd on loopback for each node.
// What changes it can be called while programs act on it, and from another
// process (Open). Beside what the package comment says, its folder holds:
//
//	bin/            ssh, which knows the nodes; to be first in PATH
//	ssh_config, known_hosts, keys/
//	life            locked while the World is started
type World struct {
	cluster
	Dir string
	// Second is how long a second of the fakes' patience lasts: of qmrestore's
	// 60 for a header, of the guest agent's start, of a fault that is slow. 0
	// is what SecondVariable says. It counts from the next start of a node.
	Second  time.Duration
	servers map[string]*server
	life    *os.File
}

// New makes a cluster of three nodes without guests in dir, which must be empty
// or missing. Each node has the storages local (dir: backups, images, rootdir),
// local-lvm (lvmthin: images, rootdir) and nas (dir, shared: images, backup).
// Program is the executable that becomes the fakes: it calls Dispatch, or
// testscript.Main with Programs.
func New(dir, program string) (*World, error) {
	f := clusterFile{Name: "madagascar"}
	for i, name := range Nodes() {
		f.Nodes = append(f.Nodes, member{Name: name, Address: fmt.Sprintf("192.0.2.%d", 11+i)})
	}
	return create(dir, program, f, `dir: local
	path /var/lib/vz
	content iso,vztmpl,backup,snippets,images,rootdir
	prune-backups keep-last=3

lvmthin: local-lvm
	thinpool data
	vgname pve
	content rootdir,images

dir: nas
	path /mnt/pve/nas
	content images,backup
	shared 1
`)
}

// Open is a World that New has made, to look at it and to change it. It cannot
// start it.
func Open(dir string) (*World, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	w := &World{cluster: cluster{dir}, Dir: dir}
	_, err = w.file()
	return w, err
}

func create(dir, program string, f clusterFile, storages string) (*World, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if program, err = filepath.Abs(program); err != nil {
		return nil, err
	}
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("pvetest: %s is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	w := &World{cluster: cluster{dir}, Dir: dir, servers: map[string]*server{}}
	if err := w.fill(program, f, storages); err != nil {
		return nil, fmt.Errorf("pvetest: %w", err)
	}
	return w, nil
}

func (w *World) fill(program string, f clusterFile, storages string) error {
	for _, sub := range []string{"bin", "keys", "faults", "run", "shared"} {
		if err := os.MkdirAll(filepath.Join(w.Dir, sub), 0o755); err != nil {
			return err
		}
	}
	if err := w.setFile(f); err != nil {
		return err
	}
	if err := write(w.pve("storage.cfg"), []byte(storages)); err != nil {
		return err
	}
	if err := write(w.pve("user.cfg"), []byte("user:root@pam:1:0:::::x::\n")); err != nil {
		return err
	}
	for _, n := range f.Nodes {
		if err := w.node(n.Name, program); err != nil {
			return err
		}
	}
	if err := errors.Join(w.files(f), w.listGuests()); err != nil {
		return err
	}
	for _, name := range []string{"user", "stranger"} {
		if err := makeKey(w.key(name)); err != nil {
			return err
		}
	}
	return w.client()
}

// node makes a node's folder.
func (w *World) node(name, program string) error {
	dir := w.nodeDir(name)
	for _, sub := range []string{"bin", "etc", "root", "run", "tmp", "rootfs", "var/lib/vz/dump", "var/lib/vz/images", "var/tmp", "var/lib/lxc", "dev/pve"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	for _, sub := range []string{"qemu-server", "lxc"} {
		if err := os.MkdirAll(w.pve("nodes/"+name+"/"+sub), 0o755); err != nil {
			return err
		}
	}
	if err := os.Symlink(w.pve(""), filepath.Join(dir, "etc", "pve")); err != nil {
		return err
	}
	for fake := range programs() {
		if err := os.Symlink(program, filepath.Join(dir, "bin", fake)); err != nil {
			return err
		}
	}
	for script, text := range map[string]string{"hostname": "echo " + name + "\n", "cat": catScript, "apt-mark": "echo proxmox-ve\n"} {
		path := filepath.Join(dir, "bin", script)
		if err := write(path, []byte("#!/bin/sh\n"+text)); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
	}
	return makeKey(w.key(name))
}

// catScript is a cat that finds pmxcfs where the node has it.
const catScript = `for path; do
	shift
	case $path in /etc/pve/* | /etc/vzdump.conf) path=$PVE_NODE_DIR$path ;; esac
	set -- "$@" "$path"
done
exec /bin/cat "$@"
`

func (w *World) key(name string) string { return filepath.Join(w.Dir, "keys", name) }

// client makes the ssh that knows the nodes. An ssh_config in HOME would not be
// read: ssh asks the password database for the home folder.
func (w *World) client() error {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return err
	}
	path := filepath.Join(w.Dir, "bin", "ssh")
	script := fmt.Sprintf("#!/bin/sh\nexec %s -F '%s' \"$@\"\n", ssh, filepath.Join(w.Dir, "ssh_config"))
	if err := write(path, []byte(script)); err != nil {
		return err
	}
	return os.Chmod(path, 0o755)
}

// Env is what a program needs in its environment to reach the nodes by name.
func (w *World) Env() []string {
	return []string{"PATH=" + filepath.Join(w.Dir, "bin") + string(os.PathListSeparator) + os.Getenv("PATH")}
}

// me is the account that the sshds let in.
func me() (string, error) {
	u, err := user.Current()
	if err != nil {
		return "", err
	}
	return u.Username, nil
}
