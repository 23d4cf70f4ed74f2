package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// guestWorld is where a guest is backed up to, by each of the rivals.
type guestWorld struct {
	programs, dir string
	image, vma    string // the same disk: raw, and as vzdump would send it
	recipient     string
}

// guests compares the backup of a guest, and the way back, with what else there
// is. The pipeline and we are given what vzdump sends; restic and borg are
// given the disk itself, for they find next to nothing twice in the former.
func guests(ctx context.Context, t *table, programs, dir string, quick bool) error {
	machine(t)
	size, rounds := int64(4<<30), 3
	if quick {
		size = 256 << 20
	}
	w := guestWorld{programs: programs, dir: dir, image: filepath.Join(dir, "disk.raw"), vma: filepath.Join(dir, "disk.vma")}
	if err := quiet(ctx, nil, w.program("guestbench"), "init", w.at("ours")); err != nil {
		return err
	}
	recipient, err := os.ReadFile(w.at("ours/recipient"))
	if err != nil {
		return err
	}
	w.recipient = string(recipient[:len(recipient)-1])
	for _, image := range []struct {
		name string
		fill func(context.Context, string, int64) error
	}{
		{"30 % noise, 30 % text, 40 % zeros", mixture},
		{"ext4 with files of /usr", fileSystem},
	} {
		// A sixteenth of the size first: memory must not follow it.
		small, err := w.backups(ctx, image.fill, size/16, 1, false)
		if err != nil {
			return err
		}
		all, err := w.backups(ctx, image.fill, size, rounds, true)
		if err != nil {
			return err
		}
		ours := all[0]
		t.compare(fmt.Sprintf("back up %s of %s", mb(size), image.name), all)
		if err := w.sizes(t); err != nil {
			return err
		}
		t.expect(ratio(ours.cpu, all[1].cpu) <= 1.15, "CPU within 1.15 times zstd | age, with verification and digests (%.2f)", ratio(ours.cpu, all[1].cpu))
		t.expect(ours.largest < 100e6, "memory below 100 MB (%s)", mb(ours.largest))
		t.expect(ours.largest < small[0].largest+10e6, "memory does not follow the size (%s for a sixteenth)", mb(small[0].largest))
		back, err := w.restores(ctx, rounds)
		if err != nil {
			return err
		}
		t.compare("and the way back", back)
		t.expect(back[0].largest < 100e6, "memory below 100 MB (%s)", mb(back[0].largest))
		t.expect(ratio(back[0].best, back[1].best) <= 1.25, "bound by zstd or the disk: 1.25 times age -d | zstd -d, and verified (%.2f)", ratio(back[0].best, back[1].best))
	}
	return nil
}

func (w guestWorld) at(name string) string      { return filepath.Join(w.dir, name) }
func (w guestWorld) program(name string) string { return filepath.Join(w.programs, name) }

// backups makes the image and lets the rivals back it up.
func (w guestWorld) backups(ctx context.Context, fill func(context.Context, string, int64) error, size int64, rounds int, rivals bool) ([]result, error) {
	for _, path := range []string{w.image, w.vma} {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	if err := fill(ctx, w.image, size); err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	if err := quiet(ctx, nil, w.program("mkvma"), w.image, w.vma); err != nil {
		return nil, err
	}
	ours := command{
		name: "pve-vm-backup", args: []string{w.program("guestbench"), "backup", w.at("ours"), w.vma},
		reset: func() error { return clean(w.at("ours/site/vm-100"), w.at("ours/state"), w.at("ours/backups")) },
		check: func() error { _, err := w.artifact(); return err },
	}
	if !rivals {
		return contest(ctx, rounds, ours)
	}
	results, err := contest(ctx, rounds, ours, command{
		name:  "zstd -3 | age",
		args:  shell(`cat "$1" | zstd -3 -q | "$2" -r "$3" -o "$4"`, w.vma, w.program("age"), w.recipient, w.at("pipeline.age")),
		reset: func() error { return clean(w.at("pipeline.age")) }, check: nothing,
	})
	if err != nil {
		return nil, err
	}
	// These two take longest, and their ratios are not that close.
	others, err := contest(ctx, 1, command{
		name: "restic, of the raw disk", env: w.restic(), check: nothing,
		args: []string{"restic", "backup", "--quiet", w.image},
		reset: func() error {
			if err := clean(w.at("restic"), w.at("restic-cache")); err != nil {
				return err
			}
			return quiet(ctx, w.restic(), "restic", "init", "--quiet")
		},
	}, command{
		name: "borg, of the raw disk", env: w.borg(), check: nothing,
		args: []string{"borg", "create", "--compression", "zstd,3", "::one", w.image},
		reset: func() error {
			if err := clean(w.at("borg"), w.at("borg-base")); err != nil {
				return err
			}
			return quiet(ctx, w.borg(), "borg", "init", "--encryption", "repokey-blake2")
		},
	})
	return append(results, others...), err
}

// restores lets them bring back what they have, and compares.
func (w guestWorld) restores(ctx context.Context, rounds int) ([]result, error) {
	artifact, err := w.artifact()
	if err != nil {
		return nil, err
	}
	out := w.at("restored")
	reset := func() error { return clean(out) }
	same := func(as string) func() error {
		return func() error { return quiet(ctx, nil, "cmp", out, as) }
	}
	results, err := contest(ctx, rounds, command{
		name: "pve-vm-backup, the raw disk", reset: reset, check: same(w.image),
		args: []string{w.program("guestbench"), "extract", w.at("ours"), out},
	}, command{
		// Synced, as ours is.
		name: "age -d | zstd -d, the archive of it", reset: reset, check: same(w.vma),
		args: shell(`"$1" -d -i "$2" "$3" | zstd -d -q > "$4" && sync "$4"`, w.program("age"), w.at("ours/keys.txt"), artifact, out),
	})
	if err != nil {
		return nil, err
	}
	others, err := contest(ctx, 1, command{
		name: "restic, the raw disk", env: w.restic(), reset: reset, check: same(w.image),
		args: shell(`restic dump --quiet latest "$1" > "$2"`, w.image, out),
	}, command{
		name: "borg, the raw disk", env: w.borg(), reset: reset, check: same(w.image),
		args: shell(`borg extract --stdout ::one > "$1"`, out),
	})
	return append(results, others...), errors.Join(err, clean(out))
}

// artifact is the sealed disk of our newest set.
func (w guestWorld) artifact() (string, error) {
	found, err := filepath.Glob(w.at("ours/site/vm-100/vm-100-*.vma.zst.age"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("%d artifacts in the site", len(found))
	}
	return found[0], nil
}

// sizes prints what each of them takes on disk.
func (w guestWorld) sizes(t *table) error {
	fmt.Fprint(t.w, "  on disk:")
	for _, one := range []struct{ name, path string }{
		{"pve-vm-backup", "ours/site"}, {"zstd | age", "pipeline.age"}, {"restic", "restic"}, {"borg", "borg"},
	} {
		var size int64
		err := filepath.WalkDir(w.at(one.path), func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				size += info.Size()
			}
			return err
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(t.w, "  %s %s", one.name, mb(size))
	}
	fmt.Fprintln(t.w)
	return nil
}

const passphrase = "for the benchmark"

func (w guestWorld) restic() []string {
	return []string{"RESTIC_REPOSITORY=" + w.at("restic"), "RESTIC_PASSWORD=" + passphrase, "RESTIC_CACHE_DIR=" + w.at("restic-cache")}
}

func (w guestWorld) borg() []string {
	return []string{"BORG_REPO=" + w.at("borg"), "BORG_PASSPHRASE=" + passphrase, "BORG_BASE_DIR=" + w.at("borg-base")}
}
