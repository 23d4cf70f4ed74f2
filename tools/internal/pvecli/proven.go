package pvecli

import (
	"os"
	"time"

	"github.com/railiance/railiance/tools/internal/state"
)

// succeeded remembers what was found good, and stamps a verification that left
// no guest and no site out.
func (v *verification) succeeded(folders []folder, read, left []task, took time.Duration) error {
	now := v.Now().UTC()
	newest := ""
	for _, f := range folders {
		if f.place.copy {
			return nil
		}
		if len(f.sets) == 0 {
			continue
		}
		s := f.sets[0]
		newest = max(newest, s.Name())
		path := v.memory.Seen(f.place.name, f.subject)
		seen, err := state.ReadSeen(path)
		if err != nil {
			return err
		}
		if seen.Sequence > s.Sequence {
			continue // a backup has made a newer one meanwhile
		}
		if err := state.WriteSeen(path, state.Seen{Sequence: s.Sequence, Manifest: s.Name(), SHA256: s.SHA256, Time: now}); err != nil {
			return err
		}
	}
	if !v.all {
		return nil
	}
	proof := "whole"
	switch {
	case len(v.keys) > 0 && len(left) == 0:
		proof = "opened"
	case len(left) > 0:
		proof = "sampled"
	}
	if err := os.MkdirAll(v.layer.Backups, 0o700); err != nil {
		return err
	}
	return state.WriteStamp(v.layer.Backups, state.VerifyStamp, state.Stamp{
		Deed: "verify", Time: now, Manifest: newest, Seconds: took.Seconds(), Proof: proof,
		Counts: map[string]int64{"sets": int64(len(read) + len(left)), "read": int64(len(read))},
	})
}
