package helmrelease

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// Contents is what a tar of releases holds.
type Contents struct {
	// Releases gives the newest revision of each release, by
	// "<namespace>/<release>"; one that is stored in ConfigMaps has "@configmap"
	// at its end.
	Releases  map[string]int `json:"releases"`
	Revisions int            `json:"revisions"` // of all releases together

	// Problems are records that could not be read, each with its reason. They
	// are not in the tar: a backup that has any is not complete.
	Problems []string `json:"problems,omitempty"`
	// Ignored are objects that Helm passes by as well.
	Ignored []string `json:"ignored,omitempty"`
}

// Count is the number of releases.
func (c Contents) Count() int { return len(c.Releases) }

// index is releases.json.
type index struct {
	Format   int                      `json:"format"`
	Releases map[string]*indexRelease `json:"releases"`
	Problems []string                 `json:"problems"`
	Ignored  []string                 `json:"ignored"`
}

type indexRelease struct {
	Newest    int            `json:"newest"`
	Deployed  int            `json:"deployed,omitempty"` // newest revision in status deployed
	Revisions map[int]string `json:"revisions"`          // status of each
}

func newIndex() index {
	return index{Format: format, Releases: map[string]*indexRelease{}, Problems: []string{}, Ignored: []string{}}
}

func (x index) add(folder string, revision int, status string) error {
	e := x.Releases[folder]
	if e == nil {
		e = &indexRelease{Revisions: map[int]string{}}
		x.Releases[folder] = e
	}
	if _, ok := e.Revisions[revision]; ok {
		return fmt.Errorf("%s: revision %d was given twice", folder, revision)
	}
	e.Revisions[revision] = status
	e.Newest = max(e.Newest, revision)
	if status == "deployed" {
		e.Deployed = max(e.Deployed, revision)
	}
	return nil
}

func (x index) contents() Contents {
	c := Contents{Releases: make(map[string]int, len(x.Releases)), Problems: x.Problems, Ignored: x.Ignored}
	for folder, e := range x.Releases {
		c.Releases[folder] = e.Newest
		c.Revisions += len(e.Revisions)
	}
	return c
}

// maxIndex is a generous bound: a line of the index is some 100 bytes, and
// there are as many as revisions.
const maxIndex = 64 << 20

func readIndex(t *tar.Reader, h *tar.Header, seen index) (index, error) {
	b, err := readFile(t, h, maxIndex)
	if err != nil {
		return index{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var x index
	if err := dec.Decode(&x); err != nil {
		return x, fmt.Errorf("json: %w", err)
	}
	if x.Format != format {
		return x, fmt.Errorf("format %d is unknown: a newer program wrote it", x.Format)
	}
	if len(x.Releases) != len(seen.Releases) {
		return x, fmt.Errorf("it lists %d releases, the archive holds %d", len(x.Releases), len(seen.Releases))
	}
	for _, folder := range slices.Sorted(maps.Keys(seen.Releases)) {
		got, want := x.Releases[folder], seen.Releases[folder]
		if got == nil {
			return x, fmt.Errorf("%s is not listed", folder)
		}
		if got.Newest != want.Newest || got.Deployed != want.Deployed || !maps.Equal(got.Revisions, want.Revisions) {
			return x, fmt.Errorf("%s is listed with other revisions than the archive holds", folder)
		}
	}
	return x, nil
}
