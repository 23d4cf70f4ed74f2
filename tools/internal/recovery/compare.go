package recovery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/registry"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Report is what a restored server serves against what was saved.
type Report struct {
	Format  int     `json:"format"`
	Counts  []Count `json:"counts"`
	Missing int     `json:"missing"` // counts that are below what was saved
	Before  string  `json:"before"`  // folder of the safety copy
}

// Count is how many objects of a kind were saved and are served.
type Count struct {
	What  string `json:"what"`
	Saved int64  `json:"saved"`
	Found int64  `json:"found"`
	Lacks bool   `json:"lacks,omitempty"`
}

// custom is the key of custom resources: a group, which has a dot, and a plural.
var custom = regexp.MustCompile(`^registry/([a-z0-9-]+(?:\.[a-z0-9-]+)+)/([a-z0-9-]+)$`)

const (
	settle          = time.Minute // until custom resources are served after a start
	releasesTimeout = 10 * time.Minute
)

// compare counts what the API server serves. The exact comparison was made on
// the datastore before the start; here every kind must be there at least as
// often as it was saved, since k3s adds objects of its own, but for those that a
// cluster removes by itself. A kind that only a workload can convert may not be
// served yet, or never: that is told, and stops neither the others nor the restore.
func (r *Restore) compare(ctx context.Context) (*Report, error) {
	saved, err := oneOf(r.Set, asset.KindEtcd, asset.KindStateDB)
	if err != nil {
		return nil, err
	}
	report := &Report{Format: 1, Before: r.journal.Before}
	builtIn := map[string]registry.Resource{}
	for _, res := range registry.Served() {
		builtIn[res.Key] = res
	}
	until := time.Now().Add(min(settle, r.patience()))
	for _, key := range slices.Sorted(maps.Keys(saved.Contents)) {
		c := Count{What: strings.TrimPrefix(key, "registry/"), Saved: saved.Contents[key]}
		res, known := builtIn[key]
		group := custom.FindStringSubmatch(key)
		switch {
		case known:
			c.Found, err = r.count(ctx, until, res.Path)
		case group != nil && key != registry.SnapshotFiles:
			c.Found, err = r.countCustom(ctx, until, group[1], group[2])
		default:
			continue
		}
		switch {
		case err != nil && (known || ctx.Err() != nil):
			return nil, err
		case err != nil:
			r.Tell.Fail("", tell.Hint(fmt.Errorf("%s: not served: %w", c.What, err), "the workload that converts them may not be up yet; count them later: k3s kubectl get -A %s.%s", group[2], group[1]))
		}
		c.Lacks = c.Found < c.Saved && !res.Fades
		report.add(c)
	}
	return report, r.compareReleases(ctx, report)
}

func (report *Report) add(c Count) {
	report.Counts = append(report.Counts, c)
	if c.Lacks {
		report.Missing++
	}
}

// count counts the objects of a list without fetching them.
func (r *Restore) count(ctx context.Context, until time.Time, path string) (int64, error) {
	answer, err := r.insist(ctx, until, path+"?limit=1")
	if err != nil {
		return 0, err
	}
	var list struct {
		Metadata struct {
			Remaining int64 `json:"remainingItemCount"`
		} `json:"metadata"`
		Items []json.RawMessage `json:"items"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return list.Metadata.Remaining + int64(len(list.Items)), nil
}

// countCustom counts custom resources in the version that their group prefers.
// Where nobody serves the group any more there are none.
func (r *Restore) countCustom(ctx context.Context, until time.Time, group, plural string) (int64, error) {
	answer, err := r.insist(ctx, until, "/apis/"+group)
	if exit := (*host.ExitError)(nil); errors.As(err, &exit) && strings.Contains(exit.Stderr, "NotFound") {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var found struct {
		Preferred struct {
			GroupVersion string `json:"groupVersion"`
		} `json:"preferredVersion"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return 0, fmt.Errorf("/apis/%s: %w", group, err)
	}
	version, ok := strings.CutPrefix(found.Preferred.GroupVersion, group+"/")
	if !ok || strings.ContainsAny(version, "/?#% ") {
		return 0, fmt.Errorf("/apis/%s: it names no version", group)
	}
	return r.count(ctx, until, "/apis/"+group+"/"+version+"/"+plural)
}

// insist asks until it is answered, and at least once: a server that is ready does
// not serve its custom resources yet.
func (r *Restore) insist(ctx context.Context, until time.Time, path string) ([]byte, error) {
	for {
		answer, err := r.ask(ctx, path)
		if err == nil || ctx.Err() != nil || time.Now().After(until) {
			return answer, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(poll):
		}
	}
}

// compareReleases reads every Helm release through the API, which opens each
// Secret that holds one.
func (r *Restore) compareReleases(ctx context.Context, report *Report) error {
	saved, err := oneOf(r.Set, asset.KindHelmValues)
	if err != nil {
		return nil // a set without them says nothing of them
	}
	// A server that cannot decrypt its Secrets was seen never to answer.
	ctx, cancel := context.WithTimeoutCause(ctx, releasesTimeout, fmt.Errorf("it took longer than %s", releasesTimeout))
	defer cancel()
	dump, err := asset.HelmValues{Name: saved.Asset, K3s: r.Layer.K3s}.Take(ctx, r.Now())
	if err != nil {
		return err
	}
	var partial *asset.PartialError
	found, err := dump.Write(io.Discard)
	if err != nil && !errors.As(err, &partial) {
		return fmt.Errorf("helm releases: %w", err)
	}
	var lacking []string
	n := int64(0)
	for _, key := range slices.Sorted(maps.Keys(saved.Contents)) {
		if name, ok := strings.CutPrefix(key, "release "); ok {
			if found.Contents[key] < saved.Contents[key] {
				lacking = append(lacking, name)
				continue
			}
			n++
		}
	}
	report.add(Count{What: "helm releases", Saved: saved.Contents["releases"], Found: n, Lacks: len(lacking) > 0})
	for _, name := range lacking {
		r.Tell.Fail(saved.Asset, fmt.Errorf("release %s is not there as it was saved", name))
	}
	return dump.Close()
}
