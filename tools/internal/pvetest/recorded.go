package pvetest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// The guests of the recordings, as `qm config` and `pct config` print them; of
// 100 the description is a comment, as in its file.
const (
	recorded100 = `#notes line with %C3%BCn%C3%AFcode & %3A
agent: 0
boot: order=scsi0
cores: 1
cpu: qemu64
memory: 128
meta: creation-qemu=10.0.2,ctime=1763740000
name: web-01
ostype: l26
scsi0: local:100/vm-100-disk-0.raw,iothread=1,size=64M
scsi1: local:100/vm-100-disk-1.raw,backup=1,size=10252K
scsihw: virtio-scsi-single
smbios1: uuid=0f0f0f0f-1111-2222-3333-444444444444
tags: prod;web
`
	recorded1000 = `memory: 2048
name: a-very-long-name-that-goes-past-twenty-columns.example.internal
tags: a;b
`
	recorded101 = `boot: order=scsi0
cores: 1
lock: backup
memory: 512
name: locked-vm
scsi0: local:101/vm-101-disk-0.raw,size=64M
scsi1: local:101/vm-101-disk-9.raw,backup=0,size=1G
`
	recorded102 = `memory: 512
ostype: l26
`
	recorded103 = `boot: order=scsi0
memory: 512
name: tmpl-debian12
scsi0: local:103/vm-103-disk-0.raw,size=64M
template: 1
`
	recorded200 = `arch: amd64
cores: 1
hostname: ct-unpriv
memory: 512
mp0: local:200/vm-200-disk-1.raw,mp=/data,size=1G
mp1: /mnt/host,mp=/host
ostype: debian
rootfs: local:200/vm-200-disk-0.raw,size=1G
swap: 512
tags: ct
unprivileged: 1
`
	recorded201 = `arch: amd64
hostname: ct-priv
memory: 512
ostype: debian
rootfs: local:201/vm-201-disk-0.raw,size=1G
`
)

// NewRecorded makes the node of the recordings in dir: pve1, which belongs to
// no cluster, with the guests 100 (runs), 101 (locked), 102 (no disk, no name),
// 103 (a template), 1000 (a long name), the containers 200 and 201, and 300,
// which is known to live on a node pve2 that is offline. It is full of traps,
// and small.
func NewRecorded(dir, program string) (*World, error) {
	f := clusterFile{Nodes: []member{
		{Name: "pve1", Address: "10.9.9.1", Lone: true},
		{Name: "pve2", Lone: true, Offline: true},
	}}
	w, err := create(dir, program, f, `dir: local
	path /var/lib/vz
	content backup,iso,vztmpl,snippets,images,rootdir
	prune-backups keep-last=3
`)
	if err != nil {
		return nil, err
	}
	for g, text := range map[guest]string{
		{100, typeVM, "pve1"}: recorded100, {1000, typeVM, "pve1"}: recorded1000, {101, typeVM, "pve1"}: recorded101,
		{102, typeVM, "pve1"}: recorded102, {103, typeVM, "pve1"}: recorded103, {200, typeCT, "pve1"}: recorded200,
		{201, typeCT, "pve1"}: recorded201, {300, typeVM, "pve2"}: recorded102,
	} {
		if err := w.setConfig(g, parseConfig([]byte(text))); err != nil {
			return nil, err
		}
	}
	for _, pool := range []int{100, 200} {
		if err := w.join("production", pool); err != nil {
			return nil, err
		}
	}
	if err := w.recordedDisks(); err != nil {
		return nil, err
	}
	return w, w.run(100, running{PID: 404, Started: time.Now().Add(-45 * time.Second)})
}

// recordedDisks makes disks whose archives have the recorded sizes.
func (w *World) recordedDisks() error {
	c, err := w.on("pve1")
	if err != nil {
		return err
	}
	for name, d := range map[string]struct {
		size             int64
		full, half, rest int
	}{
		"100/vm-100-disk-0.raw": {64 << 20, 543, 205, 6},
		"100/vm-100-disk-1.raw": {10252 << 10, 18, 0, 7},
		"101/vm-101-disk-0.raw": {64 << 20, 539, 0, 7},
		"103/vm-103-disk-0.raw": {64 << 20, 539, 0, 7},
		"200/vm-200-disk-0.raw": {128 << 20, 0, 0, 0},
		"200/vm-200-disk-1.raw": {1 << 30, 0, 0, 0},
		"201/vm-201-disk-0.raw": {128 << 20, 0, 0, 0},
		"201/vm-201-disk-1.raw": {1 << 30, 0, 0, 0},
	} {
		path, err := c.path("local:" + name)
		if err != nil {
			return err
		}
		if err := c.freshDisk(path, d.size); err != nil {
			return err
		}
		if err := scatter(path, d.full, d.half, d.rest); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, id := range []int{200, 201} {
		var noise [200 << 10]byte
		_, _ = rand.NewChaCha8([32]byte{byte(id)}).Read(noise[:]) // it does not fail
		for file, b := range map[string][]byte{
			"etc/hostname": []byte("ct\n"), "usr/bin/one": noise[:], "usr/bin/two": noise[:], "var/lib/rest": noise[:86<<10],
		} {
			if err := write(c.rootfs(id)+"/"+file, b); err != nil {
				return err
			}
		}
	}
	return nil
}

// scatter fills clusters of a disk with what cannot be compressed: some in
// full, some by half, and some blocks of one more.
func scatter(path string, full, half, rest int) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	random := rand.NewChaCha8([32]byte{1})
	put := func(cluster, blocks int) error {
		_, err := io.Copy(io.NewOffsetWriter(f, int64(cluster)*clusterSize), io.LimitReader(random, int64(blocks)*4096))
		return err
	}
	cluster := 0
	for range full {
		if err := put(cluster, 16); err != nil {
			return err
		}
		cluster++
	}
	for range half {
		if err := put(cluster, 8); err != nil {
			return err
		}
		cluster++
	}
	if rest == 0 {
		return nil
	}
	return put(cluster, rest)
}
