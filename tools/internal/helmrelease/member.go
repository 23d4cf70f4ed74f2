package helmrelease

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
)

// maxValues bounds values.yaml: quoting and indenting may make the text longer
// than the JSON it came from.
const maxValues = 2 * maxRecord

// revision is one revision's three files.
type revision struct {
	folder                   string
	number                   int
	metadata, values, record []byte
}

func (rev revision) dir() string { return fmt.Sprintf("%s/v%d", rev.folder, rev.number) }

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
