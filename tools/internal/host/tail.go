package host

import (
	"strings"
	"sync"
	"unicode"
)

const (
	tailBytes = 4 << 10
	tailLines = 3
)

// tail keeps the end of what a program says, for an error to quote.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailBytes; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// String is the last lines on one line, printable.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.FieldsFunc(string(t.kept), func(r rune) bool { return r == '\n' || r == '\r' })
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return Printable(strings.Join(lines, "; "))
}

// Printable is s without what could act on a terminal: text from outside goes
// through it before a person sees it.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return '�'
		}
		return r
	}, s)
}

// bounded keeps up to max bytes and notes that there were more.
type bounded struct {
	max  int
	kept []byte
	over bool

	lost    int // bytes
	flooded func()
}

// lostMax is how many bytes of somebody who prints too much are read in vain.
const lostMax = 64 << 20

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.max - len(b.kept); len(p) > room {
		b.over = true
		b.kept = append(b.kept, p[:room]...)
		if b.lost += len(p) - room; b.lost > lostMax {
			b.flooded()
		}
	} else {
		b.kept = append(b.kept, p...)
	}
	return len(p), nil
}
