package asset

import "testing"

// Only what we asked k3s for is ours to delete.
func TestOurSnapshots(t *testing.T) {
	for name, want := range map[string]bool{
		"railiance-20261121T020000Z-k3s-1-1795281633":          true,
		"railiance-20261121T020000Z-k3s-1-1795281633.zip":      true,
		"railiance-20261121T020000Z-k3s-1-1795281633.part":     true,
		"railiance-20261121T020000Z-k3s-1-1795281633.zip.part": true,
		"railiance-20261121T020000Z":                           false,
		"railiance-before-upgrade-k3s-1-1795281633":            false,
		"railiance-20261121-k3s-1-1795281633":                  false,
		"on-demand-k3s-1-1795281633":                           false,
		"etcd-snapshot-k3s-1-1795281633":                       false,
		"my-railiance-20261121T020000Z-k3s-1-1795281633":       false,
		"railiance-20261121T020000Z-k3s-1-1795281633.keep":     false,
		"railiance-20261121T020000Z-k3s-1-17952816x3":          false,
	} {
		if got := ours.MatchString(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
