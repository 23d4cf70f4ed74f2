package pve

import (
	"testing"

	"github.com/railiance/railiance/tools/internal/pvetest"
)

func TestMemory(t *testing.T) {
	w, c := world(t)
	for id, tt := range map[int]struct {
		value string
		want  int64
	}{100: {"2048", 2 << 30}, 101: {"current=1024", 1 << 30}, 102: {"nonsense", 512 << 20}} {
		ok(t, w.AddVM(pvetest.VM{ID: id, Node: "tapia", Keys: map[string]string{"memory": tt.value}}))
		g, err := c.Locate(soon(t), id)
		ok(t, err)
		if got, err := c.Memory(soon(t), g); err != nil || got != tt.want {
			t.Errorf("%s: %d, %v", tt.value, got, err)
		}
	}
	if free, err := c.FreeMemory(soon(t), "tapia"); err != nil || free != 8<<30 {
		t.Errorf("%d, %v", free, err)
	}
}
