package thunderbolt

import (
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestParsePing(t *testing.T) {
	for text, want := range map[string]Ping{
		"ping: connect: Network is unreachable\n":                                            {Said: "connect: Network is unreachable"},
		"10 packets transmitted, 7 received, 30% packet loss, time 9ms":                      {Sent: 10, Received: 7},
		"2 packets transmitted, 2 received, +4 duplicates, 0% packet loss":                   {Sent: 2, Received: 2},
		"2 packets transmitted, 9 received, 0% packet loss":                                  {Sent: 2, Received: 2},
		"ping: local error: message too long, mtu=1500\n4 packets transmitted, 0 received, ": {Sent: 4, Said: "message too long, mtu=1500"},
	} {
		if got, err := ParsePing(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "\x00\x1b[2J", "99999999 packets transmitted, 1 received", "-1 packets transmitted, -1 received"} {
		if got, err := ParsePing(text); err == nil {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

func TestBridgeID(t *testing.T) {
	id, err := parseBridgeID("8000.a:5b:b8:4e:46:d6")
	if err != nil || id != 0x80000a5bb84e46d6 {
		t.Errorf("%x, %v", id, err)
	}
	for _, s := range []string{"8000", "8000.a:b:c:d:e", "8000.a:b:c:d:e:f:0", "18000.a:b:c:d:e:f", "8000.a:b:c:d:e:100", "x.a:b:c:d:e:f", "."} {
		if got, err := parseBridgeID(s); err == nil {
			t.Errorf("%q was taken as %x", s, got)
		}
	}
}

// Whatever a node sends, nothing panics, and nothing that acts on a terminal
// comes out.
func FuzzDiagnose(f *testing.F) {
	archive, err := txtar.ParseFile(filepath.Join("testdata", "recorded", "healthy.txtar"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &Seen{}
		s.Links, _ = ParseLinks(text)
		if s.Links != nil {
			_ = ParseStates(text, s.Links)
		}
		s.Addresses, _ = ParseAddresses(text)
		s.Routes, _ = ParseRoutes(text)
		s.Neighbours, _ = ParseNeighbours(text)
		s.Learned, _ = ParseLearned(text)
		if p, err := ParsePing(string(text)); err == nil {
			p.To = "tapia"
			s.Pings = append(s.Pings, p)
		}
		for _, cables := range []bool{true, false} {
			d := Diagnose(threeNodes(cables), Observation{"baobab": s, "ebony": s, "tapia": {SSH: SSH{Trouble: Refused, Said: string(text)}}})
			var page strings.Builder
			if err := d.Write(&page); err != nil {
				t.Fatal(err)
			}
			page.Write(d.Prometheus("madagascar", time.Unix(1795262400, 0)))
			if i := strings.IndexFunc(page.String(), func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 {
				t.Errorf("a control character at %d of %q", i, page.String())
			}
		}
	})
}
