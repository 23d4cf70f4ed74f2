// Package tell is how a deed speaks to a person while it goes on: one line a
// thing, "program: layer/asset: what: why", on standard error, and a "hint:"
// line where somebody can act. Results are not told here; they go to standard
// output.
package tell

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Teller writes the story of one deed. The zero Teller is silent.
type Teller struct {
	Program, Layer string
	W              io.Writer
	Terminal       bool // progress is drawn rather than logged
	Stamped        bool // lines begin with the time, as a log wants them
	Colour         bool

	mu      sync.Mutex
	drawing atomic.Bool
}

// Say tells how it goes. asset may be empty.
func (t *Teller) Say(asset, format string, args ...any) {
	t.line("", asset, fmt.Sprintf(format, args...))
}

// Warn tells what did not fail, but will matter.
func (t *Teller) Warn(asset, format string, args ...any) {
	t.line("warning: ", asset, fmt.Sprintf(format, args...))
}

// Fail tells an error with the ways out that it knows.
func (t *Teller) Fail(asset string, err error) {
	t.line("error: ", asset, err.Error())
	for _, hint := range Hints(err) {
		t.line("hint: ", asset, hint)
	}
}

func (t *Teller) line(level, asset, what string) {
	if t == nil || t.W == nil {
		return
	}
	where := t.Layer
	if asset != "" {
		where += "/" + asset
	}
	if where != "" {
		where += ": "
	}
	var b strings.Builder
	if t.Stamped {
		b.WriteString(time.Now().UTC().Format("2006-01-02T15:04:05Z "))
	}
	colour, plain := "", ""
	if t.Colour {
		switch level {
		case "error: ":
			colour, plain = "\x1b[31m", "\x1b[0m"
		case "warning: ":
			colour, plain = "\x1b[33m", "\x1b[0m"
		}
	}
	fmt.Fprintf(&b, "%s: %s%s%s%s%s\n", t.Program, where, colour, level, plain, Line(what))
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.W, b.String())
}

// Line is s on one line, as for errors that were joined.
func Line(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ") }

// HintError is an error with a way out.
type HintError struct {
	Err  error
	Hint string
}

func (e *HintError) Error() string { return e.Err.Error() }

func (e *HintError) Unwrap() error { return e.Err }

// Hint adds a way out to an error; a nil error stays nil.
func Hint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &HintError{err, fmt.Sprintf(format, args...)}
}

// Hints are the ways out that an error and its causes know, each once.
func Hints(err error) []string {
	var hints []string
	seen := map[string]bool{}
	var walk func(error)
	walk = func(err error) {
		var hint *HintError
		switch e := err.(type) {
		case nil:
			return
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
			return
		case *HintError:
			hint = e
		}
		if hint != nil && !seen[hint.Hint] {
			seen[hint.Hint] = true
			hints = append(hints, hint.Hint)
		}
		walk(errors.Unwrap(err))
	}
	walk(err)
	return hints
}
