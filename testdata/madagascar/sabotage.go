package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/railiance/railiance/testdata/told"
)

// world does what a line of pveworld says.
func (w *world) world(ctx context.Context, args ...string) error {
	return w.Exec(ctx, nil, nil, append([]string{"pveworld", w.cluster()}, args...)...)
}

// one finds the only file of a site that matches.
func (w *world) one(site, pattern string) (string, error) {
	found, err := w.files(site, pattern)
	if err != nil || len(found) != 1 {
		return "", errors.Join(err, fmt.Errorf("%s: %d files", pattern, len(found)))
	}
	return found[0], nil
}

func flipping(site, pattern string) func(context.Context, *world) error {
	return func(_ context.Context, w *world) error {
		path, err := w.one(site, pattern)
		if err != nil {
			return err
		}
		return flip(path)
	}
}

var saboteurs = map[string]told.Saboteur[*world]{
	"discover": {Before: "discover", What: "a node answers with half of a JSON", Do: func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "pvesh-ebony", "truncate", "20")
	}},
	"backup": {Before: "backup", What: "vzdump of one guest ends early, with exit status 0", Do: func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "vzdump-101", "close", "after", "3000000")
	}},
	"secret": {Before: "backup", What: "the password of the WebDAV server is another one", Do: func(_ context.Context, w *world) error {
		return os.Remove(w.Path("dav/passwords"))
	}},
	"same":   {Before: "same", What: "one bit of an artifact on the WebDAV server flips", Do: flipping("cloud", "ct-200/ct-200-*.age")},
	"leak":   {Before: "same", What: "something of a guest is in the state", Do: leak},
	"verify": {Before: "verify", What: "one bit of an artifact in the folder flips", Do: flipping("disk", "vm-101/vm-101-*.age")},
	"forge":  {Before: "verify", What: "one bit of a manifest in the bucket flips", Do: flipping("bucket", "vm-101/manifest-*.json")},
	"damage": {Before: "damage", What: "the artifact in the bucket has that bit flipped already, so that flipping mends it", Do: flipping("bucket", "vm-100/vm-100-*.age")},
	"prune": {Before: "prune", What: "the policy keeps all", Do: func(_ context.Context, w *world) error {
		return rewrite(w.layer+"/layer.yaml", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), keepAll, "keep: {last: 9}", 1))
		})
	}},
	"extract": {Before: "extract", What: "what is known of the disk is another hash", Do: func(_ context.Context, w *world) error {
		w.disks["100 scsi0"] = strings.Repeat("0", 64)
		return nil
	}},
	"drill": {Before: "drill", What: "the guest does not answer", Do: func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "start-990000", "fail")
	}},
	"restore": {Before: "restore", What: "the node's disk is full half way", Do: func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "qmrestore-ebony", "fail", "after", "1000000")
	}},
	"compare": {Before: "compare", What: "one byte of a disk that came back is another", Do: func(ctx context.Context, w *world) error {
		disks, err := w.disksOf(ctx, guest{101, "qemu", "ebony", "db"})
		if err != nil {
			return err
		}
		return flip(disks["virtio0"])
	}},
	"clear": {Before: "clear", What: "a guest is locked", Do: func(ctx context.Context, w *world) error {
		return w.world(ctx, "set-key", "101", "lock", "backup")
	}},
}

func leak(_ context.Context, w *world) error {
	return os.WriteFile(w.Path("state/left"), []byte(canary), 0o600)
}
