// Package nodetar knows the archive that holds a Proxmox node's own files: what
// may be in it, and what must.
//
// The one thing to know: the node is not trusted with the names. One that is
// taken over would else write, on the machine where its backup is unpacked one
// day, wherever it likes.
package nodetar

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strconv"
)

// What is in every archive besides the node's files.
const (
	Guide    = "REBUILD.md"
	Report   = "report.json"
	Commands = "commands" // a folder: what programs of the node said
)

// ConfigDB is the database behind /etc/pve, as a member.
const ConfigDB = "var/lib/pve-cluster/config.db"

// The bounds of an archive. The files of /etc/pve are below a MiB each, and
// 128 MiB together.
const (
	MaxMember  = 128 << 20
	MaxBytes   = 1 << 30
	MaxMembers = 100_000
	maxName    = 4096
)

// Archive is what an archive holds.
type Archive struct {
	Members int64
	Bytes   int64  // of the files in it
	Digest  string // SHA-256 of the archive as it is, in hex
}

// Names are the members of one archive so far. The zero Names are none.
type Names struct {
	kinds   map[string]byte
	implied map[string]bool // folders, by what is in them
	bytes   int64
}

// Add refuses a member that has no business in an archive of files, folders and
// symbolic links: that leaves the folder it is unpacked into, by itself or
// through a link, comes twice, or is too large.
func (n *Names) Add(h *tar.Header) error {
	if n.kinds == nil {
		n.kinds, n.implied = map[string]byte{}, map[string]bool{}
	}
	name := path.Clean(h.Name)
	kind := h.Typeflag
	switch {
	case len(h.Name) > maxName || len(h.Linkname) > maxName:
		return errors.New("a member has a name without end")
	case !filepath.IsLocal(name) || name == ".":
		return fmt.Errorf("member %s: leads out of the archive", shown(h.Name))
	case kind != tar.TypeReg && kind != tar.TypeDir && kind != tar.TypeSymlink:
		return fmt.Errorf("member %s: is no file, folder or symbolic link, but %q", shown(h.Name), kind)
	case n.kinds[name] != 0 || kind != tar.TypeDir && n.implied[name]:
		return fmt.Errorf("member %s: is there twice", shown(h.Name))
	case h.Size < 0 || h.Size > MaxMember:
		return fmt.Errorf("member %s: has %d bytes, and %d are allowed", shown(h.Name), h.Size, int64(MaxMember))
	case n.bytes+h.Size > MaxBytes:
		return fmt.Errorf("member %s: with it there are more than %d bytes", shown(h.Name), int64(MaxBytes))
	case len(n.kinds) >= MaxMembers:
		return fmt.Errorf("member %s: there are more than %d", shown(h.Name), MaxMembers)
	}
	for above := path.Dir(name); above != "."; above = path.Dir(above) {
		if k := n.kinds[above]; k != 0 && k != tar.TypeDir {
			return fmt.Errorf("member %s: lies below %s, which is no folder", shown(h.Name), shown(above))
		}
		n.implied[above] = true
	}
	n.kinds[name] = kind
	n.bytes += h.Size
	return nil
}

// Has says whether there is a member of that name.
func (n *Names) Has(name string) bool { return n.kinds[name] != 0 }

// Count is how many members there are, and how many bytes are in the files.
func (n *Names) Count() (members, bytes int64) { return int64(len(n.kinds)), n.bytes }

// Missing is the first of what every archive of that node must have, and this
// one has not; empty when it has all.
func (n *Names) Missing(node string) string {
	for _, name := range []string{"etc/pve/nodes/" + node, "etc/hostname", "etc/network/interfaces"} {
		if !n.Has(name) {
			return name
		}
	}
	return ""
}

// Verify reads an archive to its end and tells what it holds, or what is wrong
// with it.
func Verify(r io.Reader) (Archive, error) {
	hash := sha256.New()
	all := io.TeeReader(r, hash)
	var n Names
	last := ""
	for t := tar.NewReader(all); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return Archive{}, fmt.Errorf("behind member %s: %w", shown(last), err)
		}
		if err := n.Add(h); err != nil {
			return Archive{}, err
		}
		if last = h.Name; h.Typeflag != tar.TypeReg {
			continue
		}
		if _, err := io.Copy(io.Discard, t); err != nil {
			return Archive{}, fmt.Errorf("member %s: %w", shown(last), err)
		}
	}
	if _, err := io.Copy(io.Discard, all); err != nil {
		return Archive{}, err
	}
	if last != Report {
		return Archive{}, fmt.Errorf("%s is not the last member: the end is missing", Report)
	}
	a := Archive{Digest: hex.EncodeToString(hash.Sum(nil))}
	a.Members, a.Bytes = n.Count()
	return a, nil
}

// shown is a name as it can be told.
func shown(name string) string { return strconv.QuoteToGraphic(name[:min(len(name), 200)]) }
