package helmrelease

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// maxValues bounds values.yaml: quoting and indenting may make the text longer
// than the JSON it came from.
const maxValues = 2 * maxRecord

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

// revision is one revision's three files.
type revision struct {
	folder                   string
	number                   int
	metadata, values, record []byte
}

func (rev revision) dir() string { return fmt.Sprintf("%s/v%d", rev.folder, rev.number) }

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

func nextFile(t *tar.Reader) (*tar.Header, error) {
	h, err := t.Next()
	switch {
	case err == io.EOF:
		return nil, fmt.Errorf("it ends without %s: it is not whole", indexFile)
	case err != nil:
		return nil, fmt.Errorf("tar: %w", err)
	case h.Typeflag != tar.TypeReg:
		return nil, fmt.Errorf("member %q is not a plain file", h.Name)
	case h.Linkname != "":
		return nil, fmt.Errorf("member %q names a link", h.Name)
	}
	return h, nil
}

// readRevision reads the file under h and the two that have to follow.
func readRevision(t *tar.Reader, h *tar.Header) (revision, error) {
	rev, err := parseMember(h.Name)
	if err != nil {
		return rev, err
	}
	parts := []struct {
		name  string
		limit int64
		data  *[]byte
	}{
		{metadataFile, maxObject, &rev.metadata},
		{valuesFile, maxValues, &rev.values},
		{recordFile, maxRecord, &rev.record},
	}
	for i, part := range parts {
		if i > 0 {
			if h, err = nextFile(t); err != nil {
				return rev, err
			}
		}
		if want := rev.dir() + "/" + part.name; h.Name != want {
			return rev, fmt.Errorf("member %q stands where %s belongs", h.Name, want)
		}
		if *part.data, err = readFile(t, h, part.limit); err != nil {
			return rev, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
	return rev, nil
}

// parseMember takes a name apart. As it is compared, later, with the name built
// anew from the parts, nothing but the one right spelling gets through.
func parseMember(name string) (revision, error) {
	bad := fmt.Errorf("member %q is not a file of a release", name)
	parts := strings.Split(name, "/")
	if len(parts) != 4 {
		return revision{}, bad
	}
	home, ok := parseFolder(parts[0], parts[1])
	digits, isV := strings.CutPrefix(parts[2], "v")
	number, isNumber := parseRevision(digits)
	if !ok || !isV || !isNumber {
		return revision{}, bad
	}
	return revision{folder: home, number: number}, nil
}

func readFile(t *tar.Reader, h *tar.Header, limit int64) ([]byte, error) {
	if h.Size < 0 || h.Size > limit {
		return nil, fmt.Errorf("its size of %d bytes is over the limit of %d", h.Size, limit)
	}
	// Not make(h.Size): a header may promise what does not follow.
	var b bytes.Buffer
	if _, err := io.Copy(&b, t); err != nil {
		return nil, fmt.Errorf("tar: %w", err)
	}
	return b.Bytes(), nil
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
