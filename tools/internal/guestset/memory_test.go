package guestset_test

import (
	"reflect"
	"testing"

	"github.com/railiance/railiance/tools/internal/guestset"
	"github.com/railiance/railiance/tools/internal/state"
)

// What was seen in one site says nothing of another, and what is no folder of a
// guest is not taken for one.
func TestMemoryKnowsWhatASiteHeld(t *testing.T) {
	root := t.TempDir()
	m := guestset.MemoryOf(root, "madagascar")
	if known, err := m.Known("nas/disk"); err != nil || known != nil {
		t.Errorf("of nothing: %v, %v", known, err)
	}
	vm, node := guestset.Guest(guestset.VM, 100), guestset.Subject{Kind: guestset.Node, Name: "baobab"}
	for _, path := range []string{m.Seen("nas/disk", vm), m.Seen("nas/disk", node), m.Seen("nas/cloud", vm), m.Last(vm), root + "/madagascar/nas/disk/else.seen"} {
		if err := state.WriteSeen(path, state.Seen{Sequence: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for site, want := range map[string][]guestset.Subject{"nas/disk": {node, vm}, "nas/cloud": {vm}, "nas": nil} {
		if known, err := m.Known(site); err != nil || !reflect.DeepEqual(known, want) {
			t.Errorf("%s: %v, %v", site, known, err)
		}
	}
}
