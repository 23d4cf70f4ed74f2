package tools_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/catalog"
	"github.com/railiance/railiance/tools/internal/sign"
	"github.com/railiance/railiance/tools/internal/store"
)

// remember notes what there is: every file of every site.
func remember(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: remember")
	}
	g := guestsOf(ts)
	var err error
	g.before, err = g.files()
	ts.Check(err)
	if len(g.before) == 0 {
		ts.Fatalf("there is nothing to remember")
	}
}

// unharmed says that a bad day did no harm: nothing that was remembered is
// another, nothing new looks complete that is not, nothing is locked, and no
// draft is left.
//
//	unharmed                     nothing is new
//	unharmed vm-101 other/vm-100 new sets may be in these folders
//	unharmed -drafts …           drafts may wait for the next run, after a SIGKILL
//	unharmed -locks …            so may the lock of a guest
func unharmed(ts *testscript.TestScript, neg bool, args []string) {
	g := guestsOf(ts)
	drafts, locks := slices.Contains(args, "-drafts"), slices.Contains(args, "-locks")
	allowed := slices.DeleteFunc(args, func(s string) bool { return strings.HasPrefix(s, "-") })
	// What a cut connection has left ends by itself, and soon.
	ts.Check(g.Quiet(20 * time.Second))
	var errs []error
	if g.before == nil {
		ts.Fatalf("unharmed: nothing was remembered")
	}
	now, err := g.files()
	ts.Check(err)
	for path, sum := range g.before {
		if now[path] != sum && filepath.Base(path) != "RESTORE.md" {
			errs = append(errs, fmt.Errorf("an older backup: %s is gone or another", path))
		}
		delete(now, path)
	}
	errs = append(errs, g.onlyWhole(now, allowed, drafts), g.unlocked(locks), g.leftovers(drafts), g.nothingInTheClear())
	switch err := errors.Join(errs...); {
	case err != nil && !neg:
		ts.Fatalf("harmed:\n%v", err)
	case err == nil && neg:
		ts.Fatalf("nobody sees the harm")
	}
}

// theirs is what servers keep for themselves in the folders of a site.
var theirs = regexp.MustCompile(`^(\.this-is-the-nas|RESTORE\.md|\.DAV)$`)

// files are the hashes of what is in the sites, by site/folder/file.
func (g *guests) files() (map[string]string, error) {
	found := map[string]string{}
	for name, dir := range g.sites {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(dir, path)
			if err != nil || theirs.MatchString(d.Name()) {
				return err
			}
			if d.IsDir() {
				// A claim of a name over WebDAV is a folder.
				if strings.HasPrefix(d.Name(), store.DraftPrefix) {
					found[filepath.Join(name, rel)] = "folder"
				}
				return nil
			}
			b, err := os.ReadFile(path)
			found[filepath.Join(name, rel)] = fmt.Sprintf("%x", sha256.Sum256(b))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// onlyWhole says what of the new files belongs to no whole, signed set in one of
// the folders that may have one.
func (g *guests) onlyWhole(files map[string]string, allowed []string, drafts bool) error {
	trust, err := sign.LoadTrust(filepath.Join(g.layer, "..", "..", "allowed_signers"))
	if err != nil {
		return err
	}
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(files)) {
		site, rest, _ := strings.Cut(path, string(filepath.Separator))
		folder, file := filepath.Split(rest)
		folder = filepath.Clean(folder)
		if strings.HasPrefix(file, store.DraftPrefix) || strings.HasPrefix(rest, ".sgwtmp") {
			if !drafts {
				errs = append(errs, fmt.Errorf("a draft: %s", path))
			}
			continue
		}
		sets, err := wholeSets(filepath.Join(g.sites[site], folder), trust)
		if err != nil {
			return err
		}
		ofSet := slices.ContainsFunc(sets, func(s catalog.Set) bool { return catalog.BelongsTo(file, s.Time) })
		may := slices.Contains(allowed, folder) || slices.Contains(allowed, site+"/"+folder)
		// Before its manifest nothing of a set is one; the next run takes it away.
		waits := drafts && !strings.HasPrefix(file, "manifest-")
		if (!ofSet || !may) && !waits {
			errs = append(errs, fmt.Errorf("%s is new, and of no whole set that may be there", path))
		}
	}
	return errors.Join(errs...)
}

// wholeSets are the sets whose signature and artifacts are all good.
func wholeSets(dir string, trust *sign.Trust) ([]catalog.Set, error) {
	in, err := store.OpenDir(dir)
	if err != nil {
		return nil, err
	}
	sets, _, err := catalog.Read(context.Background(), in, trust)
	return slices.DeleteFunc(sets, func(s catalog.Set) bool {
		return slices.ContainsFunc(s.Artifacts, func(a catalog.Artifact) bool {
			return catalog.VerifyArtifact(context.Background(), in, a) != nil
		})
	}), err
}

// unlocked says that neither the layer nor a guest is held by anybody.
func (g *guests) unlocked(ofGuests bool) error {
	var errs []error
	if f, err := os.Open(filepath.Join(g.backups, "madagascar", ".lock")); err == nil {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			errs = append(errs, fmt.Errorf("the layer's lock: %w", err))
		}
		_ = f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, id := range []int{100, 101, 200} {
		if _, there, err := g.Has(id); err != nil || !there || ofGuests {
			errs = append(errs, err)
			continue
		}
		lock, err := g.Key(id, "lock")
		if lock != "" {
			err = fmt.Errorf("guest %d carries the lock %q", id, lock)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// leftovers are what a run leaves that did not clean up: on the nodes, in its
// memory, in its spool.
func (g *guests) leftovers(drafts bool) error {
	patterns := []string{filepath.Join(g.dir, "tmp", "*"), filepath.Join(filepath.Dir(g.state), "spool", "*"), filepath.Join(g.Dir, "nodes", "*", "var/lib/vz/dump", "*")}
	if !drafts {
		patterns = append(patterns, filepath.Join(g.state, "madagascar", "*", "*", "*.run"), filepath.Join(g.Dir, "nodes", "*", "tmp", "*"))
	}
	var errs []error
	for _, pattern := range patterns {
		left, err := filepath.Glob(pattern)
		// The connections that ssh shares end a moment after their last use.
		left = slices.DeleteFunc(left, func(path string) bool { return strings.HasPrefix(filepath.Base(path), "railiance-ssh") })
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("left: %q", left)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *guests) nothingInTheClear() error {
	var errs []error
	for _, dir := range append([]string{g.state, g.backups, g.layer, filepath.Join(g.dir, "tmp")}, slices.Collect(maps.Values(g.sites))...) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			if err != nil {
				return err
			}
			b, err := os.ReadFile(path)
			if bytes.Contains(b, []byte(guestCanary)) {
				err = fmt.Errorf("%s holds a guest's content in the clear", path)
			}
			return err
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
