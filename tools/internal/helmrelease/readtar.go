package helmrelease

import (
	"archive/tar"
	"fmt"
	"io"
)

// ReadTar verifies a tar of releases, uncompressed, to its last byte: every
// name and type of member, each revision's three files, its record decoded anew
// and held against its metadata and, as data, against its values, and the index
// against all of them. Memory is that of one revision.
func ReadTar(r io.Reader) (Contents, error) {
	var c Contents
	err := walk(r, func(rev revision) error { return rev.verify() }, func(x index) { c = x.contents() })
	if err != nil {
		return Contents{}, fmt.Errorf("archive of releases: %w", err)
	}
	return c, nil
}

// Values gives values.yaml of one release from a tar of releases; revision 0
// means the newest. The tar is read to its end and verified on the way, so that
// the values of a torn or doctored one are never given out.
func Values(r io.Reader, namespace, name string, revisionOr0 int) ([]byte, error) {
	home, ok := parseFolder(namespace, name)
	if !ok {
		return nil, fmt.Errorf("%s/%s is not a release's name", printable(namespace), printable(name))
	}
	var found []byte
	newest := 0
	err := walk(r, func(rev revision) error {
		wanted := rev.folder == home && (rev.number == revisionOr0 || revisionOr0 == 0 && rev.number > newest)
		if wanted {
			newest, found = rev.number, rev.values
		}
		return rev.verify()
	}, func(index) {})
	switch {
	case err != nil:
		return nil, fmt.Errorf("archive of releases: %w", err)
	case found == nil && revisionOr0 != 0:
		return nil, fmt.Errorf("release %s has no revision %d in this archive", home, revisionOr0)
	case found == nil:
		return nil, fmt.Errorf("release %s is not in this archive", home)
	}
	return found, nil
}

// walk reads a tar of releases and calls each with every revision, and at the
// very end whole with the index, which has been held against the revisions.
func walk(r io.Reader, each func(revision) error, whole func(index)) error {
	tail := &tailReader{r: r}
	t := tar.NewReader(tail)
	seen := newIndex()
	for {
		h, err := nextFile(t)
		if err != nil {
			return err
		}
		if h.Name == indexFile {
			x, err := readIndex(t, h, seen)
			if err != nil {
				return fmt.Errorf("%s: %w", indexFile, err)
			}
			if err := ends(t, tail); err != nil {
				return err
			}
			whole(x)
			return nil
		}
		rev, err := readRevision(t, h)
		if err != nil {
			return err
		}
		status, err := rev.status()
		if err == nil {
			err = seen.add(rev.folder, rev.number, status)
		}
		if err == nil {
			err = each(rev)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", rev.dir(), err)
		}
	}
}
