package pvecli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/setcheck"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// readSet reads the artifacts of one set whole, and opens them where there are
// keys. Its error is one of printing, or of the context.
func (v *verification) readSet(ctx context.Context, t task, known proofs) error {
	good := true
	from := &watched{Store: t.folder.store, tell: v.Tell, title: t.folder.title()}
	for _, a := range t.set.Artifacts {
		err := v.verifyArtifact(ctx, from, t.set, a)
		if err != nil && ctx.Err() == nil && setcheck.Gone(ctx, t.folder.store, t.set, a) {
			v.Tell.Warn(t.folder.title(), "%s went while it was read: a backup prunes; the next verify tells if it was somebody else", t.set.Name())
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err == nil {
			err = v.readers(t, a)
		}
		good = good && err == nil
		if err := v.line(t.folder, t.set.Name(), a.Name, err); err != nil {
			return err
		}
	}
	names, err := setcheck.Strangers(ctx, t.folder.store, t.folder.sets)
	if err != nil {
		v.breaks(t.folder.title(), err)
	}
	if t.newest {
		for _, name := range names {
			v.Tell.Warn(t.folder.title(), "%s belongs to no trusted set: it is not ours, or a run was killed or goes on", name)
		}
	}
	if good {
		known.note(*t.folder, t.set, v.Now().UTC(), len(v.keys) > 0)
	}
	return nil
}

// readers refuses a newest set that is not for the recipients of today. An older
// one may rightly be for those of its time.
func (v *verification) readers(t task, a catalog.Artifact) error {
	have, should, err := setcheck.Readers(v.layer.SOPS, v.pathOf(t.folder, a.Name), a)
	if err != nil || have == nil {
		return err
	}
	if t.newest {
		return tell.Hint(fmt.Errorf("wrong recipients: it is encrypted to %v, and %s names %v", have, v.layer.SOPS, should),
			"make backup makes a set for the recipients of today")
	}
	v.Tell.Warn(t.folder.title(), "%s is encrypted to the recipients of its time, %v: keep their private keys as long as the set", a.Name, have)
	return nil
}

// summary tells how much was read, and how long ago the rest was.
func (v *verification) summary(read, left []task) error {
	s := struct {
		Format int       `json:"format"`
		Sets   int       `json:"sets"`
		Read   int       `json:"read"`
		Bytes  int64     `json:"bytes"` // of those that were read
		Left   int64     `json:"leftBytes"`
		Never  int       `json:"neverRead"`
		Oldest time.Time `json:"oldestRead,omitzero"` // of what was left out this time
		Wrong  int       `json:"wrong"`
	}{Format: 1, Sets: len(read) + len(left), Read: len(read), Wrong: v.bad}
	for _, t := range read {
		s.Bytes += t.size()
	}
	for _, t := range left {
		s.Left += t.size()
		switch {
		case t.last.IsZero():
			s.Never++
		case s.Oldest.IsZero() || t.last.Before(s.Oldest):
			s.Oldest = t.last
		}
	}
	return v.Print(s, func(w io.Writer) {
		fmt.Fprintf(w, "read %d of %d sets, %s", s.Read, s.Sets, tell.Bytes(s.Bytes))
		if len(left) > 0 {
			fmt.Fprintf(w, "; not read this time: %d sets, %s", len(left), tell.Bytes(s.Left))
			if s.Never > 0 {
				fmt.Fprintf(w, ", of which %d never were", s.Never)
			}
			if !s.Oldest.IsZero() {
				fmt.Fprintf(w, ", the others not for %s at most", tell.Age(v.Now().Sub(s.Oldest)))
			}
		}
		fmt.Fprintln(w)
	})
}

// watched shows how much of a large artifact was read.
type watched struct {
	store.Store
	tell  *tell.Teller
	title string
}

func (s *watched) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	r, err := s.Store.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	show, end := s.tell.Progress(s.title)
	return &shownReader{r, show, end}, nil
}

type shownReader struct {
	io.ReadCloser
	show io.Writer
	end  func()
}

func (r *shownReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	_, _ = r.show.Write(p[:n])
	return n, err
}

func (r *shownReader) Close() error {
	r.end()
	return r.ReadCloser.Close()
}
