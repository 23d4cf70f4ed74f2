package tbissue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/records"
	"github.com/railiance/railiance/tools/internal/state"
	"github.com/railiance/railiance/tools/internal/tell"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

const (
	fileMax     = 1 << 20
	evidenceMax = 20 // blocks; the issue of a fault that lasts must not grow each night
	project     = "thunderbolt"
)

// Book is the folder of the issues, with the changelogs that tell of them.
type Book struct {
	Dir       string // holds TEMPLATE.md and the issues
	Changelog string // for programs
	Page      string // CHANGELOG.md
}

// Check is a fresh diagnosis, and what it was made with.
type Check struct {
	Time    time.Time
	Cluster string
	Tool    string
	Plan    thunderbolt.Plan
	thunderbolt.Diagnosis
}

// Filed is what became of a fault.
type Filed struct {
	Issue
	New bool `json:"new"`
}

// List are all issues, the oldest first. A file that is no issue is an error,
// and the others are still listed.
func (b Book) List() ([]Issue, error) {
	entries, err := os.ReadDir(b.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("issues: %w", err)
	}
	var all []Issue
	var errs []error
	for _, e := range entries {
		id, is := strings.CutSuffix(e.Name(), ".md")
		if !is || !ValidID(id) {
			continue
		}
		issue, _, err := b.load(id)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, issue)
	}
	return all, errors.Join(errs...)
}

func (b Book) load(id string) (Issue, string, error) {
	text, err := b.text(id + ".md")
	if err != nil {
		return Issue{}, "", err
	}
	issue, err := read(id, text)
	if err != nil {
		return issue, text, fmt.Errorf("issues: %w", err)
	}
	return issue, text, nil
}

func (b Book) text(name string) (string, error) {
	f, err := os.Open(filepath.Join(b.Dir, name))
	if err != nil {
		return "", fmt.Errorf("issues: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileMax+1))
	if err != nil {
		return "", fmt.Errorf("issues: %w", err)
	}
	if len(text) > fileMax {
		return "", fmt.Errorf("issues: %s: has more than %s", name, tell.Bytes(fileMax))
	}
	return string(text), nil
}

// File opens an issue for each fault of the check, or adds to the one that is
// open.
func (b Book) File(ctx context.Context, c Check) (filed []Filed, err error) {
	if c.Healthy() {
		return nil, nil
	}
	lock, err := b.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	known, err := b.List()
	if err != nil {
		// A fault whose issue cannot be read would get a second one.
		return nil, tell.Hint(err, "mend the file, or take it out of the folder")
	}
	for _, f := range c.Faults {
		i := slices.IndexFunc(known, func(k Issue) bool { return k.Status == Open && k.Fault == f.ID() })
		if i >= 0 {
			if err := b.add(known[i].ID, c, f); err != nil {
				return filed, err
			}
			filed = append(filed, Filed{known[i], false})
			continue
		}
		issue, err := b.open(ctx, c, f, known)
		if err != nil {
			return filed, err
		}
		filed = append(filed, Filed{issue, true})
		known = append(known, issue)
	}
	return filed, nil
}

func (b Book) lock(ctx context.Context) (*state.Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	lock, err := state.Wait(ctx, b.Dir)
	if err != nil {
		return nil, fmt.Errorf("issues: %w", err)
	}
	return lock, nil
}

func (b Book) open(ctx context.Context, c Check, f thunderbolt.Fault, known []Issue) (Issue, error) {
	template, err := b.text("TEMPLATE.md")
	if err != nil {
		return Issue{}, tell.Hint(err, "the repository has layers/madagascar/issues/TEMPLATE.md; it belongs beside the issues")
	}
	id, err := b.next(c.Time.UTC().Year(), known)
	if err != nil {
		return Issue{}, err
	}
	// First the changelog: a run that is killed after it leaves a gap in the
	// numbers, and never one number for two.
	entry, err := records.Append(ctx, b.Changelog, records.Entry{Timestamp: c.Time, Project: project, Summary: id + " opened: " + f.What,
		Details: strings.Join(f.Evidence, "\n"), AffectedResources: nodesOf(f)})
	if err != nil {
		return Issue{}, err
	}
	text := fill(template, id, entry.ID, c, f, known)
	issue, err := read(id, text)
	if err != nil {
		return Issue{}, tell.Hint(fmt.Errorf("issues: TEMPLATE.md: %w", err), "take the top of layers/madagascar/issues/TEMPLATE.md as it is in the repository")
	}
	return issue, b.write(id, text)
}

func (b Book) write(id, text string) error {
	if err := state.ReplaceBytes(filepath.Join(b.Dir, id+".md"), []byte(text), 0o644); err != nil {
		return fmt.Errorf("issues: %w", err)
	}
	return nil
}

// add adds what was seen to the evidence.
func (b Book) add(id string, c Check, f thunderbolt.Fault) error {
	_, text, err := b.load(id)
	if err != nil {
		return err
	}
	if count(text) >= evidenceMax {
		text = again(text, c.Time)
	} else {
		text = put(text, "Evidence", evidence(c, f))
	}
	return b.write(id, text)
}

// again replaces the line that says when it was last seen, where there is
// evidence enough.
func again(text string, at time.Time) string {
	line := "Last seen: " + at.UTC().Format(time.RFC3339)
	old := regexp.MustCompile(`(?m)^Last seen: .*$`)
	if old.MatchString(text) {
		return old.ReplaceAllLiteralString(text, line)
	}
	return put(text, "Evidence", line)
}
