package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

func (w *world) estate(ctx context.Context) (err error) {
	if err := w.Tool(ctx, "ssh", "baobab", "pveversion"); err != nil {
		return err
	}
	if w.disks, err = w.inventory(ctx); err != nil {
		return err
	}
	if len(w.disks) < 8 {
		return fmt.Errorf("there are %d disks only", len(w.disks))
	}
	for _, what := range sorted(w.disks) {
		fmt.Printf("   %-14s %.16s…\n", what, w.disks[what])
	}
	return nil
}

func (w *world) trust(ctx context.Context) error {
	if _, err := w.ours(ctx, "init"); err != nil {
		return err
	}
	_, err := w.ours(ctx, "trust", "--yes")
	return err
}

func (w *world) seal(ctx context.Context) error {
	public, err := os.ReadFile(w.Path("etc/ssh_host_ed25519_key.pub"))
	if err != nil {
		return err
	}
	var plain strings.Builder
	for _, name := range sorted(w.secrets) {
		fmt.Fprintf(&plain, "%s: %q\n", name, w.secrets[name])
	}
	file := w.layer + "/secrets/stores.sops.yaml"
	if err := w.feed(ctx, strings.NewReader(plain.String()), io.Discard, "sopsseal", file, strings.TrimSpace(string(public))); err != nil {
		return err
	}
	return w.Tool(ctx, "railiance-secrets", "check", file)
}

// same compares what the disks of the three servers hold.
func (w *world) same(context.Context) error {
	artifacts, err := w.files("disk", "*/*.age")
	if err != nil || len(artifacts) < 12 {
		return errors.Join(err, fmt.Errorf("%d artifacts", len(artifacts)))
	}
	for _, path := range artifacts {
		want, err := sum(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, w.sites()["disk"])
		for _, site := range []string{"bucket", "cloud"} {
			got, err := sum(filepath.Join(w.sites()[site], name))
			if err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%s%s is not what the folder holds", site, name)
			}
		}
	}
	fmt.Printf("   %d artifacts, three times each, the same to the byte\n", len(artifacts))
	return w.sealed()
}

// withoutKey does something while nobody can open a backup.
func (w *world) withoutKey(deed func() error) error {
	aside := w.Path("home/elsewhere")
	fmt.Println("   (the private key is elsewhere)")
	if err := os.Rename(w.keys(), aside); err != nil {
		return err
	}
	return errors.Join(deed(), os.Rename(aside, w.keys()))
}

func (w *world) verify(ctx context.Context) error {
	return w.withoutKey(func() error { _, err := w.ours(ctx, "verify"); return err })
}

// damage flips a bit, sees that it is found by its name and nothing else is, and
// flips it back.
func (w *world) damage(ctx context.Context) error {
	found, err := w.files("bucket", "vm-100/vm-100-*.age")
	if err != nil || len(found) != 1 {
		return errors.Join(err, fmt.Errorf("%d artifacts of vm-100", len(found)))
	}
	if err := flip(found[0]); err != nil {
		return err
	}
	fmt.Printf("   one bit of %s is another\n", strings.TrimPrefix(found[0], w.Dir))
	err = w.withoutKey(func() error {
		said, err := w.ours(ctx, "verify")
		if err == nil {
			return errors.New("nothing was found")
		}
		if !strings.Contains(said, filepath.Base(found[0])+": altered") || !strings.Contains(said, "1 things are wrong") {
			return errors.New("it does not say which artifact was altered, or more than that one")
		}
		return nil
	})
	return errors.Join(err, flip(found[0]))
}

func (w *world) prune(ctx context.Context) error {
	if _, err := w.ours(ctx, "backup", "--tag", "prod"); err != nil {
		return err
	}
	sets := func() (int, error) { found, err := w.files("cloud", "*/about-*.age"); return len(found), err }
	before, err := sets()
	if err != nil {
		return err
	}
	if err := rewrite(w.layer+"/layer.yaml", func(b []byte) []byte {
		return []byte(strings.Replace(string(b), keepAll, keepOne, 1))
	}); err != nil {
		return err
	}
	if _, err := w.ours(ctx, "prune", "--dry-run", "--site", "cloud"); err != nil {
		return err
	}
	if _, err := w.ours(ctx, "prune"); err != nil {
		return err
	}
	after, err := sets()
	if err != nil {
		return err
	}
	folders, err := w.files("cloud", "*-*/RESTORE.md")
	if err != nil {
		return err
	}
	fmt.Printf("   %d sets, now %d, one of each guest and each node\n", before, after)
	if before <= after || after != len(folders) {
		return fmt.Errorf("%d sets in %d folders are left of %d", after, len(folders), before)
	}
	_, err = w.ours(ctx, "verify")
	return err
}

func (w *world) extract(ctx context.Context) error {
	copied := w.Path("out/copy")
	if err := os.CopyFS(copied, os.DirFS(w.sites()["disk"])); err != nil {
		return err
	}
	disk := w.Path("out/scsi0.raw")
	if _, err := w.ours(ctx, "extract", "100", "--disk", "scsi0", "-o", disk, "--from", copied); err != nil {
		return err
	}
	return w.equal(disk, "100 scsi0")
}

// equal compares a file with a disk as it was.
func (w *world) equal(path, disk string) error {
	got, err := sum(path)
	if err != nil {
		return err
	}
	if got != w.disks[disk] {
		return fmt.Errorf("%s is not disk %s", strings.TrimPrefix(path, w.Dir), disk)
	}
	fmt.Printf("   %s is disk %s, to the byte\n", strings.TrimPrefix(path, w.Dir+"/"), disk)
	return nil
}

// byHand does what RESTORE.md beside the artifacts says.
func (w *world) byHand(ctx context.Context) error {
	folder := filepath.Join(w.sites()["disk"], "vm-102")
	manifests, err := filepath.Glob(folder + "/manifest-*.json")
	if err != nil || len(manifests) == 0 {
		return errors.Join(err, errors.New("there is no set of vm-102"))
	}
	at := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(manifests[len(manifests)-1]), "manifest-"), ".json")
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	for _, line := range []string{
		fmt.Sprintf("ssh-keygen -Y verify -f %s/repository/allowed_signers -I root@%s -n railiance-manifest -s manifest-%s.json.sig <manifest-%s.json", w.Dir, host, at, at),
		fmt.Sprintf("age -d -i %s vm-102-%s.vma.zst.age | zstd -d | ssh tapia qmrestore - 902 --storage local | grep -v ^progress", w.keys(), at),
	} {
		if err := w.Tool(ctx, "sh", "-ec", "cd "+folder+"; "+line); err != nil {
			return err
		}
	}
	disks, err := w.disksOf(ctx, guest{902, "qemu", "tapia", ""})
	if err != nil {
		return err
	}
	if err := w.equal(disks["sata0"], "102 sata0"); err != nil {
		return err
	}
	_, err = w.on(ctx, "tapia", "qm destroy 902")
	return err
}

func (w *world) disaster(ctx context.Context) error {
	guests, err := w.guests(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		if err := w.Tool(ctx, "pveworld", w.cluster(), "remove", fmt.Sprint(g.ID)); err != nil {
			return err
		}
	}
	if guests, err = w.guests(ctx); err == nil && len(guests) > 0 {
		err = fmt.Errorf("%d guests are there still", len(guests))
	}
	return err
}

func (w *world) restore(ctx context.Context) error {
	folders, err := w.files("disk", "[cv][tm]-*/RESTORE.md") // nodes are built anew, by a guide
	if err != nil {
		return err
	}
	for i, path := range folders {
		// Each store gives some of them back.
		site := []string{"disk", "bucket", "cloud"}[i%3]
		if _, err := w.ours(ctx, "restore", filepath.Base(filepath.Dir(path)), "--site", site); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) compare(ctx context.Context) error {
	now, err := w.inventory(ctx)
	if err != nil {
		return err
	}
	var lost []error
	for _, what := range sorted(w.disks) {
		verdict := "equal"
		if now[what] != w.disks[what] {
			verdict = "DIFFERENT"
			lost = append(lost, fmt.Errorf("%s is not as it was", what))
		}
		fmt.Printf("   %-14s %s\n", what, verdict)
	}
	return errors.Join(lost...)
}
