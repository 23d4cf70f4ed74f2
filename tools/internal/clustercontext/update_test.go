package clustercontext

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/state"
)

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "madagascar.json")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// An edit changes its bytes and leaves all others, however odd the file looks.
func TestEdits(t *testing.T) {
	const before = `{
	"_note" : "ours",
	"clusters": {"m": {
	  "nodes": {"a": { "hosts":"a" },   "b": {"hosts": "b", "rack": 1.50}}
	} } }
`
	set := func(value any, keys ...string) func(*Doc) error {
		return func(d *Doc) error { return d.Set(value, keys...) }
	}
	remove := func(keys ...string) func(*Doc) error { return func(d *Doc) error { return d.Remove(keys...) } }
	for name, test := range map[string]struct {
		change   func(*Doc) error
		old, new string
	}{
		"replace":          {set("root@a", "clusters", "m", "nodes", "a", "hosts"), `"hosts":"a"`, `"hosts":"root@a"`},
		"the same":         {set("a", "clusters", "m", "nodes", "a", "hosts"), "", ""},
		"no escapes":       {set("<&>", "_note"), `"ours"`, `"<&>"`},
		"insert on a line": {set(2, "clusters", "m", "nodes", "a", "rack"), `"hosts":"a"`, `"hosts":"a", "rack": 2`},
		"insert a line":    {set(true, "last"), "\t} } }", "\t} },\n\t\"last\": true }"},
		"insert deeply":    {set(1, "x", "y"), "\t} } }", "\t} },\n\t\"x\": {\n\t  \"y\": 1\n\t} }"},
		"remove first":     {remove("_note"), "\"_note\" : \"ours\",\n\t", ""},
		"remove last":      {remove("clusters", "m", "nodes", "b", "rack"), `, "rack": 1.50`, ""},
		"remove none":      {remove("clusters", "n"), "", ""},
		"remove within":    {remove("clusters", "m", "nodes", "a"), `"a": { "hosts":"a" },   `, ""},
		"put and remove": {func(d *Doc) error {
			return errors.Join(d.Set(map[string]any{}, "z"), d.Set("q", "z", "q"), d.Remove("z", "q"), d.Remove("z"))
		}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := written(t, before)
			if err := Update(t.Context(), path, test.change); err != nil {
				t.Fatal(err)
			}
			if got, want := content(t, path), strings.Replace(before, test.old, test.new, 1); got != want {
				t.Errorf("%s\nwant %s", got, want)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
				t.Errorf("%v, %v", info.Mode(), err)
			}
		})
	}
}

// A change that fails, or would make something that is no context, is none.
func TestUpdateRefuses(t *testing.T) {
	mine := errors.New("mine")
	for want, change := range map[string]func(*Doc) error{
		"mine":                             func(d *Doc) error { return errors.Join(d.Set(1, "x"), mine) },
		"the change is refused: ":          func(d *Doc) error { return d.Set("65520", "clusters", "m", "networks", "wan", "mtu") },
		"is the text \"a\", and cannot":    func(d *Doc) error { return d.Set(1, "clusters", "m", "nodes", "a", "hosts", "x") },
		"whole document cannot be removed": func(d *Doc) error { return d.Remove() },
		"unsupported":                      func(d *Doc) error { return d.Set(func() {}, "x") },
	} {
		path := written(t, small(""))
		err := Update(t.Context(), path, change)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
		if content(t, path) != small("") {
			t.Errorf("%s: it was written all the same", want)
		}
	}
	if err := Update(t.Context(), filepath.Join(t.TempDir(), "none"), func(*Doc) error { return nil }); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	// A file that is damaged is for a person to mend.
	path := written(t, `{"clusters": {`)
	if err := Update(t.Context(), path, func(d *Doc) error { return d.Set(1, "x") }); err == nil || content(t, path) != `{"clusters": {` {
		t.Errorf("%v", err)
	}
}

func TestUpdatesAtOnce(t *testing.T) {
	path := written(t, small(""))
	link := path + ".link"
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	draft := filepath.Join(filepath.Dir(path), ".draft-madagascar.json-1")
	if err := os.WriteFile(draft, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const many = 8
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if err := Update(t.Context(), link, func(d *Doc) error { return d.Set(i, fmt.Sprintf("n%d", i)) }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	c, err := Read(path)
	if err != nil || len(c.Unknown) != many {
		t.Errorf("%v, %v; want %d of them", c, err, many)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is no link: %v", err)
	}
	if _, err := os.Stat(draft); err == nil {
		t.Error("a killed run's draft is left")
	}
	lock, err := state.Acquire(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := Update(ctx, path, func(*Doc) error { return nil }); !errors.Is(err, state.ErrHeld) {
		t.Errorf("%v, want that the lock is held", err)
	}
}

func TestGet(t *testing.T) {
	err := Update(t.Context(), written(t, small("")), func(d *Doc) error {
		if b, there := d.Get("clusters", "m", "nodes", "a"); !there || string(b) != `{"hosts": "a"}` {
			t.Errorf("%s, %t", b, there)
		}
		if _, there := d.Get("clusters", "x"); there {
			t.Error("there is no x")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
