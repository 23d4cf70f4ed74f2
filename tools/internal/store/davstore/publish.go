package davstore

import (
	"context"
	"errors"
	"io/fs"
	"net/http"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/wire"
)

// publish moves the draft to its name. Who has made the claim is the only one
// to do so.
func (f *folder) publish(ctx context.Context, u *upload) error {
	claim := f.at(f.dir, store.DraftPrefix+"claim-"+u.name)
	// 405 says that somebody else is at it, and Apache says 403 where he came at
	// the same moment. If he is through, the name is taken.
	refused := func(err error) bool {
		return status(err) == http.StatusMethodNotAllowed || status(err) == http.StatusForbidden
	}
	err := wire.Try(ctx, f.pause, func(err error) bool { return refused(err) || transient(err) }, func() error {
		resp, err := f.do(ctx, "MKCOL", claim, nil, nil, http.StatusCreated)
		if err == nil {
			return resp.Body.Close()
		}
		if refused(err) {
			if err := f.free(ctx, u.name); err != nil {
				return err
			}
		}
		return err
	})
	if status(err) == http.StatusMethodNotAllowed {
		return &claimed{err}
	}
	if err != nil {
		return err
	}
	defer u.detached(func(ctx context.Context) error { return f.remove(ctx, claim) })
	if err := f.free(ctx, u.name); err != nil {
		return err
	}
	header := map[string]string{"Destination": f.at(f.dir, u.name).String(), "Overwrite": "F"}
	err = f.ask(ctx, "MOVE", f.at(f.dir, u.draft), header, "", http.StatusCreated, http.StatusNoContent)
	if status(err) == http.StatusPreconditionFailed {
		return fs.ErrExist
	}
	if err != nil {
		// The answer may be lost, and the draft have its name.
		if _, gone := f.stat(context.WithoutCancel(ctx), u.draft); !missing(gone) {
			return err
		}
	}
	e, statErr := f.stat(context.WithoutCancel(ctx), u.name)
	if statErr != nil {
		return errors.Join(err, statErr)
	}
	if e.size != u.total {
		return &short{u.total, e.size}
	}
	u.sent = false
	return nil
}

// claimed says that another run publishes the same name.
type claimed struct{ err error }

func (*claimed) Error() string {
	return "another run is about to give this name, or was killed just then"
}

func (c *claimed) Unwrap() error { return c.err }
