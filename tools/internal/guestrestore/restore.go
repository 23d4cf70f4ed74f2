package guestrestore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/guestread"
	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Restore is how a guest is put back into a cluster.
type Restore struct {
	Cluster *pve.Cluster
	Memory  guestset.Memory
	Tell    *tell.Teller

	ID      int    // 0: its own
	Node    string // empty: where it ran
	Storage string // empty: where its disks were
	Unique  bool   // hardware addresses of its own; it has them anyway beside its original
	Replace bool   // the guest that has the number
	Start   bool   // once all is well
	// Agree is asked before anything is changed; its error ends the restore.
	Agree func(Plan) error
}

// Restored is a guest that was put back.
type Restored struct {
	Plan
	Made    pve.Made
	Log     string // of the program that put it back
	Started bool
}

// cleanUp is how long what was made may take to be taken away again.
const cleanUp = 15 * time.Minute

// Do puts the guest back. With an error there is none, but for one that was
// whole and did not start; and one that was to be replaced is as it was, or,
// should it have failed later than that, gone.
func (r *Restore) Do(ctx context.Context, s Source) (Restored, error) {
	done, n, err := r.make(ctx, s, nil)
	if err != nil {
		return done, err
	}
	if err := n.drop(); err != nil {
		return done, err
	}
	if r.Start {
		if err := r.Cluster.Start(ctx, pve.Guest{ID: done.ID, Type: done.Made.Type, Node: done.Node}); err != nil {
			return done, tell.Hint(fmt.Errorf("guest %d is restored whole, and did not start: %w", done.ID, err), "it stays as it is")
		}
		done.Started = true
	}
	return done, nil
}

// make puts the guest back and has then, if it is not nil, make something of it.
// The note is of a guest that stands; it is nil with an error.
func (r *Restore) make(ctx context.Context, s Source, then func(pve.Made) error) (done Restored, n *note, err error) {
	from, err := s.open(ctx)
	if err != nil {
		return done, nil, err
	}
	defer from.archive.Close()
	if done.Plan, err = r.plan(ctx, s, from.about); err != nil {
		return done, nil, err
	}
	if r.Agree != nil {
		if err := r.Agree(done.Plan); err != nil {
			return done, nil, err
		}
	}
	if done.Old != nil {
		// Only what is proven to its end may take the place of anything.
		r.Tell.Say(s.Subject.String(), "reading all of the backup before %d is replaced", done.ID)
		if err := from.rehearse(ctx, s); err != nil {
			return done, nil, err
		}
	}
	n, err = take(r.Memory, noted{Made: done.made(s), Drill: then != nil, Set: s.Subject.String() + "/" + s.Set.Name()})
	if err != nil {
		return done, nil, err
	}
	made, err := r.put(ctx, s, from, &done)
	if made != nil {
		made.Alone = done.alone
	}
	if err == nil {
		r.options(ctx, s, *made, done.container.options)
	}
	if err == nil && then != nil {
		err = then(*made)
	}
	if err == nil {
		done.Made = *made
		return done, n, nil
	}
	if made != nil {
		if left := r.away(ctx, *made); left != nil {
			return done, nil, errors.Join(err, left, n.keep())
		}
	}
	return done, nil, errors.Join(err, n.drop())
}

// options gives the volumes of a container what they had. It is whole without,
// so that what cannot be set is told only.
func (r *Restore) options(ctx context.Context, s Source, made pve.Made, options pve.VolumeOptions) {
	if len(options) == 0 {
		return
	}
	if err := r.Cluster.SetVolumeOptions(ctx, made, options); err != nil {
		r.Tell.Warn(s.Subject.String(), "not as it was: options of its volumes: %v: pct set does it", err)
	}
}

// rehearse proves the archive in a reading of its own.
func (o *opened) rehearse(ctx context.Context, s Source) error {
	archive, err := guestread.Archive(ctx, s.Folder, o.Artifact, s.Keys)
	if err != nil {
		return unreliable(ctx, err)
	}
	all := (&opened{o.Artifact, o.about, archive}).proven(ctx)
	_, err = io.Copy(io.Discard, all)
	return errors.Join(err, all.Close())
}

func (p Plan) made(s Source) pve.Made {
	kind := pve.VM
	if s.Subject.Kind == guestset.CT {
		kind = pve.CT
	}
	return pve.Made{ID: p.ID, Type: kind, Node: p.Node, Alone: p.alone}
}

// put streams the archive into the cluster. It returns what was made, also of an
// archive that is not good.
func (r *Restore) put(ctx context.Context, s Source, from *opened, done *Restored) (made *pve.Made, err error) {
	archive := from.proven(ctx)
	defer archive.Close()
	// The head is here, and was taken apart, before anything begins over there.
	ready := bufio.NewReaderSize(archive, headStart)
	if _, err := ready.Peek(headStart); err != nil && err != io.EOF {
		return nil, err
	}
	o := pve.Restore{Node: done.Node, ID: done.ID, Storage: done.Storage, Unique: done.Unique, Force: done.Old != nil}
	restore := r.Cluster.RestoreVM
	if s.Subject.Kind == guestset.CT {
		c := done.container
		o.Unprivileged, o.RootfsGiB, o.Mounts = c.unprivileged, c.rootfsGiB, c.mounts
		restore = r.Cluster.RestoreCT
	}
	made, done.Log, err = restore(ctx, o, ready)
	switch {
	case err == nil && !archive.whole:
		err = fmt.Errorf("guest %d on %s: ended well before all of the archive was read", done.ID, done.Node)
	case err != nil && archive.err != nil && ctx.Err() == nil:
		// How the cluster took a torn archive explains nothing.
		err = fmt.Errorf("guest %d on %s: not restored: %w", done.ID, done.Node, archive.err)
	}
	if err != nil && done.Old != nil {
		err = tell.Hint(err, "look whether %d is still there: the backup is, and can be restored again", done.ID)
	}
	return made, err
}

// away removes what was made, also for somebody who interrupts.
func (r *Restore) away(ctx context.Context, m pve.Made) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUp)
	defer cancel()
	if err := r.Cluster.Destroy(ctx, m); err != nil {
		return tell.Hint(fmt.Errorf("guest %d on %s is not whole, and could not be removed: %w", m.ID, m.Node, err), "do not start it")
	}
	r.Tell.Say("", "removed guest %d on %s again", m.ID, m.Node)
	return nil
}
