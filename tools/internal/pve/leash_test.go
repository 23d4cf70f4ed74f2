package pve

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
)

type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// Who takes no more lets the program go at once: a guest must not be dumped to
// its end for nobody.
func TestLeashOfAProgramThatNobodyHears(t *testing.T) {
	ctx, stop := context.WithTimeoutCause(t.Context(), 10*time.Second, errors.New("it was held for ever"))
	defer stop()
	gone := errors.New("every site has failed")
	waits := host.Command{Args: []string{"sh", "-c", "echo data; exec cat >/dev/null"}}
	if _, err := leashed(ctx, waits, full{gone}, time.Hour); !errors.Is(err, gone) || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
