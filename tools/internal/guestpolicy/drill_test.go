package guestpolicy

import (
	"strings"
	"testing"
)

func TestWhereDrillsAreHeld(t *testing.T) {
	if p := policy(t, head); p.Drill != (Drill{IDs: IDs{990000, 990099}}) {
		t.Errorf("%+v", p.Drill)
	}
	p := policy(t, head+"drill: {ids: 9000-9009, node: ebony, storage: local-lvm}\n")
	if p.Drill != (Drill{IDs{9000, 9009}, "ebony", "local-lvm"}) {
		t.Errorf("%+v", p.Drill)
	}
	for text, want := range map[string]string{
		"{ids: 9000}":           `line 3: ids: "9000" are no numbers of guests`,
		"{ids: 9-20}":           "no numbers of guests",
		"{ids: 300-200}":        "no numbers of guests",
		"{ids: 100-1000000000}": "no numbers of guests",
		"{storage: '../x'}":     "drill.storage",
		"{node: a/b}":           "drill.node",
		"{id: 100-200}":         "field id not found",
	} {
		if _, err := read(head + "drill: " + text + "\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
