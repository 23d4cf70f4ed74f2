package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/store"
)

// VerifyArtifact reads an artifact whole and compares it with what the signed
// manifest says of it. It needs no private key.
func VerifyArtifact(ctx context.Context, s store.Store, a Artifact) error {
	r, err := s.Open(ctx, a.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("missing")
	}
	if err != nil {
		return err
	}
	defer r.Close()
	check := NewReading(a)
	if _, err := io.Copy(check, &untilDone{ctx, r}); err != nil {
		return fmt.Errorf("read: after %d bytes: %w", check.n, err)
	}
	return check.Verdict()
}

// Reading compares the bytes of an artifact, which are written to it, with what
// the manifest says of them. Write never fails.
type Reading struct {
	artifact Artifact
	stanzas  header
	hash     hash.Hash
	n        int64
}

// NewReading is a reading of a that has not begun.
func NewReading(a Artifact) *Reading { return &Reading{artifact: a, hash: sha256.New()} }

func (r *Reading) Write(p []byte) (int, error) {
	r.n += int64(len(p))
	_, _ = r.stanzas.Write(p)
	return r.hash.Write(p)
}

// Verdict is what is wrong with the bytes so far, taken for all there are.
func (r *Reading) Verdict() error {
	switch {
	case r.n < r.artifact.Size:
		return fmt.Errorf("torn: %d of %d bytes are there", r.n, r.artifact.Size)
	case r.n > r.artifact.Size:
		return fmt.Errorf("too long: %d bytes instead of %d", r.n, r.artifact.Size)
	case hex.EncodeToString(r.hash.Sum(nil)) != r.artifact.SHA256:
		return fmt.Errorf("altered: its %d bytes are not the ones that were written", r.n)
	}
	return r.stanzas.check(len(r.artifact.Recipients))
}

type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}

// header keeps the beginning of an artifact: age's header lists one stanza for
// every recipient, before a line that starts with three dashes.
type header struct{ kept []byte }

const headerLimit = 64 << 10 // bytes; a post-quantum stanza has about 1.6 KiB

func (h *header) Write(p []byte) (int, error) {
	if room := headerLimit - len(h.kept); room > 0 {
		h.kept = append(h.kept, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

func (h *header) check(recipients int) error {
	intro, rest, ok := strings.Cut(string(h.kept), "\n")
	if !ok || intro != "age-encryption.org/v1" {
		return errors.New("not an age file")
	}
	text, _, ok := strings.Cut(rest, "\n---")
	if !ok {
		return errors.New("not an age file: its header has no end")
	}
	stanzas := 0
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "-> ") && !strings.HasSuffix(line, "-grease") {
			stanzas++
		}
	}
	if stanzas != recipients {
		return fmt.Errorf("encrypted to %d recipients, not to the %d of its manifest", stanzas, recipients)
	}
	return nil
}

// ErrRemoved says that a set is gone which retention had not let go.
var ErrRemoved = errors.New("removed by somebody else")

// ErrLost says that a set was gone already when the newest one was made, and
// that no operator has acknowledged it.
var ErrLost = errors.New("nobody has acknowledged that")

// Chain compares the sets with each other and with what this machine saw last:
// what was taken away, put back or swapped shows here. Sets are those of Read;
// seen is zero where nothing was seen yet.
func Chain(sets []Set, seen Link, seenSequence int64) []Problem {
	var problems []Problem
	report := func(name, format string, args ...any) {
		problems = append(problems, Problem{name, fmt.Errorf(format, args...)})
	}
	if len(sets) == 0 {
		if seenSequence > 0 {
			report(seen.Manifest, "every set is gone: this one, number %d, was here: %w", seenSequence, ErrRemoved)
		}
		return problems
	}
	newest := sets[0]
	switch {
	case newest.Sequence < seenSequence:
		report(seen.Manifest, "rolled back: number %d was here before, the newest set now is %s, number %d: %w",
			seenSequence, newest.Name(), newest.Sequence, ErrRemoved)
	case newest.Sequence == seenSequence && newest.Link() != seen:
		report(newest.Name(), "another set number %d than the one that was here before, %s", seenSequence, seen.Manifest)
	}
	byName := map[string]Set{}
	for i, s := range sets {
		byName[s.Name()] = s
		if i > 0 && s.Sequence == sets[i-1].Sequence {
			report(s.Name(), "has the same number %d as %s", s.Sequence, sets[i-1].Name())
		}
		if s.Layer != newest.Layer {
			report(s.Name(), "belongs to layer %q, not to %q", s.Layer, newest.Layer)
		}
	}
	for _, name := range newest.Lost {
		first := newest
		for _, s := range sets {
			if slices.Contains(s.Lost, name) {
				first = s
			}
		}
		again := ""
		if _, there := byName[name]; there {
			again = ", and is here again"
		}
		report(name, "was gone, and nobody had pruned it, when %s was made%s: %w", first.Name(), again, ErrLost)
	}
	for _, link := range newest.Present {
		s, there := byName[link.Manifest]
		switch {
		case !there && !slices.Contains(newest.Prunes, link.Manifest):
			report(link.Manifest, "it was here when %s was made, and retention did not let it go: %w", newest.Name(), ErrRemoved)
		case there && s.SHA256 != link.SHA256:
			report(link.Manifest, "replaced: it is not the manifest that was here when %s was made", newest.Name())
		}
	}
	for _, s := range sets {
		if s.Previous == nil {
			continue
		}
		if before, there := byName[s.Previous.Manifest]; there && before.SHA256 != s.Previous.SHA256 {
			report(s.Name(), "its chain does not lead to the %s that is here", s.Previous.Manifest)
		}
	}
	return problems
}
