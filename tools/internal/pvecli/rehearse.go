package pvecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/guestrestore"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/plugin"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// rehearsal is a run of drills.
type rehearsal struct {
	*estate
	keys  []age.Identity
	drill *guestrestore.Drill
}

func (r *rehearsal) do(ctx context.Context, args []string) error {
	begin := r.Now()
	folders, err := r.folders(ctx, args)
	if err != nil {
		return err
	}
	subjects, err := r.chooseGuests(folders, args)
	if err != nil {
		return err
	}
	cluster, end, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer end()
	r.drill.Cluster = cluster
	failed := 0
	if err := guestrestore.Sweep(ctx, cluster, r.memory, r.Tell); err != nil {
		r.Tell.Fail("", err)
		failed++
	}
	r.nameOthers(ctx)
	var drilled, proofs, words []string
	newest := ""
	for _, s := range subjects {
		stamp, err := r.one(ctx, s, folders)
		if ctx.Err() != nil {
			return err
		}
		if err != nil {
			r.Tell.Fail(s.String(), err)
			failed++
			continue
		}
		newest = max(newest, stamp.Manifest)
		drilled, proofs = append(drilled, s.String()), append(proofs, stamp.Proof)
		words = append(words, s.String()+": "+guestrestore.InWords(stamp.Proof))
	}
	if len(drilled) > 0 {
		err = record(ctx, r.Shell, r.layer, account{
			fmt.Sprintf("drill: %d guests proven, %d failed", len(drilled), failed), strings.Join(words, ", "), drilled,
		})
	}
	if failed > 0 {
		return errors.Join(err, plugin.ErrTold)
	}
	return errors.Join(err, r.stamp(state.Stamp{
		Deed: "drill", Time: r.Now().UTC(), Manifest: newest, Seconds: r.Now().Sub(begin).Seconds(), Proof: weakest(proofs),
		Counts: map[string]int64{"guests": int64(len(drilled))},
	}))
}

// nameOthers tells of guests that drills from other machines have made, of which
// it is not known here whether they still go on, and of those who live among the
// numbers that are for drills.
func (r *rehearsal) nameOthers(ctx context.Context) {
	found, err := r.drill.Cluster.Discover(ctx)
	if err != nil {
		r.Tell.Warn("", "what drills elsewhere have left is not known: %v", err)
		return
	}
	var among []string
	for _, g := range found.Guests {
		switch {
		case slices.Contains(g.Tags, pve.DrillTag):
			r.Tell.Warn("", "guest %d on %s is of a drill from another machine: should that have been killed, remove it there", g.ID, g.Node)
		case r.drill.First <= g.ID && g.ID <= r.drill.Last:
			among = append(among, fmt.Sprint(g.ID))
		}
	}
	if len(among) > 0 {
		// A drill takes none that is taken; but Proxmox may give one of them to a
		// guest that is new, and people may take what a drill makes for theirs.
		r.Tell.Warn("", "guests have numbers from %d to %d, which are for drills: %s; another range in guests.drill.ids, or --ids, keeps them apart",
			r.drill.First, r.drill.Last, tell.Line(strings.Join(among, ", ")))
	}
}

// stamp proves the run to those who watch the layer.
func (r *rehearsal) stamp(s state.Stamp) error {
	if _, err := store.MakeDir(r.layer.Backups); err != nil {
		return err
	}
	return state.WriteStamp(r.layer.Backups, state.DrillStamp, s)
}

// weakest is the proof that all have.
func weakest(proofs []string) string {
	for _, p := range []string{guestrestore.ProofContents, guestrestore.ProofRuns} {
		if slices.Contains(proofs, p) {
			return p
		}
	}
	return guestrestore.ProofBooted
}

// chooseGuests are the guests to drill.
func (r *rehearsal) chooseGuests(folders []folder, args []string) ([]guestset.Subject, error) {
	var all []guestset.Subject
	times := map[guestset.Subject]time.Time{}
	for _, f := range folders {
		if _, has := catalog.NewestComplete(f.backups()); !has || f.subject.Kind == guestset.Node || slices.Contains(all, f.subject) {
			continue
		}
		last, err := r.lastDrill(f.subject)
		if err != nil {
			return nil, err
		}
		// One whose drill fails must not keep the others from theirs for ever.
		tried, err := r.remembered(triedStamp(f.subject))
		if err != nil {
			return nil, err
		}
		all, times[f.subject] = append(all, f.subject), slices.MaxFunc([]time.Time{last.Time, tried.Time}, time.Time.Compare)
	}
	if len(all) == 0 {
		return nil, tell.Hint(errors.New("there is no complete set to drill under a signature that is trusted"), "backup makes one")
	}
	if len(args) > 0 {
		for _, arg := range args {
			wanted, err := wantedOf([]string{arg})
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(all, wanted) {
				return nil, tell.Hint(fmt.Errorf("there is no complete set of %s under a signature that is trusted", arg), "list shows what there is")
			}
		}
		return all, nil
	}
	return []guestset.Subject{slices.MinFunc(all, func(a, b guestset.Subject) int { return times[a].Compare(times[b]) })}, nil
}

// drillStamp is the name of the stamp of a guest's last good drill.
func drillStamp(s guestset.Subject) string { return s.String() + ".drilled" }

// triedStamp is that of its last drill, good or not.
func triedStamp(s guestset.Subject) string { return s.String() + ".drill-tried" }

// lastDrill is the last good drill of a guest; the zero Stamp is none.
func (e *estate) lastDrill(s guestset.Subject) (state.Stamp, error) {
	return e.remembered(drillStamp(s))
}

func (e *estate) remembered(name string) (state.Stamp, error) {
	stamp, err := state.ReadStamp(string(e.memory), name)
	if errors.Is(err, fs.ErrNotExist) {
		return state.Stamp{}, nil
	}
	return stamp, err
}

// one drills the newest complete set of a guest, and stamps its proof.
func (r *rehearsal) one(ctx context.Context, s guestset.Subject, folders []folder) (state.Stamp, error) {
	mine := slices.DeleteFunc(slices.Clone(folders), func(f folder) bool { return f.subject != s })
	c, err := r.chooseFrom(mine, s.String(), time.Time{})
	if err != nil {
		return state.Stamp{}, err
	}
	var done guestrestore.Drilled
	begin := r.Now()
	if _, err := store.MakeDir(string(r.memory)); err != nil {
		return state.Stamp{}, err
	}
	if err := state.WriteStamp(string(r.memory), triedStamp(s), state.Stamp{Deed: "drill-tried", Time: begin.UTC()}); err != nil {
		return state.Stamp{}, err
	}
	err = r.from(ctx, c, r.keys, func(source guestrestore.Source) error {
		done, err = r.drill.Do(ctx, source)
		return err
	})
	if err != nil {
		return state.Stamp{}, err
	}
	stamp := state.Stamp{
		Deed: "drill", Time: r.Now().UTC(), Manifest: c.set().Name(), Seconds: r.Now().Sub(begin).Seconds(), Proof: done.Proof,
		Counts: map[string]int64{"disks": int64(len(done.Disks))},
	}
	if err := state.WriteStamp(string(r.memory), drillStamp(s), stamp); err != nil {
		return stamp, err
	}
	return stamp, r.show(s, c, done)
}

func (r *rehearsal) show(s guestset.Subject, c chosen, d guestrestore.Drilled) error {
	line := struct {
		Format   int      `json:"format"`
		Folder   string   `json:"folder"`
		Manifest string   `json:"manifest"`
		Guest    int      `json:"guest"` // that it was for the time of the drill
		Node     string   `json:"node"`
		Proof    string   `json:"proof"`
		Same     []string `json:"same"`             // disks that were read back
		Unread   []string `json:"unread,omitempty"` // those that were not, and why
		Took     float64  `json:"restoreSeconds"`
		Answers  float64  `json:"answersSeconds,omitempty"` // after its start
	}{1, s.String(), c.set().Name(), d.ID, d.Node, d.Proof, d.Disks, d.Unread, d.Took.Seconds(), d.Answers.Seconds()}
	return r.Print(line, func(w io.Writer) {
		fmt.Fprintf(w, "%-12s %s  proof: %s, as %d on %s, restored in %s", line.Folder, line.Manifest, guestrestore.InWords(line.Proof), d.ID, d.Node, d.Took.Round(time.Second))
		if len(d.Disks) > 0 {
			fmt.Fprintf(w, ", read back the same: %s", strings.Join(d.Disks, " "))
		}
		if d.Answers > 0 {
			fmt.Fprintf(w, ", answered after %s", d.Answers.Round(time.Second))
		}
		fmt.Fprintln(w)
		for _, why := range d.Unread {
			fmt.Fprintf(w, "    not read back: %s\n", why)
		}
	})
}
