// Package records keeps the two accounts of what was changed: a changelog for
// programs (a JSON array, chained by hashes, to which is only ever appended) and
// CHANGELOG.md for people. The one thing to know: a file that is damaged is
// told and left alone; nothing here mends or replaces it.
package records

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Entry is one change that a program made.
type Entry struct {
	ID                string    `json:"id"` // CHG-000001 and on; Append gives it
	Timestamp         time.Time `json:"timestamp"`
	Project           string    `json:"project"` // as "backups"
	Summary           string    `json:"summary"` // one line
	Details           string    `json:"details"`
	AffectedResources []string  `json:"affectedResources"`
	Previous          string    `json:"previous"` // SHA-256 of the entry before in canonical form, in hex; Append gives it
}

const (
	sizeMax    = 32 << 20 // bytes of a changelog: some 50,000 runs
	summaryMax = 500      // runes
	detailsMax = 20000    // runes
	affectsMax = 1000
)

// ErrDamaged says that a changelog is not as it was written.
var ErrDamaged = errors.New("the changelog is damaged")

// Append adds e to the changelog at path, which is made if there is none: under
// a lock, all at once, and only if the chain so far is whole. Texts lose what
// could act on a terminal, and what is too long is cut. It returns the entry as
// it was written.
func Append(ctx context.Context, path string, e Entry) (written Entry, err error) {
	if e.Timestamp.IsZero() || e.Project == "" || e.Summary == "" {
		return Entry{}, errors.New("changelog: an entry needs a time, a project and a summary")
	}
	err = change(ctx, path, sizeMax, func(text []byte) ([]byte, error) {
		log, err := parse(text)
		if err != nil {
			return nil, tell.Hint(fmt.Errorf("changelog: %s: %w", path, err), "it was left as it is: put the last good one back, or move it aside and a new one is begun")
		}
		written = clean(e)
		written.ID, written.Previous = fmt.Sprintf("%s%06d", idPrefix, log.last+1), log.head
		return log.with(written)
	})
	if err != nil {
		return Entry{}, err
	}
	return written, nil
}

// clean is e with texts that people can look at in safety.
func clean(e Entry) Entry {
	e.Timestamp = e.Timestamp.UTC().Truncate(time.Second)
	e.Project, e.Summary = cut(host.Printable(e.Project), summaryMax), cut(host.Printable(e.Summary), summaryMax)
	lines := strings.Split(e.Details, "\n")
	for i, line := range lines {
		lines[i] = host.Printable(line)
	}
	e.Details = cut(strings.Join(lines, "\n"), detailsMax)
	affected := make([]string, 0, len(e.AffectedResources))
	for i, resource := range e.AffectedResources {
		if i == affectsMax {
			affected = append(affected, fmt.Sprintf("and %d more", len(e.AffectedResources)-i))
			break
		}
		affected = append(affected, cut(host.Printable(resource), summaryMax))
	}
	e.AffectedResources = affected
	return e
}

func cut(s string, max int) string {
	runes := 0
	for i := range s {
		if runes == max {
			return s[:i] + "…"
		}
		runes++
	}
	return s
}

// with is the text of the changelog with e at its end; everything before stays
// to the byte.
func (c *changelog) with(e Entry) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("  ", "  ")
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("changelog: %w", err)
	}
	entry := bytes.TrimSpace(b.Bytes())
	if c.entries == 0 {
		return fmt.Appendf(nil, "[\n  %s\n]\n", entry), nil
	}
	return fmt.Appendf(nil, "%s,\n  %s\n]\n", c.body, entry), nil
}

// change replaces the file at path by what edit makes of its text, under the
// lock of its folder. No file is an empty text.
func change(ctx context.Context, path string, max int64, edit func([]byte) ([]byte, error)) (err error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		// A link to nowhere is not ours to fill.
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("changelog: %s: is a link to nothing", path)
		}
		real, err = path, nil
	}
	if err != nil {
		return fmt.Errorf("changelog: %w", err)
	}
	lock, err := state.Wait(ctx, filepath.Dir(real))
	if err != nil {
		return fmt.Errorf("changelog: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	if _, err := state.SweepSeen(real); err != nil {
		return fmt.Errorf("changelog: %w", err)
	}
	text, mode, err := load(real, max)
	if err != nil {
		return err
	}
	next, err := edit(text)
	if err != nil {
		return err
	}
	if int64(len(next)) > max {
		return tell.Hint(fmt.Errorf("changelog: %s: would have more than %s", path, tell.Bytes(max)), "move it aside and a new one is begun")
	}
	if err := state.ReplaceBytes(real, next, mode); err != nil {
		return fmt.Errorf("changelog: %w", err)
	}
	return nil
}

func load(path string, max int64) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0o644, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("changelog: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, fmt.Errorf("changelog: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, max+1))
	if err != nil {
		return nil, 0, fmt.Errorf("changelog: %w", err)
	}
	if int64(len(text)) > max {
		return nil, 0, fmt.Errorf("changelog: %s: has more than %s", path, tell.Bytes(max))
	}
	return text, info.Mode().Perm(), nil
}
