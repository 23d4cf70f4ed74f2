package host

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// What a program that failed had printed may look whole: its failure counts.
// One that does well is not to blame for what its reader makes of it.
func TestRead(t *testing.T) {
	ours := errors.New("it makes no sense")
	all := func(r io.Reader) error { _, err := io.ReadAll(r); return err }
	for name, test := range map[string]struct {
		script string
		use    func(io.Reader) error
		status int // of the error; 0: ours
		want   error
	}{
		"all well":                  {"echo hello", all, 0, nil},
		"it fails at its end":       {"echo hello; exit 3", func(r io.Reader) error { _ = all(r); return nil }, 3, nil},
		"it fails, and so do we":    {"echo hello; exit 3", func(r io.Reader) error { _ = all(r); return ours }, 3, nil},
		"only we fail":              {"echo hello", func(r io.Reader) error { _ = all(r); return ours }, 0, ours},
		"we fail in the middle":     {"while echo hello; do :; done", func(io.Reader) error { return ours }, 0, ours},
		"we have enough of it":      {"while echo hello; do :; done", func(io.Reader) error { return nil }, 0, nil},
		"it fails before we are in": {"exit 4", all, 4, nil},
	} {
		err := Read(t.Context(), Command{Args: []string{"sh", "-c", test.script}}, test.use)
		var exit *ExitError
		switch {
		case test.status != 0 && (!errors.As(err, &exit) || exit.Code != test.status):
			t.Errorf("%s: %v, want status %d", name, err, test.status)
		case test.status == 0 && !errors.Is(err, test.want) || err == nil != (test.want == nil && test.status == 0):
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
	got := ""
	if err := Read(t.Context(), Command{Args: []string{"echo", "hello"}}, func(r io.Reader) error {
		text, err := io.ReadAll(r)
		got = string(text)
		return err
	}); err != nil || strings.TrimSpace(got) != "hello" {
		t.Errorf("%q, %v", got, err)
	}
}
