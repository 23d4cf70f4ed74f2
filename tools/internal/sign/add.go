package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"
)

// AddTrusted lets pub sign manifests in the name of principal, such as
// root@host: it adds a line to the allowed_signers file, or makes the file.
// What stands there stays byte for byte, a reader sees the old file or the
// new one, and where the line is there already nothing happens and added is
// false. Show the fingerprint to a person before calling it.
func AddTrusted(file, principal string, pub ssh.PublicKey) (added bool, err error) {
	if err := plain(principal); err != nil {
		return false, err
	}
	if err := usable(pub); err != nil {
		return false, fmt.Errorf("%s: %w", principal, err)
	}
	// In a repository the file may be a link; it is its target that changes.
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	unlock, err := lock(filepath.Dir(file))
	if err != nil {
		return false, err
	}
	defer unlock()

	old, err := readTrust(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	signers, err := parseSigners(file, old)
	if err != nil {
		return false, fmt.Errorf("%w; correct this line first", err)
	}
	for i := range signers {
		s := &signers[i]
		// A line whose time is over counts as there: somebody ended the
		// key's validity, and that is not undone by the way.
		if bytes.Equal(s.key.Marshal(), pub.Marshal()) && s.principals == principal && (!s.limited || matchList(Namespace, s.namespaces)) {
			return false, nil
		}
	}
	line := fmt.Sprintf("%s namespaces=%q %s", principal, Namespace, ssh.MarshalAuthorizedKey(pub))
	if len(old) > 0 && old[len(old)-1] != '\n' {
		line = "\n" + line
	}
	if err := replace(file, append(old, line...)); err != nil {
		return false, err
	}
	return true, nil
}

// plain keeps out of a principal what would mean something else in the file.
func plain(principal string) error {
	ok := principal != "" && len(principal) <= 255 && !keyType(principal)
	for _, r := range principal {
		ok = ok && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@._-+:", r))
	}
	if !ok {
		return fmt.Errorf("principal %.64q: it must be a name such as root@host, of letters, digits and @ . _ - + : alone", principal)
	}
	return nil
}

// lock keeps two of us from losing each other's line. The lock is on the
// folder, since the file is replaced, and no lock file is left behind.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX); err != nil {
		d.Close()
		return nil, fmt.Errorf("%s: lock: %w", dir, err)
	}
	return func() { d.Close() }, nil
}

// replace swaps the content of file for data, and keeps its mode and owner:
// root adding a line must not take the file away from the repository's owner.
func replace(file string, data []byte) (err error) {
	draft, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() {
		draft.Close()
		if err != nil {
			err = errors.Join(err, os.Remove(draft.Name()))
		}
	}()
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(file); err == nil {
		mode = info.Mode().Perm()
		if is, ok := info.Sys().(*syscall.Stat_t); ok && (int(is.Uid) != os.Geteuid() || int(is.Gid) != os.Getegid()) {
			if err := draft.Chown(int(is.Uid), int(is.Gid)); err != nil {
				return err
			}
		}
	}
	if err := draft.Chmod(mode); err != nil {
		return err
	}
	if _, err := draft.Write(data); err != nil {
		return err
	}
	if err := draft.Sync(); err != nil {
		return err
	}
	if err := os.Rename(draft.Name(), file); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
