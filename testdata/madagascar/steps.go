package main

import (
	"context"

	"github.com/railiance/railiance/testdata/told"
)

func step(name, title string, do func(context.Context) error) told.Step {
	return told.Step{Name: name, Title: title, Do: do}
}

func steps(w *world) []told.Step {
	verb := func(args ...string) func(context.Context) error {
		return func(ctx context.Context) error { _, err := w.ours(ctx, args...); return err }
	}
	return []told.Step{
		step("", "Three nodes, and what there is to lose", w.estate),
		step("", "A key that opens backups, and whose signature counts", w.trust),
		step("", "The credentials of the stores, in a sops file that this machine can open", w.seal),
		step("plan", "What would a backup do?", verb("plan")),
		step("discover", "Discover", verb("discover")),
		step("backup", "Back all guests up: to a folder, to S3 and to WebDAV at once", verb("backup", "--all")),
		step("same", "The same bytes in all three, and nothing of a guest in the clear", w.same),
		step("verify", "Verify, without the private key", w.verify),
		step("damage", "One bit of one artifact in the bucket flips, and is found without the private key", w.damage),
		step("prune", "A second backup, another policy: prune", w.prune),
		step("status", "How do we stand?", verb("status")),
		step("extract", "A disk from a copy of the folder, without any Proxmox", w.extract),
		step("hand", "The same by hand: ssh-keygen, age and zstd", w.byHand),
		step("drill", "Drill: restored beside the original, compared, booted, taken away", verb("drill", "101", "201")),
		step("disaster", "The disaster: every guest is gone", w.disaster),
		step("restore", "Restore", w.restore),
		step("compare", "Compare all disks with those of the day before", w.compare),
		step("clear", "Nothing is left: no lock, no draft, no secret", w.clear),
	}
}
