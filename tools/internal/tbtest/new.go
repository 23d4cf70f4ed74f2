package tbtest

import (
	"testing"

	"github.com/railiance/railiance/tools/internal/mustrun"
)

// New is Start for a test, which it skips where there can be no ring. The ring
// goes with the test.
func New(t testing.TB, n int) *Ring {
	t.Helper()
	Need(t)
	r, err := Start(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Need skips a test where there can be no ring.
func Need(t testing.TB) {
	t.Helper()
	mustrun.Root(t)
	for _, program := range programs() {
		mustrun.Command(t, program)
	}
}
