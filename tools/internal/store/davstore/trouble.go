package davstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/railiance/railiance/tools/internal/store/wire"
	"github.com/railiance/railiance/tools/internal/tell"
)

// refusal is an answer of the server that was not hoped for.
type refusal struct {
	method string
	status int
}

func (r *refusal) Error() string {
	return fmt.Sprintf("the server answers %s with status %d (%s)", r.method, r.status, http.StatusText(r.status))
}

func status(err error) int {
	var r *refusal
	if errors.As(err, &r) {
		return r.status
	}
	return 0
}

func (s *Site) try(ctx context.Context, f func() error) error {
	return wire.Try(ctx, s.pause, transient, f)
}

// transient says whether asking again may help.
func transient(err error) bool {
	switch status(err) {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusLocked, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return wire.Broken(err)
}

// explain says in words what went wrong, and what a person can do. Of nil it
// makes nil.
func (s *Site) explain(what string, err error) error {
	if err == nil {
		return nil
	}
	at := func(err error) error { return fmt.Errorf("store: %s: %s: %w", s.Where(), what, err) }
	var part *short
	var other *claimed
	switch code := status(err); {
	case errors.As(err, &part):
		return tell.Hint(at(err), "a proxy before the server may lose uploads without a length: let it pass requests on unbuffered, or raise its limits")
	case errors.As(err, &other):
		return tell.Hint(at(err), "if no other run is going on, run it again: it sweeps what a killed run left")
	case code == http.StatusNotFound:
		return at(fs.ErrNotExist)
	case code == http.StatusUnauthorized:
		return tell.Hint(at(err), "mend the user and the password in the sops file of this store; Nextcloud wants the password of an app")
	case code == http.StatusForbidden:
		return tell.Hint(at(err), "let the user write to this folder")
	case code == http.StatusInsufficientStorage:
		return tell.Hint(at(err), "there is no room: prune, empty the trash of the server, or raise the quota")
	case code == http.StatusRequestEntityTooLarge:
		return tell.Hint(at(err), "raise the limit for uploads of the server, and of proxies before it")
	case code >= 300 && code < 400:
		return tell.Hint(at(err), "the folder has another address: open it in a browser and put that into the cluster context")
	case code == http.StatusLocked:
		return tell.Hint(at(err), "somebody holds a lock on it: wait, or release it on the server")
	case code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return tell.Hint(at(err), "the server is overloaded, down or being maintained: run it again later")
	}
	return at(wire.Plain(err))
}
