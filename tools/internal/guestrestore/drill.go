package guestrestore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/pve"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/vma"
)

// What a drill can prove, from the weakest.
const (
	ProofContents = "contents" // the disks in the cluster are those of the day of the backup
	ProofRuns     = "runs"     // and the machine ran, with nobody in it to ask
	ProofBooted   = "booted"   // and it answered
)

// InWords is a proof for people: the word alone promises more than there is.
func InWords(proof string) string {
	switch proof {
	case ProofContents:
		return "contents; it was not started"
	case ProofRuns:
		return "runs; nothing inside answered"
	}
	return proof
}

// Drill rehearses restores: under a scratch number, apart from the world.
type Drill struct {
	Cluster *pve.Cluster
	Memory  guestset.Memory
	Tell    *tell.Teller

	First, Last int           // the scratch number is one of these
	Node        string        // empty: where the guest ran
	Storage     string        // empty: where its disks were
	NoBoot      bool          // compare the disks only
	Ready       time.Duration // within which the guest has to answer
	Settle      time.Duration // how long a guest that nobody can ask has to run
}

// Drilled is what a drill came to.
type Drilled struct {
	ID      int
	Node    string
	Proof   string
	Disks   []string      // that were read back, and are the same
	Unread  []string      // that were not, and why
	Took    time.Duration // to restore and compare
	Answers time.Duration // from its start; 0: it was not asked
}

// Do rehearses a set and takes all of it away again, however it ends. With an
// error nothing is proven.
func (d *Drill) Do(ctx context.Context, s Source) (done Drilled, err error) {
	begin := time.Now()
	if done.ID, err = d.Cluster.FreeID(ctx, d.First, d.Last); err != nil {
		return done, err
	}
	r := &Restore{Cluster: d.Cluster, Memory: d.Memory, Tell: d.Tell, ID: done.ID, Node: d.Node, Storage: d.Storage, Unique: true}
	made, n, err := r.make(ctx, s, func(m pve.Made) error { return d.Cluster.Mark(ctx, m) })
	if err != nil {
		return done, err
	}
	done.Node = made.Node
	defer func() {
		if left := r.away(ctx, made.Made); left != nil {
			err = errors.Join(err, left, n.keep())
			return
		}
		err = errors.Join(err, n.drop())
	}()
	err = d.prove(ctx, s, made, &done, begin)
	return done, err
}

func (d *Drill) prove(ctx context.Context, s Source, made Restored, done *Drilled, begin time.Time) error {
	g, err := d.Cluster.Guest(ctx, made.Made)
	if err == nil {
		err = d.Cluster.Isolate(ctx, g)
	}
	apart := err
	if err != nil && !errors.Is(err, pve.ErrNotApart) {
		return err
	}
	if err := d.compare(ctx, s, g, made.About, done); err != nil {
		return err
	}
	done.Proof, done.Took = ProofContents, time.Since(begin)
	if d.NoBoot || settings(made.About.Config)["template"] == "1" {
		return nil // a template never boots
	}
	why, err := d.tooLarge(ctx, g)
	if err != nil {
		return err
	}
	if why = errors.Join(apart, why); why != nil {
		d.Tell.Warn(s.Subject.String(), "not started: %v", why)
		return nil
	}
	booting := time.Now()
	if err := d.Cluster.Start(ctx, g); err != nil {
		return fmt.Errorf("it does not start: %w", err)
	}
	if g.Type == pve.VM && !pve.HasAgent(made.About.Config) {
		if err := d.runs(ctx, g); err != nil {
			return err
		}
		done.Proof = ProofRuns
		d.Tell.Say(s.Subject.String(), "it goes on running, and has no guest agent that could say whether it has booted: install qemu-guest-agent in it, and qm set %d --agent 1", made.About.Guest)
		return nil
	}
	if err := d.answers(ctx, g); err != nil {
		return err
	}
	done.Proof, done.Answers = ProofBooted, time.Since(booting)
	return nil
}

// compare reads the disks back from the cluster, before the guest writes to them.
func (d *Drill) compare(ctx context.Context, s Source, g pve.Guest, about guestset.About, done *Drilled) error {
	if g.Type == pve.CT {
		done.Unread = []string{"rootfs: a tree of files, which was compared on its way in"}
		return nil
	}
	for _, disk := range about.Disks {
		if disk.Key == disk.Device {
			continue // the memory of a guest, which is on no disk now
		}
		d.Tell.Say(s.Subject.String(), "reading %s back from %s", disk.Key, g.Node)
		digest, size, err := d.sum(ctx, g, disk.Key, disk.Size)
		switch {
		case errors.Is(err, pve.ErrNotRaw):
			done.Unread = append(done.Unread, disk.Key+": "+err.Error())
		case err != nil:
			return err
		case size < disk.Size:
			return fmt.Errorf("disk %s has %d bytes in the cluster, and had %d", disk.Key, size, disk.Size)
		case digest != disk.Digest:
			return fmt.Errorf("disk %s is not what was backed up once it is in the cluster: digest %s, not %s", disk.Key, digest, disk.Digest)
		default:
			done.Disks = append(done.Disks, disk.Key)
		}
	}
	return nil
}

// sum is the digest of the first bytes of a disk, as many as are asked for. A
// storage may make it larger, and then what is behind them is whatever lay there.
func (d *Drill) sum(ctx context.Context, g pve.Guest, key string, bytes int64) (digest vma.Digest, size int64, err error) {
	r, w := io.Pipe()
	read := make(chan error, 1)
	go func() {
		_, err := d.Cluster.ReadDisk(ctx, g, key, w)
		_ = w.CloseWithError(err)
		read <- err
	}()
	digest, size, err = vma.Sum(io.LimitReader(r, bytes))
	if err == nil {
		_, err = io.Copy(io.Discard, r)
	}
	_ = r.CloseWithError(err)
	if failed := <-read; failed != nil {
		err = failed // how the sum took it explains nothing
	}
	return digest, size, err
}

// answers waits until somebody in the guest answers.
func (d *Drill) answers(ctx context.Context, g pve.Guest) error {
	var last error
	end := time.Now().Add(d.Ready)
	for {
		if last = d.Cluster.AgentPing(ctx, g); last == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := d.alive(ctx, g); err != nil {
			return err
		}
		if time.Now().After(end) {
			return fmt.Errorf("it runs, and nobody in it answers for %s: %w", d.Ready, last)
		}
		if err := pause(ctx, min(2*time.Second, d.Ready/10)); err != nil {
			return err
		}
	}
}

// runs waits whether a guest that nobody can ask goes on.
func (d *Drill) runs(ctx context.Context, g pve.Guest) error {
	end := time.Now().Add(d.Settle)
	for {
		if err := d.alive(ctx, g); err != nil {
			return err
		}
		if time.Now().After(end) {
			return nil
		}
		if err := pause(ctx, min(2*time.Second, d.Settle/4)); err != nil {
			return err
		}
	}
}

func (d *Drill) alive(ctx context.Context, g pve.Guest) error {
	status, err := d.Cluster.Status(ctx, g)
	if err == nil && status != pve.Running {
		err = fmt.Errorf("it was started, and is %s now", status)
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
