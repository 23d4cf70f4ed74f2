package guestrestore

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/railiance/railiance/tools/internal/pve"
)

// What pct takes from nobody but its caller is all in the configuration; what of
// it is not in the archive is not asked for.
func TestContainerOf(t *testing.T) {
	c, err := containerOf(`arch: amd64
hostname: dns
mp0: local-lvm:vm-200-disk-1,mp=/srv,backup=1,acl=1,size=1500M,mountoptions=noatime;nosuid,ro=1,replicate=0,shared=1
mp1: /mnt/host,mp=/host,backup=1
mp2: local-lvm:vm-200-disk-2,mp=/cache,size=8G
mp10: volume=nas:200/vm-200-disk-3.raw,mp=/big,backup=yes,size=2T,idmap=u:0:1:2
rootfs: local-lvm:vm-200-disk-0,size=8G,mountoptions=discard,quota=1
template: 1
unprivileged: 1
lxc.idmap: u 0 100000 1000
lxc.idmap: g 0 100000 1000

[before-upgrade]
rootfs: old:vm-200-disk-9,size=1G
unprivileged: 0
`, 3<<30)
	want := container{
		storage: "local-lvm", rootfsGiB: 8, unprivileged: true,
		mounts: []pve.Mount{
			{Key: "mp0", Storage: "local-lvm", GiB: 2, Options: "mp=/srv,backup=1"},
			{Key: "mp10", Storage: "nas", GiB: 2048, Options: "mp=/big,backup=1"},
		},
		options: pve.VolumeOptions{
			"rootfs": {"mountoptions": "discard", "quota": "1"},
			"mp0":    {"acl": "1", "mountoptions": "noatime;nosuid", "replicate": "0", "ro": "1", "shared": "1"},
		},
		dropped: []string{
			"mp10: idmap=u:0:1:2: pct set does it once the container is there", "template: 1: pct template makes it one again",
			"lxc.idmap: its files are unpacked with the usual mapping, and may have other owners: look at them before it is started",
		},
	}
	if err != nil || !reflect.DeepEqual(c, want) {
		t.Errorf("%+v, %v", c, err)
	}
	if got := c.storages(); !slices.Equal(got, []string{"local-lvm", "nas"}) {
		t.Errorf("%q", got)
	}
	// A tree in a folder has no size of its own.
	c, err = containerOf("rootfs: local:subvol-200-disk-0.subvol,size=0T\n", 3<<30)
	if err != nil || c.rootfsGiB != 5 || c.unprivileged || c.mounts != nil {
		t.Errorf("%+v, %v", c, err)
	}
	for _, config := range []string{"", "rootfs:\n", "rootfs: /dev/sda1\n", "[x]\nrootfs: local:1,size=1G\n", "#rootfs: local:1\n", strings.Repeat("x", 2<<20)} {
		if c, err := containerOf(config, 0); err == nil {
			t.Errorf("%.40q: %+v", config, c)
		}
	}
	for size, want := range map[string]int{"1G": 1, "1025M": 2, "1": 1, "0": 0, "9999999999T": 0, "-1G": 0, "1.5G": 0, "1P": 0} {
		if got := gib(map[string]string{"size": size}); got != want {
			t.Errorf("%s is %d GiB", size, got)
		}
	}
}

func TestStoragesOf(t *testing.T) {
	got := storagesOf("memory: 1\n#qmdump#map:scsi0:drive-scsi0:local-lvm:raw:\n#qmdump#map:efidisk0:drive-efidisk0:local::\n#qmdump#map:scsi1:drive-scsi1:local-lvm:raw:\n#qmdump#map:x::\n")
	if want := []string{"local", "local-lvm"}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}
