package backup

import (
	"context"

	"github.com/railiance/railiance/tools/internal/catalog"
)

// sweep removes the plaintext that killed runs left on the machine. It tells of
// all of it, and whether it is gone.
func (r *Run) sweep(ctx context.Context) bool {
	clean := true
	for _, a := range r.Layer.Assets {
		plaintext, err := a.Kind.Sweep(ctx)
		for _, name := range plaintext {
			r.Tell.Say("", "swept %s: a run before was killed", name)
		}
		if err != nil {
			r.Tell.Fail(a.Name, err)
			clean = false
		}
	}
	return clean
}

// abandon takes back what a run without a set had stored.
func (r *Run) abandon(ctx context.Context, m *catalog.Manifest) {
	if err := r.folder.Abandon(ctx, m.Time); err != nil {
		r.Tell.Fail("", err)
	}
}
