package helmrelease

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"time"
)

// The members of the tar. For each stored revision of each release:
//
//	<namespace>/<release>/v<revision>/metadata.json
//	<namespace>/<release>/v<revision>/values.yaml
//	<namespace>/<release>/v<revision>/release.json
//
// and at the very end releases.json, which says which revision of a release is
// the newest and which the last one deployed: after a failed upgrade these are
// two, and a person will want either.
const (
	metadataFile = "metadata.json"
	valuesFile   = "values.yaml"
	recordFile   = "release.json"
	indexFile    = "releases.json"
)

// Archive writes releases into a tar. It keeps of each no more than its line in
// the index, and asks for no order.
type Archive struct {
	tar   *tar.Writer
	index index
}

// NewArchive starts a tar on w. Compressing it, encrypting it and closing w are
// the caller's.
func NewArchive(w io.Writer) *Archive {
	return &Archive{tar: tar.NewWriter(w), index: newIndex()}
}

// Add writes one item. It fits Read's and List's fn. A Problem is noted for the
// index; the error is for what ends the whole tar: w's, or a revision that was
// given before.
func (a *Archive) Add(item Item) error {
	switch {
	case item.Release != nil:
		return a.addRelease(item.Release)
	case item.Problem == nil:
		return errors.New("archive of releases: an item with nothing in it")
	case errors.Is(item.Problem.Err, ErrNotRelease):
		a.index.Ignored = append(a.index.Ignored, item.Problem.Error())
	default:
		a.index.Problems = append(a.index.Problems, item.Problem.Error())
	}
	return nil
}

func (a *Archive) addRelease(r *Release) error {
	values, err := r.ValuesYAML()
	if err == nil {
		// Read back here, a fault of the writer costs one release; found by
		// ReadTar, it would cost the archive.
		err = sameValues(values, *r)
	}
	var meta []byte
	if err == nil {
		meta, err = r.MetadataJSON()
	}
	if err != nil {
		p := Problem{Namespace: r.Namespace, Kind: r.Kind, Object: r.Object, Err: err}
		a.index.Problems = append(a.index.Problems, p.Error())
		return nil
	}
	home := folder(r.Namespace, r.Name, r.Kind)
	if err := a.index.add(home, r.Revision, r.Status); err != nil {
		return fmt.Errorf("archive of releases: %w", err)
	}
	dir := path.Join(home, "v"+strconv.Itoa(r.Revision))
	for _, f := range []struct {
		name string
		data []byte
	}{{metadataFile, meta}, {valuesFile, values}, {recordFile, r.Record}} {
		if err := a.file(path.Join(dir, f.name), f.data, r.LastDeployed); err != nil {
			return err
		}
	}
	return nil
}

func (a *Archive) file(name string, data []byte, at time.Time) error {
	if at.Year() < 1970 || at.Year() > 9999 {
		at = time.Unix(0, 0)
	}
	h := &tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o600,
		ModTime: at.UTC().Truncate(time.Second),
	}
	if err := a.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("archive of releases: %s: %w", name, err)
	}
	if _, err := a.tar.Write(data); err != nil {
		return fmt.Errorf("archive of releases: %s: %w", name, err)
	}
	return nil
}

// Close writes the index and the tar's end and returns what the tar holds. It
// does not close w. A tar that was not closed is not whole, and ReadTar refuses
// it.
func (a *Archive) Close() (Contents, error) {
	slices.Sort(a.index.Problems)
	slices.Sort(a.index.Ignored)
	b, err := json.MarshalIndent(a.index, "", "  ")
	if err != nil {
		return Contents{}, fmt.Errorf("archive of releases: %s: %w", indexFile, err)
	}
	if err := a.file(indexFile, append(b, '\n'), time.Time{}); err != nil {
		return Contents{}, err
	}
	if err := a.tar.Close(); err != nil {
		return Contents{}, fmt.Errorf("archive of releases: %w", err)
	}
	return a.index.contents(), nil
}
