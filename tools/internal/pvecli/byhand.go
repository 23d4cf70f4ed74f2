package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/railiance/railiance/tools/internal/guestset"
)

// byHandPage is the name of the page in every folder.
const byHandPage = "RESTORE.md"

// writeByHand puts a page into each folder that has none, for somebody who has
// nothing else than the folder and the key.
func (e *estate) writeByHand(ctx context.Context) error {
	folders, err := e.afterwards(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range folders {
		if f.err != nil || f.place.copy || len(f.backups()) == 0 {
			continue
		}
		there, err := f.store.List(ctx, byHandPage)
		if err == nil && len(there) == 0 {
			err = f.store.Put(ctx, byHandPage, func(w io.Writer) error { _, err := io.WriteString(w, byHand(f.subject)); return err })
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, fmt.Errorf("%s: %s: %w", f.title(), byHandPage, err))
		}
	}
	return errors.Join(errs...)
}

func byHand(s guestset.Subject) string {
	const opening = `# How to restore %[1]s with nothing but this folder

Each set has a time, as 20261121T020000Z. Take the newest one that has a manifest
and a signature. You need the private age key, and age, zstd and OpenSSH.

Who made it (allowed_signers is in the repository; never trust one from here):

    ssh-keygen -Y find-principals -f allowed_signers -s manifest-TIME.json.sig
    ssh-keygen -Y verify -f allowed_signers -I root@HOST -n railiance-manifest -s manifest-TIME.json.sig <manifest-TIME.json
    sha256sum *-TIME.*.age        # and compare with the manifest

What was saved, and what the backup leaves out:

    age -d -i keys.txt about-TIME.json.age
`
	const vm = `
Onto a Proxmox VE node, as guest 100 (which must not exist):

    age -d -i keys.txt %[1]s-TIME.vma.zst.age | zstd -d | qmrestore - 100 --storage local-lvm

Without Proxmox pve-vm-backup extract gives the raw disks. On a node also:

    age -d -i keys.txt %[1]s-TIME.vma.zst.age | zstd -d >guest.vma
    vma extract guest.vma disks/
`
	const ct = `
Onto a Proxmox VE node, as guest 200 (which must not exist). The size of the root
disk in GiB, whether the container is unprivileged, and its mount points are in
the configuration, which is in about-TIME.json; pct takes none of them by itself:

    age -d -i keys.txt %[1]s-TIME.tar.zst.age | zstd -d | pct restore 200 - --rootfs local-lvm:8 --unprivileged 1

Without Proxmox it is a tar:

    age -d -i keys.txt %[1]s-TIME.tar.zst.age | zstd -d | tar -x -p --numeric-owner -C folder
`
	const node = `
The files of the node, with a guide how it is rebuilt from them:

    age -d -i keys.txt %[1]s-TIME.tar.zst.age | zstd -d | tar -x -p -C folder
`
	rest := map[string]string{guestset.VM: vm, guestset.CT: ct, guestset.Node: node}[s.Kind]
	return fmt.Sprintf(opening+rest, s)
}
