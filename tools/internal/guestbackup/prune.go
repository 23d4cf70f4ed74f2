package guestbackup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestpolicy"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/setrun"
)

// Kept is a subject, and what holds for its sets.
type Kept struct {
	Subject guestset.Subject
	Rule    guestpolicy.Rule
}

// PruneResult is what retention says of one folder in one site, or did there.
type PruneResult struct {
	Folder string        `json:"folder"`
	Site   string        `json:"site"`
	Sets   []PruneOfASet `json:"sets,omitempty"` // the newest first
	// Refused says why all sets stay, whatever the rules say of them.
	Refused string `json:"refused,omitempty"`
	// Acknowledged are the lost sets that are told of no more; when dry, would be.
	Acknowledged []string `json:"acknowledged,omitempty"`
	Failed       string   `json:"failed,omitempty"`
}

// PruneOfASet is what retention says of a set.
type PruneOfASet struct {
	Manifest string    `json:"manifest"`
	Time     time.Time `json:"time"`
	Size     int64     `json:"size"`
	Reasons  []string  `json:"reasons,omitempty"` // why it stays; none: it goes
	Gone     bool      `json:"gone,omitempty"`
}

// Prune removes the sets that no rule keeps. When dry, it only says which. It
// needs no private key but the one that signs: what is about to go is written
// into the folder and signed, so that whoever verifies it later knows that
// nobody else took it. The error is state.ErrHeld, or ErrFailed.
func (r *Run) Prune(ctx context.Context, all []Kept, dry bool) ([]PruneResult, error) {
	if !dry {
		lock, err := r.lock()
		if err != nil {
			return nil, err
		}
		defer lock.Unlock()
	}
	var results []PruneResult
	failed := false
	for _, kept := range all {
		refused := mayPrune(r.memory(), kept.Subject)
		for _, one := range r.copies(kept.Subject, kept.Rule).All {
			if err := ctx.Err(); err != nil {
				return results, fmt.Errorf("stopped: %w", context.Cause(ctx))
			}
			result := PruneResult{Folder: kept.Subject.String(), Site: one.Site}
			if err := r.prune(ctx, one, kept.Rule.Keep, refused, dry, &result); err != nil {
				r.Tell.Fail(one.Folder.Asset, err)
				result.Failed = setrun.Short(err.Error())
				failed = true
			}
			results = append(results, result)
		}
	}
	if failed {
		return results, ErrFailed
	}
	return results, nil
}

func (r *Run) prune(ctx context.Context, one *setrun.Copy, keep catalog.Keep, refused error, dry bool, result *PruneResult) error {
	f := one.Folder
	if err := r.look(ctx, one, dry); err != nil {
		return err
	}
	verdicts := catalog.Retain(f.Sets, keep, r.Now())
	if refused == nil {
		refused = doubt(f.Sets)
	}
	if refused != nil {
		result.Refused = setrun.Short(refused.Error())
	}
	goes := 0
	var going []catalog.Verdict
	for _, v := range verdicts {
		if v.Set.OnlyPrunes() {
			going = append(going, catalog.Verdict{Set: v.Set}) // the new record takes its place
			continue
		}
		result.Sets = append(result.Sets, PruneOfASet{Manifest: v.Set.Name(), Time: v.Set.Time, Size: size(v.Set), Reasons: v.Reasons})
		going = append(going, v)
		if v.Goes() {
			goes++
		}
	}
	var lost []string
	if r.Acknowledge {
		lost = f.Unacknowledged()
	}
	if dry {
		result.Acknowledged = lost
		return nil
	}
	if refused != nil {
		going, goes = nil, 0
	}
	if goes == 0 && len(lost) == 0 {
		return nil
	}
	gone, err := r.remove(ctx, f, going, result)
	for i := range result.Sets {
		for _, name := range gone {
			result.Sets[i].Gone = result.Sets[i].Gone || result.Sets[i].Manifest == name
		}
	}
	return err
}

// look reads the sets, and when not dry also sweeps.
func (r *Run) look(ctx context.Context, one *setrun.Copy, dry bool) error {
	if err := one.Place.Check(ctx, 0); err != nil {
		return err
	}
	if !dry {
		_, err := one.Folder.Open(ctx)
		return err
	}
	sets, problems, err := one.Folder.Read(ctx)
	one.Folder.Sets = sets
	for _, p := range problems {
		r.Tell.Warn(one.Folder.Asset, "%v", p)
	}
	return err
}

// remove lets the sets go that have no reason to stay.
func (r *Run) remove(ctx context.Context, f *setrun.Folder, verdicts []catalog.Verdict, result *PruneResult) ([]string, error) {
	at, err := f.Instant(ctx, r.Now())
	if err != nil {
		return nil, err
	}
	m := f.Manifest(at, r.Tool)
	m.Artifacts = []catalog.Artifact{}
	for _, v := range verdicts {
		if v.Goes() {
			m.Prunes = append(m.Prunes, v.Set.Name())
		}
	}
	link, err := f.Publish(ctx, m)
	if err != nil {
		return nil, err
	}
	result.Acknowledged = m.Acknowledged
	gone, err := f.Prune(ctx, verdicts)
	return gone, errors.Join(f.Remember(m, link), err)
}

// doubt says why the sets must stay when the newest complete one is of another
// guest than an older one, or holds far less than it did.
func doubt(sets []catalog.Set) error {
	newest, ok := catalog.NewestComplete(sets)
	if !ok {
		return nil
	}
	now := *newest.Manifest // which shall not get a finding
	if why, is := setrun.Doubt(&now, sets, another, counts(now.Artifacts)...); is {
		return errors.New(why)
	}
	return nil
}

// identity is where an artifact says in its Source which guest it is of, beyond
// the number.
const identity = "identity"

func another(before, now catalog.Artifact) string {
	if pve.Another(before.Source[identity], now.Source[identity]) {
		return "another guest"
	}
	return ""
}

// Holds says whether the set is of g, and not of a guest that had its number
// before.
func Holds(m *catalog.Manifest, g pve.Guest) bool {
	a, _ := m.Artifact(SubjectOf(g).String())
	return !pve.Another(a.Source[identity], g.Identity)
}

// counts are those that would show the collapse of a guest.
func counts(artifacts []catalog.Artifact) []setrun.Count {
	for _, a := range artifacts {
		switch a.Kind {
		case guestset.KindVMA:
			return []setrun.Count{{Name: "devices", Least: 1}, {Name: "stored", Least: leastBytes}}
		case guestset.KindTar:
			return []setrun.Count{{Name: "bytes", Least: leastBytes}}
		case guestset.KindNode:
			return []setrun.Count{{Name: "members", Least: leastMembers}}
		}
	}
	return nil
}

// leastBytes is the size of a guest below which a halving says nothing.
const leastBytes = 64 << 20

// leastMembers is the same of the files of a node.
const leastMembers = 200

func size(m *catalog.Manifest) int64 {
	var n int64
	for _, a := range m.Artifacts {
		n += a.Size
	}
	return n
}
