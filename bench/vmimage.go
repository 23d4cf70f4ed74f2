package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// mixture is an image of noise, text and holes, in pieces of 1 MiB.
func mixture(_ context.Context, path string, size int64) error {
	const piece = 1 << 20
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	noise := rand.NewChaCha8([32]byte{1})
	random := rand.New(rand.NewPCG(1, 1))
	words := vocabulary(random)
	common := rand.NewZipf(random, 1.2, 8, uint64(len(words)-1))
	buffer := make([]byte, piece)
	for at := int64(0); at < size; at += piece {
		switch part := at / piece % 10; {
		case part < 3:
			_, _ = noise.Read(buffer)
		case part < 6:
			text(buffer, words, common)
		default:
			continue
		}
		if _, err := f.WriteAt(buffer, at); err != nil {
			return err
		}
	}
	return errors.Join(f.Truncate(size), f.Close())
}

func vocabulary(random *rand.Rand) []string {
	words := make([]string, 20_000)
	for i := range words {
		word := make([]byte, 2+random.IntN(9))
		for j := range word {
			word[j] = "etaoinshrdlucmfwypvbgkjqxz"[min(random.IntN(26), random.IntN(26))]
		}
		words[i] = string(word)
	}
	return words
}

// text fills b with words, some more common than others, and numbers.
func text(b []byte, words []string, common *rand.Zipf) {
	for len(b) > 0 {
		n := common.Uint64()
		b = b[copy(b, words[n]):]
		if n%16 == 3 {
			b = b[copy(b, " "+strconv.FormatUint(n*2654435761, 10)+",\n"):]
		}
		b = b[copy(b, " "):]
	}
}

// fileSystem is an image of an ext4 file system, seven tenths full.
func fileSystem(ctx context.Context, path string, size int64) error {
	tree := path + ".tree"
	defer os.RemoveAll(tree)
	if err := gather(tree, size/10*7); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(path, size); err != nil {
		return err
	}
	return quiet(ctx, nil, "mkfs.ext4", "-q", "-d", tree, path)
}

// gather copies plain files of /usr until there are that many bytes.
func gather(to string, bytes int64) error {
	enough := errors.New("enough")
	err := filepath.WalkDir("/usr", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		// One file of a toolchain must not be half of the image.
		if err != nil || info.Size() > bytes/20 {
			return err
		}
		if bytes -= info.Size(); bytes < 0 {
			return enough
		}
		return copyFile(filepath.Join(to, path), path)
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

func copyFile(to, from string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// quiet runs a command that is not measured.
func quiet(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(cmd.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(name), err, bytes.TrimSpace(out))
	}
	return nil
}

// shell is a command line of the shell with its arguments.
func shell(script string, args ...string) []string {
	return append([]string{"sh", "-c", script, "sh"}, args...)
}

func clean(paths ...string) error {
	var all error
	for _, path := range paths {
		all = errors.Join(all, os.RemoveAll(path))
	}
	return all
}

func nothing() error { return nil }
