package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// saboteur breaks something just before a step, which must then notice.
type saboteur struct {
	before string
	what   string
	do     func(context.Context, *world) error
}

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

var saboteurs = map[string]saboteur{
	"": {},
	"discover": {"discover", "a node answers with half of a JSON", func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "pvesh-ebony", "truncate", "20")
	}},
	"backup": {"backup", "vzdump of one guest ends early, with exit status 0", func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "vzdump-101", "close", "after", "3000000")
	}},
	"secret": {"backup", "the password of the WebDAV server is another one", func(_ context.Context, w *world) error {
		return os.Remove(w.Path("dav/passwords"))
	}},
	"same":   {"same", "one bit of an artifact on the WebDAV server flips", flipping("cloud", "ct-200/ct-200-*.age")},
	"leak":   {"same", "something of a guest is in the state", leak},
	"verify": {"verify", "one bit of an artifact in the folder flips", flipping("disk", "vm-101/vm-101-*.age")},
	"forge":  {"verify", "one bit of a manifest in the bucket flips", flipping("bucket", "vm-101/manifest-*.json")},
	"damage": {"damage", "the artifact in the bucket has that bit flipped already, so that flipping mends it", flipping("bucket", "vm-100/vm-100-*.age")},
	"prune": {"prune", "the policy keeps all", func(_ context.Context, w *world) error {
		return rewrite(w.layer+"/layer.yaml", func(b []byte) []byte {
			return []byte(strings.Replace(string(b), keepAll, "keep: {last: 9}", 1))
		})
	}},
	"extract": {"extract", "what is known of the disk is another hash", func(_ context.Context, w *world) error {
		w.disks["100 scsi0"] = strings.Repeat("0", 64)
		return nil
	}},
	"drill": {"drill", "the guest does not answer", func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "start-990000", "fail")
	}},
	"restore": {"restore", "the node's disk is full half way", func(ctx context.Context, w *world) error {
		return w.world(ctx, "fault", "qmrestore-ebony", "fail", "after", "1000000")
	}},
	"compare": {"compare", "one byte of a disk that came back is another", func(ctx context.Context, w *world) error {
		disks, err := w.disksOf(ctx, guest{101, "qemu", "ebony", "db"})
		if err != nil {
			return err
		}
		return flip(disks["virtio0"])
	}},
	"clear": {"clear", "a guest is locked", func(ctx context.Context, w *world) error {
		return w.world(ctx, "set-key", "101", "lock", "backup")
	}},
}

func leak(_ context.Context, w *world) error {
	return os.WriteFile(w.Path("state/left"), []byte(canary), 0o600)
}
