package guestset_test

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/guestset"
)

func TestSubjects(t *testing.T) {
	for name, want := range map[string]guestset.Subject{
		"vm-100":         guestset.Guest(guestset.VM, 100),
		"ct-999999999":   guestset.Guest(guestset.CT, 999999999),
		"node-baobab":    {Kind: guestset.Node, Name: "baobab"},
		"node-a1-b":      {Kind: guestset.Node, Name: "a1-b"},
		"vm-99":          {},
		"vm-0100":        {},
		"vm-1000000000":  {},
		"vm--100":        {},
		"node--a":        {},
		"node-A":         {},
		"node-a.b":       {},
		"node-../up":     {},
		"":               {},
		"vm-100/../x":    {},
		"vm-100\n":       {},
		"kubeconfig-100": {},
	} {
		got, err := guestset.Parse(name)
		if refused := want == (guestset.Subject{}); got != want || (err != nil) != refused {
			t.Errorf("%q is %+v, %v", name, got, err)
		}
		if err == nil && got.String() != name {
			t.Errorf("%q came back as %q", name, got)
		}
	}
}

func TestAbout(t *testing.T) {
	a := guestset.About{
		Guest: 100, Type: "qemu", Name: "web", Node: "baobab", Time: time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC), Mode: "snapshot",
		Config: "name: web\n", Log: "INFO: …\n", Disks: []guestset.Disk{{Key: "scsi0", Device: "drive-scsi0", Size: 1 << 30, Stored: 1 << 20}},
		LeftOut: []guestset.LeftOut{{Key: "scsi1", Why: "backup=0"}},
	}
	b, err := a.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := guestset.DecodeAbout(bytes.NewReader(b))
	if a.Format = 1; err != nil || !reflect.DeepEqual(got, a) {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"":                             "EOF",
		`{"format":2}`:                 "a newer version wrote it",
		`{"format":1,"surprise":true}`: "unknown field",
		string(b[:len(b)/2]):           "unexpected EOF",
	} {
		if _, err := guestset.DecodeAbout(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	if _, err := guestset.DecodeAbout(endless{}); err == nil {
		t.Error("an account without an end was read")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
