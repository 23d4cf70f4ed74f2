package storetest

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/railiance/railiance/tools/internal/store"
)

// RunSite runs the suite of a store on a store of the site, and then that of
// the site itself. open gives an empty site.
func RunSite(t *testing.T, open func(t *testing.T) store.Site) {
	t.Helper()
	Run(t, func(t *testing.T) store.Store { return in(t, open(t), "guest-100") })
	for name, test := range map[string]func(*testing.T, store.Site){
		"stores lie side by side":                  sideBySide,
		"names of stores that could leave":         hostileStores,
		"a store that nothing was put to is empty": never,
		"a site that is whole passes its check":    whole,
		"a sweep takes no artifact":                sweptEmpty,
		"several write at once":                    atOnce,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("guests are begun at once", func(t *testing.T) {
		for range 5 { // a site writes for its first check only
			begunAtOnce(t, open(t))
		}
	})
}

// Each guest is begun with a check of the site and a sweep of its own folder:
// the one must not take away what another's check has just written.
func begunAtOnce(t *testing.T, s store.Site) {
	t.Helper()
	var together sync.WaitGroup
	for _, name := range []string{"vm-1", "vm-2", "vm-3", "ct-4", "ct-5", "ct-6"} {
		together.Go(func() {
			for range 3 {
				if err := s.Check(context.Background(), 1); err != nil {
					t.Error(err)
				}
				if swept, err := s.Sweep(context.Background(), name); err != nil || len(swept) > 0 {
					t.Errorf("sweep: %q, %v", swept, err)
				}
			}
		})
	}
	together.Wait()
}

func in(t *testing.T, s store.Site, name string) store.Store {
	t.Helper()
	st, err := s.Store(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func sideBySide(t *testing.T, s store.Site) {
	for _, name := range []string{"vm-9", "vm-10", "vm-1", "pve-host-ebony"} {
		if err := put(in(t, s, name), "a", []byte(name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"vm-1", "vm-10"} {
		if got := get(t, in(t, s, name), "a"); string(got) != name {
			t.Errorf("%s holds what is %s's", name, got)
		}
		if all := names(t, in(t, s, name)); !slices.Equal(all, []string{"a"}) {
			t.Errorf("%s lists %q", name, all)
		}
	}
	if err := in(t, s, "vm-1").Remove(context.Background(), "a"); err != nil {
		t.Fatal(err)
	}
	if got := get(t, in(t, s, "vm-10"), "a"); string(got) != "vm-10" {
		t.Errorf("vm-10 holds %q", got)
	}
	all, err := s.Names(context.Background())
	if want := []string{"pve-host-ebony", "vm-10", "vm-9"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("names: %q, %v; want %q, without the one that holds nothing any more", all, err, want)
	}
}

func hostileStores(t *testing.T, s store.Site) {
	for _, name := range []string{"", ".", "..", "../out", "a/b", "/etc", `a\b`, "a b", "a\n", ".draft-a", strings.Repeat("n", 300)} {
		if _, err := s.Store(context.Background(), name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("store %q: %v, want fs.ErrInvalid", name, err)
		}
		if _, err := s.Sweep(context.Background(), name); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("sweep %q: %v, want fs.ErrInvalid", name, err)
		}
	}
}

// Asking must neither fail nor make anything.
func never(t *testing.T, s store.Site) {
	st := in(t, s, "vm-1")
	if all := names(t, st); len(all) > 0 {
		t.Errorf("list: %q", all)
	}
	if _, err := st.Open(context.Background(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: %v, want fs.ErrNotExist", err)
	}
	if err := st.Remove(context.Background(), "a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("remove: %v, want fs.ErrNotExist", err)
	}
	if swept, err := s.Sweep(context.Background(), "vm-1"); err != nil || len(swept) > 0 {
		t.Errorf("sweep: %q, %v", swept, err)
	}
	if all, err := s.Names(context.Background()); err != nil || len(all) > 0 {
		t.Errorf("names: %q, %v", all, err)
	}
}

func whole(t *testing.T, s store.Site) {
	if err := s.Check(context.Background(), 1); err != nil {
		t.Error(err)
	}
	if all, err := s.Names(context.Background()); err != nil || len(all) > 0 {
		t.Errorf("the check left %q, %v", all, err)
	}
	if s.Where() == "" {
		t.Error("nobody can tell where it is")
	}
}

func sweptEmpty(t *testing.T, s store.Site) {
	st := in(t, s, "vm-1")
	if err := put(st, "a", content(7, large)); err != nil {
		t.Fatal(err)
	}
	if swept, err := s.Sweep(context.Background(), "vm-1"); err != nil || len(swept) > 0 {
		t.Errorf("%q, %v", swept, err)
	}
	if got := get(t, st, "a"); !bytes.Equal(got, content(7, large)) {
		t.Errorf("%d bytes are left", len(got))
	}
}

func atOnce(t *testing.T, s store.Site) {
	var together sync.WaitGroup
	guests := []string{"vm-1", "vm-2", "vm-3", "ct-4"}
	for i, name := range guests {
		st := in(t, s, name)
		for _, artifact := range []string{"disks", "manifest"} {
			together.Go(func() {
				if err := put(st, artifact, content(byte(i), large)); err != nil {
					t.Error(err)
				}
			})
		}
	}
	together.Wait()
	for i, name := range guests {
		if got := get(t, in(t, s, name), "disks"); !bytes.Equal(got, content(byte(i), large)) {
			t.Errorf("%s holds something else", name)
		}
	}
}
