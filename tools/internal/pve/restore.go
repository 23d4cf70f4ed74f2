package pve

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// Restore is how a guest is put back.
type Restore struct {
	Node         string
	ID           int    // must be free in the whole cluster, but for Force
	Storage      string // for all its disks; empty, of a virtual machine: each where it was
	Unique       bool   // with hardware addresses of its own
	Force        bool   // in place of the guest of that number, which must be on Node, and stopped
	BandwidthKiB int    // a second; 0: no limit

	// Of containers. Proxmox takes none of it from the archive.
	Unprivileged bool
	RootfsGiB    int
	Mounts       []Mount

	Log io.Writer // is shown the program's log as it comes; nil: nobody
}

// Mount is a mount point of a container that is made anew.
type Mount struct {
	Key     string // mp0
	Storage string // empty: that of the restore
	GiB     int
	Options string // mp=/data,backup=1
}

// Made is a guest that a restore has made, or may have: Destroy takes it.
type Made struct {
	ID   int    `json:"id"`
	Type string `json:"type"`
	Node string `json:"node"`
	// Alone says that no disk carried the number before: those that do now are
	// its own, also where a program that was killed has put them into no
	// configuration.
	Alone bool `json:"alone,omitempty"`

	here bool // by this process, which needs no further proof
}

// headStart is how much of an archive must be there before its restore begins:
// qmrestore gives up when the head of the archive does not come in a minute.
const headStart = 64 << 10

// RestoreVM puts the virtual machine in the VMA back. It returns the log, and
// what was made even if that failed, nil if nothing was. An error says that the
// guest is not what the archive holds; that there is none does not prove the
// archive to be whole, which is to be verified besides.
//
// An error of archive is a failure of the restore; archive is not read any more
// when RestoreVM returns, and must therefore end when ctx does.
func (c *Cluster) RestoreVM(ctx context.Context, o Restore, archive io.Reader) (*Made, string, error) {
	args := []string{"qmrestore", "-", strconv.Itoa(o.ID), "--unique", bit(o.Unique)}
	if o.Storage != "" {
		args = append(args, "--storage", o.Storage)
	}
	return c.restore(ctx, VM, o, args, archive)
}

// RestoreCT is RestoreVM of a container's tar.
func (c *Cluster) RestoreCT(ctx context.Context, o Restore, archive io.Reader) (*Made, string, error) {
	if o.RootfsGiB < 1 {
		return nil, "", fmt.Errorf("guest %d: a root file system of %d GiB", o.ID, o.RootfsGiB)
	}
	args := []string{
		"pct", "restore", strconv.Itoa(o.ID), "-", "--rootfs", fmt.Sprintf("%s:%d", o.Storage, o.RootfsGiB),
		"--unprivileged", bit(o.Unprivileged), "--unique", bit(o.Unique),
	}
	for _, m := range o.Mounts {
		if !regexp.MustCompile(`^mp[0-9]{1,3}$`).MatchString(m.Key) || m.GiB < 1 || m.Options != host.Printable(m.Options) {
			return nil, "", fmt.Errorf("guest %d: a mount point %q of %d GiB, %q", o.ID, host.Printable(m.Key), m.GiB, host.Printable(m.Options))
		}
		storage := cmp.Or(m.Storage, o.Storage)
		if !validStorage(storage) {
			return nil, "", fmt.Errorf("guest %d: mount point %s: %q is no storage", o.ID, m.Key, host.Printable(storage))
		}
		args = append(args, "--"+m.Key, fmt.Sprintf("%s:%d,%s", storage, m.GiB, m.Options))
	}
	return c.restore(ctx, CT, o, args, archive)
}

func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

func (c *Cluster) restore(ctx context.Context, kind string, o Restore, args []string, archive io.Reader) (*Made, string, error) {
	fail := func(err error) error { return fmt.Errorf("%s: restore of guest %d: %w", o.Node, o.ID, err) }
	switch {
	case !validID(o.ID):
		return nil, "", fail(errors.New("Proxmox takes numbers from 100 to 999999999"))
	case !validStorage(o.Storage) && (kind == CT || o.Storage != ""):
		return nil, "", fail(fmt.Errorf("%q is no storage", host.Printable(o.Storage)))
	}
	if o.BandwidthKiB > 0 {
		args = append(args, "--bwlimit", strconv.Itoa(o.BandwidthKiB))
	}
	if o.Force {
		args = append(args, "--force", "1")
	} else if err := c.free(ctx, o.ID); err != nil {
		return nil, "", fail(err)
	}
	w, err := c.remote(ctx, o.Node)
	if err != nil {
		return nil, "", err
	}
	ready := bufio.NewReaderSize(archive, headStart)
	if _, err := ready.Peek(headStart); err != nil && (err != io.EOF || ready.Buffered() == 0) {
		return nil, "", fail(fmt.Errorf("the archive: %w", unexpected(err)))
	}
	log := &journal{also: o.Log}
	sent, read, err := fed(ctx, w.Command(host.Command{
		Args: args, Env: []string{"LC_ALL=C.UTF-8"}, Stdout: log, Stderr: log,
	}), ready)
	c.brokenBy(o.Node, err)
	text := log.String()
	made := &Made{ID: o.ID, Type: kind, Node: o.Node, here: !o.Force} // what was there may be there yet
	if !began(kind, text, err) {
		made = nil
	}
	switch {
	case read != nil:
		return made, text, fail(fmt.Errorf("the archive: %w", read))
	case err != nil && strings.Contains(text, "already exists on node"):
		return nil, text, fail(fmt.Errorf("%w: %w", ErrTaken, err))
	case err != nil:
		return made, text, fail(err)
	case kind == CT:
		if err := allRead(text, sent); err != nil {
			return made, text, fail(err)
		}
	}
	return made, text, nil
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// began says whether a restore came so far that a guest may have been made.
func began(kind, log string, err error) bool {
	var lost *host.SSHError
	if errors.As(err, &lost) {
		return lost.Kind == host.SSHLost
	}
	var exit *host.ExitError
	if !errors.As(err, &exit) {
		return true
	}
	if strings.Contains(log, "already exists on node") || strings.Contains(log, "400 Parameter verification failed") {
		return false
	}
	// qmrestore says this first of all, before it takes the number.
	return kind != VM || strings.Contains(log, "restore vma archive:")
}

// allRead sees that tar took the whole archive: one that is cut between two
// members looks good to it. It reads whole records.
func allRead(log string, sent int64) error {
	m := regexp.MustCompile(`(?m)^Total bytes read: ([0-9]{1,18}) `).FindStringSubmatch(log)
	if m == nil {
		return errors.New("ended well, but tar does not tell how much it read")
	}
	if n, _ := strconv.ParseInt(m[1], 10, 64); n < sent {
		return fmt.Errorf("ended well, but tar read %d bytes of %d", n, sent)
	}
	return nil
}
