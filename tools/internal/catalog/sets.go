package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// Set is a manifest that stands in a store under a signature that we trust.
type Set struct {
	*Manifest
	SHA256    string // of the manifest's bytes
	Signer    sign.Signed
	Protected bool
}

// Link pins the set's manifest.
func (s Set) Link() Link { return Link{Manifest: s.Name(), SHA256: s.SHA256} }

// Problem is something in a store that must not be relied upon. It never
// counts, and it is never removed.
type Problem struct {
	Name string // of the file
	Err  error
}

func (p Problem) Error() string { return p.Name + ": " + p.Err.Error() }

func (p Problem) Unwrap() error { return p.Err }

// ErrUnfinished says that a manifest has no signature: the run that wrote it
// was killed in between.
var ErrUnfinished = errors.New("not signed: the run that wrote it did not end, or its signature was taken away")

// Read returns the sets of a store, the newest (by sequence) first, and what
// in it is not to be trusted. It reads no artifact.
func Read(ctx context.Context, s store.Store, trust *sign.Trust) ([]Set, []Problem, error) {
	entries, err := s.List(ctx, "manifest-")
	if err != nil {
		return nil, nil, err
	}
	there := map[string]bool{}
	for _, e := range entries {
		there[e.Name] = true
	}
	var sets []Set
	var problems []Problem
	for _, e := range entries {
		if _, ok := TimeOf(e.Name); !ok {
			if owner := strings.TrimSuffix(e.Name, SignatureSuffix); owner != e.Name && !there[owner] {
				problems = append(problems, Problem{e.Name, errors.New("a signature without its manifest")})
			}
			continue
		}
		set, err := readSet(ctx, s, trust, e.Name)
		if err != nil {
			problems = append(problems, Problem{e.Name, err})
			continue
		}
		set.Protected = there[e.Name+ProtectedSuffix]
		sets = append(sets, set)
	}
	slices.SortStableFunc(sets, func(a, b Set) int {
		if a.Sequence != b.Sequence {
			return int(b.Sequence - a.Sequence)
		}
		return b.Time.Compare(a.Time)
	})
	return sets, problems, nil
}

func readSet(ctx context.Context, s store.Store, trust *sign.Trust, name string) (Set, error) {
	raw, err := readSmall(ctx, s, name)
	if err != nil {
		return Set{}, err
	}
	sig, err := readSmall(ctx, s, name+SignatureSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return Set{}, ErrUnfinished
	}
	if err != nil {
		return Set{}, err
	}
	// The time that a manifest gives itself may decide whether a key was valid
	// only after the signature was found good: hence the name's time, which the
	// signed text must repeat.
	at, _ := TimeOf(name)
	signer, err := trust.Verify(raw, sig, at)
	if err != nil {
		return Set{}, err
	}
	m, err := Decode(name, raw)
	if err != nil {
		return Set{}, err
	}
	sum := sha256.Sum256(raw)
	return Set{Manifest: m, SHA256: hex.EncodeToString(sum[:]), Signer: signer}, nil
}

func readSmall(ctx context.Context, s store.Store, name string) ([]byte, error) {
	r, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, MaxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > MaxManifest {
		return nil, fmt.Errorf("%s: more than %d bytes", name, MaxManifest)
	}
	return b, nil
}

// Write publishes m and then its signature, which makes the set complete.
func Write(ctx context.Context, s store.Store, m *Manifest, signer *sign.Signer) (Link, error) {
	raw, err := m.Encode()
	if err != nil {
		return Link{}, err
	}
	// What we could not read back ourselves, nobody shall find.
	if _, err := Decode(m.Name(), raw); err != nil {
		return Link{}, err
	}
	sig, err := signer.Sign(raw)
	if err != nil {
		return Link{}, err
	}
	for _, file := range []struct {
		name string
		b    []byte
	}{{m.Name(), raw}, {m.Name() + SignatureSuffix, sig}} {
		err := s.Put(ctx, file.name, func(w io.Writer) error {
			_, err := w.Write(file.b)
			return err
		})
		if err != nil {
			return Link{}, err
		}
	}
	sum := sha256.Sum256(raw)
	return Link{Manifest: m.Name(), SHA256: hex.EncodeToString(sum[:])}, nil
}

// Remove removes a set so that it stops being one first: signature, manifest,
// artifacts. What is missing already is no error.
func Remove(ctx context.Context, s store.Store, m *Manifest) error {
	names := []string{m.Name() + SignatureSuffix, m.Name()}
	for _, a := range m.Artifacts {
		names = append(names, a.Name)
	}
	for _, name := range names {
		if err := s.Remove(ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// NewestComplete is the newest set that holds every asset, and whether there
// is one. The sets are those of Read.
func NewestComplete(sets []Set) (Set, bool) {
	for _, s := range sets {
		if s.Complete() {
			return s, true
		}
	}
	return Set{}, false
}

// At is the set of time t.
func At(sets []Set, t time.Time) (Set, bool) {
	for _, s := range sets {
		if s.Time.Equal(t) {
			return s, true
		}
	}
	return Set{}, false
}
