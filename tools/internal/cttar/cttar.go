// Package cttar reads the tar archives that Proxmox makes of containers: it
// tells whether one is complete and gives its content a digest.
//
// The one thing to know: a tar that was cut between two members looks whole to
// GNU tar and to `pct restore`, which exit with 0; only the two blocks of zeros
// at its end tell the difference, so they have to be there. What the container
// calls its files is its own business, and may be anything but a way out of
// the folder that it is extracted to.
//
// Archives are POSIX ones (pax), as vzdump's options make GNU tar write them,
// and are read as streams: memory does not grow with them.
package cttar

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Archive is what an archive holds.
type Archive struct {
	Members  int64  // all of them: files, folders, links, devices
	Bytes    int64  // of the files in it, holes included
	Size     int64  // bytes of the archive itself, what tar calls written
	Config   []byte // the container's configuration, etc/vzdump/pct.conf
	Firewall []byte // etc/vzdump/pct.fw; nil when there is none
	Digest   string // of the content, see Verify
	// OwnConfig says that the container has files of its own where vzdump
	// puts the configuration. An extraction lays them over it: whoever is root
	// in the container could then choose how it is restored.
	OwnConfig bool
}

const (
	configName   = "etc/vzdump/pct.conf"
	firewallName = "etc/vzdump/pct.fw"
	configDir    = "etc/vzdump"
	maxConfig    = 1 << 20 // what the cluster file system of Proxmox takes
)

// Verify reads an archive to its end and tells what it holds, or at which
// offset, and for which member, it is not what a restore needs. After an error
// the rest of r is unread.
//
// The digest is that of names, types, modes, owners, links, device numbers,
// extended attributes and content. It depends neither on the order of members
// nor on times or where holes are, so that the archive of an extracted copy
// has it as well; which of a file's names is the first, and which are hard
// links to it, it does depend on. The configuration is no part of it. It finds
// accidents, and does not withstand somebody who chooses content to fit.
func Verify(r io.Reader) (Archive, error) {
	v := &verifier{r: source{Reader: bufio.NewReaderSize(r, 128<<10)}}
	if err := v.run(); err != nil {
		return Archive{}, err
	}
	if len(bytes.TrimSpace(v.archive.Config)) == 0 {
		return Archive{}, fmt.Errorf("the configuration of the container, ./%s, is missing or empty", configName)
	}
	v.archive.Size = v.r.offset
	v.archive.Digest = v.digest.String()
	return v.archive, nil
}

type verifier struct {
	r       source
	archive Archive
	digest  digest
	content content
	rootfs  bool // members of the container itself have begun
}

func (v *verifier) run() error {
	var p pax
	for {
		at := v.r.offset
		block, err := v.r.block()
		switch {
		case err == io.EOF:
			return fmt.Errorf("offset %d: the archive ends without its end mark: what came behind is lost", at)
		case err != nil:
			return fmt.Errorf("offset %d: the head of a member is %w", at, err)
		case block.zero():
			if p.set {
				return fmt.Errorf("offset %d: the archive ends behind an extended header", at)
			}
			return v.end(at)
		}
		m, err := block.member()
		if err != nil {
			return fmt.Errorf("offset %d: %w", at, err)
		}
		if m.kind == typePax {
			if p.set {
				return fmt.Errorf("offset %d: two extended headers for one member", at)
			}
			if p, err = v.r.pax(m.size); err != nil {
				return fmt.Errorf("offset %d: extended header: %w", at, err)
			}
			continue
		}
		err = p.apply(&m)
		if err == nil {
			err = v.member(m)
		}
		if err != nil {
			return fmt.Errorf("offset %d: member %s: %w", at, shown(m.name), err)
		}
		p = pax{}
	}
}

// end reads the second half of the mark and what fills the last record.
func (v *verifier) end(at int64) error {
	for blocks := 1; ; blocks++ {
		block, err := v.r.block()
		switch {
		case err == io.EOF && blocks > 1:
			return nil
		case err == io.EOF:
			return fmt.Errorf("offset %d: half of the end mark is missing", at)
		case err != nil:
			return fmt.Errorf("offset %d: the end mark is %w", at, err)
		case !block.zero():
			return fmt.Errorf("offset %d: something lies behind the end mark at %d", v.r.offset-blockSize, at)
		}
	}
}

func (v *verifier) member(m member) error {
	name, err := inside(m.name)
	if err != nil {
		return err
	}
	if m.kind == typeLink {
		if _, err := inside(m.link); err != nil {
			return fmt.Errorf("hard link: %w", err)
		}
	}
	v.archive.Members++
	switch {
	case name != configDir && !strings.HasPrefix(name, configDir+"/"):
		v.rootfs = true
	case !v.rootfs && name == configName:
		return v.file(m, &v.archive.Config)
	case !v.rootfs && name == firewallName:
		return v.file(m, &v.archive.Firewall)
	case m.kind != typeDir:
		v.archive.OwnConfig = true
	}
	if err := v.content.read(&v.r, m); err != nil {
		return err
	}
	if v.archive.Bytes += m.logical(); v.archive.Bytes < 0 {
		return errors.New("its files are larger in all than any disk")
	}
	v.digest.add(m, name, v.content.digest)
	return nil
}

// file reads a configuration, which is there once.
func (v *verifier) file(m member, to *[]byte) error {
	switch {
	case *to != nil:
		return errors.New("it is there twice")
	case m.kind != typeFile || m.sparse:
		return errors.New("it is not a plain file")
	case m.size > maxConfig:
		return fmt.Errorf("%d bytes are too many for a configuration", m.size)
	}
	data, err := v.r.bytes(m.size)
	*to = data
	return err
}

// inside is a name without "./", which must stay within the folder that the
// archive is extracted to.
func inside(name string) (string, error) {
	if strings.HasPrefix(name, "/") {
		return "", errors.New("the name is absolute")
	}
	if strings.IndexByte(name, 0) >= 0 || name == "" {
		return "", errors.New("the name is none")
	}
	var parts []string
	for part := range strings.SplitSeq(name, "/") {
		switch part {
		case "", ".":
		case "..":
			return "", errors.New("the name leads out of the archive")
		default:
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/"), nil
}

// shown is a name as an error may say it: the container chose it.
func shown(name string) string {
	if len(name) > 200 {
		return fmt.Sprintf("%.200q…", name)
	}
	return fmt.Sprintf("%q", name)
}
