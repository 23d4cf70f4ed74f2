package layertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// private holds everything below a folder against 0600 or 0400 for files and
// 0700 for folders.
func private(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 9, "private FOLDER...")
	for _, dir := range args {
		files := 0
		ts.Check(walk(ts.MkAbs(dir), func(path string, info fs.FileInfo) error {
			files++
			switch mode := info.Mode(); {
			case mode.IsDir() && mode.Perm() == 0o700:
			case mode.IsRegular() && (mode.Perm() == 0o600 || mode.Perm() == 0o400):
			default:
				return fmt.Errorf("%s is %s", path, mode)
			}
			return nil
		}))
		if files < 2 {
			ts.Fatalf("%s is empty", dir)
		}
	}
}

// leftovers finds what no run may leave: drafts, the note of a run, plaintext.
// `! leftovers` is that there is nothing of it.
func leftovers(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, args, 0, 0, "leftovers")
	found, err := Leftovers(ts.Getenv("SETS"), Of(ts).Plaintext)
	ts.Check(err)
	if neg != (len(found) == 0) {
		ts.Fatalf("left behind: %q", found)
	}
}

// Leftovers are the files in the folder of the sets that only a run that was
// killed leaves, and those that match the patterns of plaintext.
func Leftovers(sets string, plaintext []string) ([]string, error) {
	patterns := append([]string{filepath.Join(sets, ".draft-*"), filepath.Join(sets, ".run")}, plaintext...)
	var found []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		found = append(found, files...)
	}
	return found, nil
}

// canaries looks for the world's secrets, plain and in base64, in the named
// files and folders and in what the last program said. It must not find them:
// `! canaries WHERE...`.
func canaries(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, args, 0, 99, "canaries WHERE...")
	found := ""
	look := func(where string, b []byte) {
		for _, canary := range Of(ts).Canaries {
			for _, form := range forms(canary) {
				if bytes.Contains(b, form) {
					found += fmt.Sprintf("%s holds %s\n", where, canary)
				}
			}
		}
	}
	look("stdout", []byte(ts.ReadFile("stdout")))
	look("stderr", []byte(ts.ReadFile("stderr")))
	for _, where := range args {
		ts.Check(walk(ts.MkAbs(where), func(path string, info fs.FileInfo) error {
			look("the name "+path, []byte(path))
			if !info.Mode().IsRegular() {
				return nil
			}
			b, err := os.ReadFile(path)
			look(path, b)
			return err
		}))
	}
	if neg != (found == "") {
		ts.Fatalf("canaries: %s", found)
	}
}

// forms are a secret as it is, and as it stands in a base64 text wherever it
// begins.
func forms(secret string) [][]byte {
	all := [][]byte{[]byte(secret)}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
		// The first and the last characters depend on the neighbours.
		all = append(all, []byte(encoded[4:len(encoded)-4]))
	}
	return all
}

type pictures map[string]map[string]string

type picturesKey struct{}

// remember takes a picture of a folder: remember FOLDER...
func remember(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, false, args, 1, 9, "remember FOLDER...")
	for _, dir := range args {
		picture, err := Picture(ts.MkAbs(dir))
		ts.Check(err)
		ts.Value(picturesKey{}).(pictures)[dir] = picture
	}
}

// unchanged compares folders with their pictures, names, modes and bytes.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, true, args, 1, 9, "unchanged FOLDER...")
	for _, dir := range args {
		before, ok := ts.Value(picturesKey{}).(pictures)[dir]
		if !ok {
			ts.Fatalf("%s was not remembered", dir)
		}
		now, err := Picture(ts.MkAbs(dir))
		ts.Check(err)
		if differences := Differences(before, now); neg != (len(differences) > 0) {
			ts.Fatalf("%s: %s", dir, strings.Join(differences, ", "))
		}
	}
}

// Picture is the mode and the hash of every file below dir. The lock is left
// out: that it was taken is no change. A folder that is not there is empty.
func Picture(dir string) (map[string]string, error) {
	picture := map[string]string{}
	err := walk(dir, func(path string, info fs.FileInfo) error {
		if info.Name() == ".lock" {
			return nil
		}
		picture[path] = info.Mode().String()
		if !info.Mode().IsRegular() {
			return nil
		}
		b, err := os.ReadFile(path)
		picture[path] += fmt.Sprintf(" %x", sha256.Sum256(b))
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return picture, nil
	}
	return picture, err
}

// Differences says in what two pictures differ.
func Differences(before, now map[string]string) []string {
	var all []string
	for path, what := range before {
		switch other, there := now[path]; {
		case !there:
			all = append(all, path+" is gone")
		case other != what:
			all = append(all, path+" is another")
		}
	}
	for path := range now {
		if _, there := before[path]; !there {
			all = append(all, path+" is new")
		}
	}
	slices.Sort(all)
	return all
}

func walk(root string, look func(string, fs.FileInfo) error) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return look(path, info)
	})
}
