package asset

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"time"
)

// packer writes regular files into a tar, owned by nobody in particular and
// readable by their owner alone.
type packer struct {
	ctx   context.Context
	tar   *tar.Writer
	at    time.Time
	files int
	links []string // that were passed by
}

// tree adds the file or the folder at root under the name member.
func (p *packer) tree(root, member string) error {
	if _, err := os.Stat(root); err != nil {
		return err
	}
	return filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		// A running server renews files below its folders: one that is gone
		// again was not meant to stay.
		if errors.Is(err, fs.ErrNotExist) && file != root {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.ctx.Err(); err != nil {
			return context.Cause(p.ctx)
		}
		rel, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		switch {
		case d.Type()&fs.ModeSymlink != 0 && file != root && !leadsToFile(file):
			p.links = append(p.links, file)
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular() && d.Type()&fs.ModeSymlink == 0:
			return nil // sockets of the running server
		}
		b, err := readSmall(file, serverFileSize)
		if errors.Is(err, fs.ErrNotExist) && file != root {
			return nil
		}
		if err != nil {
			return err
		}
		return p.add(path.Join(member, filepath.ToSlash(rel)), b)
	})
}

// leadsToFile tells links that are packed as what they lead to.
func leadsToFile(link string) bool {
	info, err := os.Stat(link)
	return err == nil && info.Mode().IsRegular()
}

func (p *packer) add(name string, b []byte) error {
	if p.files++; p.files > serverFiles {
		return fmt.Errorf("more than %d files", serverFiles)
	}
	err := p.tar.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: int64(len(b)), Mode: 0o600, ModTime: p.at, Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	_, err = p.tar.Write(b)
	return err
}
