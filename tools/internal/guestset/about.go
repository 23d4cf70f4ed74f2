package guestset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/railiance/railiance/tools/internal/vma"
)

// AboutAsset is the asset of the sealed account, about-<time>.json.age.
const AboutAsset = "about"

// AboutKind is its kind, and its extension below the encryption.
const (
	AboutKind = "about"
	AboutExt  = "json"
)

// The kinds of the artifacts themselves, and their extensions.
const (
	KindVMA  = "vma"
	KindTar  = "ct-tar"
	KindNode = "node-tar"
	ExtVMA   = "vma.zst"
	ExtTar   = "tar.zst"
)

// aboutLimit bounds what is read of an account, in bytes.
const aboutLimit = 32 << 20

const aboutFormat = 1

// About is the account of one backup. It is sealed as the artifact is: the
// digest of a disk would confirm guesses of what is on it, and configurations
// and logs hold what is nobody else's business.
type About struct {
	Format   int       `json:"format"`
	Guest    int       `json:"guest"` // 0: it is a node
	Type     string    `json:"type"`  // qemu, lxc or node
	Name     string    `json:"name"`
	Node     string    `json:"node"` // where it ran
	Time     time.Time `json:"time"` // of the set
	Mode     string    `json:"mode"` // asked of vzdump
	Config   string    `json:"config"`
	Firewall string    `json:"firewall,omitempty"`
	Log      string    `json:"log"` // of vzdump
	Disks    []Disk    `json:"disks,omitempty"`
	Tar      *Tar      `json:"tar,omitempty"`
	// LeftOut is what the guest has and the backup does not.
	LeftOut []LeftOut `json:"leftOut,omitempty"`
}

// Disk is one disk of a virtual machine, as it is in the archive.
type Disk struct {
	Key    string     `json:"key"`    // scsi0
	Device string     `json:"device"` // drive-scsi0
	Size   int64      `json:"size"`   // bytes
	Stored int64      `json:"stored"` // bytes that are not zero
	Digest vma.Digest `json:"digest"`
}

// Tar is the content of a container, or of a node.
type Tar struct {
	Members int64  `json:"members"`
	Bytes   int64  `json:"bytes"`  // of the files in it
	Digest  string `json:"digest"` // of its content, as package cttar makes it; of a node, as nodetar does
}

// LeftOut is a disk or mount point that is in no backup.
type LeftOut struct {
	Key string `json:"key"` // scsi1, mp0
	Why string `json:"why"`
}

// Encode is the account as it is sealed.
func (a About) Encode() ([]byte, error) {
	a.Format = aboutFormat
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("account of the backup: %w", err)
	}
	if len(b) >= aboutLimit {
		return nil, fmt.Errorf("account of the backup: %d bytes are too many", len(b))
	}
	return append(b, '\n'), nil
}

// DecodeAbout reads an account that was opened.
func DecodeAbout(r io.Reader) (About, error) {
	var a About
	b, err := io.ReadAll(io.LimitReader(r, aboutLimit+1))
	switch {
	case err != nil:
		return a, err
	case len(b) > aboutLimit:
		return a, errors.New("account of the backup: too large")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&a); err != nil {
		return About{}, fmt.Errorf("account of the backup: %w", err)
	}
	if a.Format != aboutFormat {
		return About{}, fmt.Errorf("account of the backup: format %d is not known here: a newer version wrote it", a.Format)
	}
	return a, nil
}
