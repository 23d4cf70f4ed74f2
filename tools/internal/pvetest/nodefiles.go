package pvetest

import (
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // pmxcfs keeps its files in one
)

// NodeCanary is in the secrets of a node's own files: it may be found nowhere
// outside of a cluster but in artifacts.
const NodeCanary = "canary-e3c0-node-secret"

// files are those that make a node what it is, in its folder, and
// those that all nodes share, in /etc/pve.
func (w *World) files(f clusterFile) error {
	var hosts, members strings.Builder
	for i, n := range f.Nodes {
		fmt.Fprintf(&hosts, "%s %s.example.org %s\n", n.Address, n.Name, n.Name)
		fmt.Fprintf(&members, "  node {\n    name: %s\n    nodeid: %d\n    quorum_votes: 1\n    ring0_addr: %s\n  }\n", n.Name, i+1, n.Address)
	}
	corosync := fmt.Sprintf("nodelist {\n%s}\n\ntotem {\n  cluster_name: %s\n  config_version: 3\n  version: 2\n}\n", &members, f.Name)
	shared := map[string]string{
		"datacenter.cfg": "keyboard: en-us\n", "corosync.conf": corosync,
		"priv/authkey.key": "-----BEGIN RSA PRIVATE KEY-----\n" + NodeCanary + "\n-----END RSA PRIVATE KEY-----\n",
		"authkey.pub":      "-----BEGIN PUBLIC KEY-----\n", "firewall/cluster.fw": "[OPTIONS]\n\nenable: 0\n",
	}
	for name, text := range shared {
		if err := write(w.pve(name), []byte(text)); err != nil {
			return err
		}
	}
	for _, n := range f.Nodes {
		own := map[string]string{
			"hostname": n.Name + "\n", "hosts": "127.0.0.1 localhost\n" + hosts.String(),
			"network/interfaces": fmt.Sprintf("auto lo\niface lo inet loopback\n\nauto vmbr0\niface vmbr0 inet static\n\taddress %s/24\n\tgateway 192.0.2.1\n\tbridge-ports eno1\n\tbridge-stp off\n\tbridge-fd 0\n", n.Address),
			"fstab":              "/dev/pve/root / ext4 errors=remount-ro 0 1\n", "corosync/corosync.conf": corosync, "modprobe.d/vfio.conf": "options vfio-pci ids=8086:1533\n",
			"ssh/ssh_host_ed25519_key": NodeCanary + " of " + n.Name + "\n", "ssh/sshd_config": "PermitRootLogin prohibit-password\n",
			"resolv.conf": "nameserver 192.0.2.1\n",
		}
		for name, text := range own {
			if err := write(filepath.Join(w.nodeDir(n.Name), "etc", name), []byte(text)); err != nil {
				return err
			}
		}
		if err := configDB(filepath.Join(w.nodeDir(n.Name), "var/lib/pve-cluster/config.db"), shared); err != nil {
			return err
		}
	}
	return nil
}

// configDB makes the database that pmxcfs keeps the files of /etc/pve in. That
// of a World holds those it began with, and is not read by anything here.
func configDB(path string, files map[string]string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	_, err = db.Exec(`CREATE TABLE tree (inode INTEGER PRIMARY KEY NOT NULL, parent INTEGER NOT NULL CHECK(typeof(parent)=='integer'),
		version INTEGER NOT NULL, writer INTEGER NOT NULL, mtime INTEGER NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL, data BLOB)`)
	for name, text := range files {
		if err == nil {
			_, err = db.Exec(`INSERT INTO tree (parent, version, writer, mtime, type, name, data) VALUES (0, 1, 1, 0, 8, ?, ?)`, filepath.Base(name), []byte(text))
		}
	}
	return errors.Join(err, db.Close(), os.Chmod(path, 0o600))
}
