package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// feed runs a program with something to read.
func (w *world) feed(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, w.Path("bin/"+args[0]), args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, os.Stderr
	return cmd.Run()
}

func flip(path string) error {
	return rewrite(path, func(b []byte) []byte {
		b[len(b)/2] ^= 1
		return b
	})
}

// rewrite changes a file that nobody is meant to change, in its place: an S3
// service keeps what it knows of it in attributes.
func rewrite(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, change(b), 0o600), os.Chmod(path, info.Mode().Perm()))
}

// What nobody may find outside of the cluster: pvetest puts it into each guest.
const canary = "canary-5b81-guest-content"

// sealed looks for what must not be there in whatever the backups wrote.
func (w *world) sealed() error {
	secrets := []string{canary, w.secrets["RAILIANCE_BUCKET_SECRET_KEY"], w.secrets["RAILIANCE_CLOUD_PASSWORD"]}
	files := 0
	for _, dir := range []string{"disk", "s3", "dav/files", "backups", "state", "spool", "repository", "home"} {
		err := filepath.WalkDir(w.Path(dir), func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files++
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, secret := range secrets {
				if bytes.Contains(b, []byte(secret)) {
					return fmt.Errorf("%s holds in the clear what only the cluster, or the server of a store, may know", strings.TrimPrefix(path, w.Dir))
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	fmt.Printf("   %d files, none with a guest's content or a store's password in the clear\n", files)
	return nil
}

// clear says what was left that nobody wants.
func (w *world) clear(ctx context.Context) error {
	if err := w.sealed(); err != nil {
		return err
	}
	guests, err := w.guests(ctx)
	if err != nil {
		return err
	}
	for _, g := range guests {
		tool := map[string]string{"qemu": "qm", "lxc": "pct"}[g.Type]
		config, err := w.on(ctx, g.Node, fmt.Sprintf("%s config %d", tool, g.ID))
		if err != nil {
			return err
		}
		if strings.Contains(config, "\nlock: ") {
			return fmt.Errorf("guest %d is locked", g.ID)
		}
	}
	for _, pattern := range []string{
		"disk/*/.draft*", "s3/guests/*/.draft*", "s3/guests/.sgwtmp/multipart/*", "dav/files/*/.draft*", "state/madagascar/*/*/*.run", "state/madagascar/restoring-*",
		"spool/*", "cluster/nodes/*/tmp/*", "cluster/nodes/*/var/lib/vz/dump/*",
	} {
		left, err := filepath.Glob(w.Path(pattern))
		if err != nil || len(left) > 0 {
			return errors.Join(err, fmt.Errorf("left: %v", left))
		}
	}
	fmt.Println("   no lock, no draft, no unfinished upload, no folder of vzdump")
	return nil
}
