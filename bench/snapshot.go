package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

const (
	bareAge = "age -r, sync"
	tarAge  = "k3s etcd-snapshot save; tar | age, sync"

	mostWall   = 1.2      // times age alone
	mostMemory = 64 << 20 // bytes
)

// snapshots compares at three sizes: with the sealing alone, which no backup
// can do without, and with the script.
//
// The smallest is there for what a set costs whatever its size: manifest,
// signature, stamps, each synced. A seal of milliseconds is not the measure of
// those, so they are taken out of the ratio, and shown. As what is left is a
// difference of milliseconds, it is one of the fastest rounds.
func snapshots(ctx context.Context, t *table, programs, dir string, quick bool) error {
	least, err := snapshot(ctx, t, programs, dir, 100_000, 15)
	if err != nil {
		return err
	}
	set, bare := least[0].best, least[1].best
	for _, s := range []struct {
		size   int64
		rounds int
	}{{20_000_000, 15}, {2_000_000_000, 3}} {
		if quick && s.size > 100_000_000 {
			t.leftOut(fmt.Sprintf("etcd snapshot of %s", mb(s.size)))
			continue
		}
		results, err := snapshot(ctx, t, programs, dir, s.size, s.rounds)
		if err != nil {
			return err
		}
		ours, age := results[0], results[1]
		sealing := ratio(ours.best-set, age.best-bare)
		t.expect(sealing <= mostWall, "sealing takes %.2f of the wall time of age alone, at most %.2f (fastest rounds, without the %.0f ms more that any set takes)",
			sealing, mostWall, (set-bare).Seconds()*1000)
		t.expect(ours.tree.all < mostMemory, "%s of memory with all children, less than %s", mib(ours.tree.all), mib(mostMemory))
	}
	return nil
}

// snapshot compares at one size: ours, age alone, and the script.
func snapshot(ctx context.Context, t *table, programs, dir string, size int64, rounds int) ([]result, error) {
	if err := room(filepath.Dir(dir), 4*size); err != nil {
		return nil, err
	}
	k3s, err := filepath.Abs("k3s-snapshot.sh")
	if err != nil {
		return nil, err
	}
	w, err := newWorld(ctx, dir, programs, k3s)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	w.env = append(w.env, "DATA="+w.path("server"), "SNAPSHOT="+w.path("snapshot"))
	if err := w.run(ctx, filepath.Join(programs, "mksnapshot"), w.path("snapshot"), fmt.Sprint(size)); err != nil {
		return nil, err
	}
	if err := warm(w.path("snapshot")); err != nil {
		return nil, err
	}
	results, err := contest(ctx, rounds,
		w.ours(size),
		w.shell(bareAge, `age -r "$R" -o "$OUT" <"$SNAPSHOT"; sync "$OUT"`, size),
		w.shell(tarAge, `k3s etcd-snapshot save --name old
			tar -C "$DATA/server/db/snapshots" -c old-bench-1 | age -r "$R" -o "$OUT"
			sync "$OUT"
			k3s etcd-snapshot delete old-bench-1`, size),
	)
	if err != nil {
		return nil, err
	}
	t.compare(fmt.Sprintf("etcd snapshot of %s", mb(size)), results)
	return results, nil
}

// room fails when dir has less than want bytes left.
func room(dir string, want int64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	if free := int64(s.Bavail) * s.Bsize; free < want {
		return fmt.Errorf("%s has %s left, and this takes %s; BENCH_DIR names another folder, BENCH_QUICK=1 leaves out what is large",
			dir, mb(free), mb(want))
	}
	return nil
}

// warm has a file in memory, for both sides alike.
func warm(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, f)
	return err
}
