package nodebackup

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/railiance/railiance/tools/internal/nodetar"
	"github.com/railiance/railiance/tools/internal/pmxcfs"
	"github.com/railiance/railiance/tools/internal/tell"
)

// torn is an error of reading what the node sends.
type torn struct{ error }

func (t torn) Unwrap() error { return t.error }

// paddingMax is what may follow the end mark of a tar, in bytes.
const paddingMax = 1 << 20

// takeOver reads a tar and adds what is in it.
func (c *collection) takeOver(ctx context.Context, from io.Reader) error {
	r := &ending{r: from}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return torn{err}
		}
		if h.Name, err = place(h.Name); err != nil {
			return fmt.Errorf("%s: %w", c.remote.Target, err)
		}
		if err := c.member(ctx, h, t); err != nil {
			return err
		}
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, paddingMax+1))
	switch {
	case err != nil:
		return torn{err}
	case n > paddingMax:
		return fmt.Errorf("%s: goes on sending behind the end of its files", c.remote.Target)
	case r.zeros < endMark:
		return torn{errors.New("they end without the mark of an end")}
	}
	return nil
}

// endMark is two blocks of zeros. A tar that was cut between two members has
// none, and is taken for a whole one by those who read it.
const endMark = 1024

// ending counts the zeros at the end of what is read.
type ending struct {
	r     io.Reader
	zeros int
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if kept := len(bytes.TrimRight(p[:n], "\x00")); kept > 0 {
		e.zeros = n - kept
	} else {
		e.zeros += n
	}
	return n, err
}

// place is where a member of the script's tar belongs.
func place(name string) (string, error) {
	refused := fmt.Errorf("sent %s, which nobody asked for", strconv.QuoteToGraphic(name[:min(len(name), 200)]))
	if slices.Contains(strings.Split(name, "/"), "..") {
		return "", refused
	}
	if name == path.Base(nodetar.ConfigDB) {
		return nodetar.ConfigDB, nil
	}
	if own, is := strings.CutPrefix(name, "./"); is {
		return path.Join("etc/pve", own), nil
	}
	clean := path.Clean(name)
	below := func(folder string) bool { return clean == folder || strings.HasPrefix(clean, folder+"/") }
	if !slices.ContainsFunc(folders(), below) || below("etc/pve") {
		return "", refused
	}
	return clean, nil
}

// member adds one of the node's files. Of what tar says of it, that is kept
// which can be put back anywhere.
func (c *collection) member(ctx context.Context, from *tar.Header, content io.Reader) error {
	h := &tar.Header{
		Typeflag: from.Typeflag, Name: from.Name, Linkname: from.Linkname, Size: from.Size, Mode: from.Mode & 0o7777,
		Uid: from.Uid, Gid: from.Gid, Uname: from.Uname, Gname: from.Gname, ModTime: from.ModTime, Format: tar.FormatPAX,
	}
	switch h.Typeflag {
	case tar.TypeDir:
		h.Name += "/"
	case tar.TypeReg, tar.TypeSymlink:
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		c.report.leaveOut(h.Name, "it is a device or a pipe")
		return nil
	}
	if err := c.head(h); err != nil {
		return fmt.Errorf("%s: %w", c.remote.Target, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	if h.Name == nodetar.ConfigDB {
		return c.database(ctx, content)
	}
	return c.copy(c.out, content, h.Size)
}

func (c *collection) copy(w io.Writer, content io.Reader, size int64) error {
	reading := &reader{r: content}
	_, err := io.CopyN(w, reading, size)
	if reading.err != nil {
		return torn{reading.err}
	}
	return err
}

// reader tells an error of reading from one of writing.
type reader struct {
	r   io.Reader
	err error
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// database adds the copy of config.db and looks whether it is sound.
func (c *collection) database(ctx context.Context, content io.Reader) error {
	fd, err := unix.MemfdCreate("config.db", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "config.db")
	defer f.Close()
	reading := &reader{r: content}
	if _, err := io.Copy(io.MultiWriter(c.out, f), reading); err != nil {
		if reading.err != nil {
			return torn{reading.err}
		}
		return err
	}
	if c.entries, err = pmxcfs.Check(ctx, f); err != nil {
		return tell.Hint(fmt.Errorf("%s: the copy of config.db, which /etc/pve is kept in: %w", c.remote.Target, err),
			"older backups of %s stay; on it: sqlite3 /var/lib/pve-cluster/config.db 'PRAGMA integrity_check'", c.node)
	}
	return nil
}
