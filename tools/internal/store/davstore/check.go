package davstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Check makes the folder where it is missing, and writes a draft, the first time.
func (s *Site) Check(ctx context.Context, want int64) error {
	if err := s.makeFolder(ctx, s.base, 0); err != nil {
		return s.explain("make the folder", err)
	}
	all, err := s.propfind(ctx, s.base, "0")
	if err != nil {
		return s.explain("look", s.away(err))
	}
	if free := all[0].free; want > 0 && free >= 0 && free < want {
		err := fmt.Errorf("store: %s: has %s free, %s are needed", s.Where(), tell.Bytes(free), tell.Bytes(want))
		return tell.Hint(err, "prune, empty the trash of the server, or raise the quota")
	}
	if s.wrote.Load() {
		return nil
	}
	draft := s.at(store.DraftPrefix + "check-" + rand.Text())
	if err := s.ask(ctx, http.MethodPut, draft, nil, "x", http.StatusCreated, http.StatusNoContent, http.StatusOK); err != nil {
		return s.explain("write", err)
	}
	err = s.remove(ctx, draft)
	if missing(err) {
		err = nil // another guest's Sweep came first
	}
	s.wrote.Store(err == nil)
	return s.explain("remove", err)
}

// makeFolder makes the folder at u, and those above it that are missing.
func (s *Site) makeFolder(ctx context.Context, u *url.URL, depth int) error {
	// 405 says that there is something already.
	mkcol := func() error {
		return s.ask(ctx, "MKCOL", u, nil, "", http.StatusCreated, http.StatusOK, http.StatusMethodNotAllowed)
	}
	err := mkcol()
	if status(err) == http.StatusForbidden {
		// Apache says so too where another made it at the same moment.
		if _, other := s.propfind(ctx, u, "0"); other == nil {
			return nil
		}
	}
	if status(err) != http.StatusConflict && !missing(err) || depth > 20 {
		return err
	}
	above := *u
	above.Path = u.Path[:max(strings.LastIndex(u.Path, "/"), 0)]
	if above.Path == "" {
		return err
	}
	if err := s.makeFolder(ctx, &above, depth+1); err != nil {
		return err
	}
	return mkcol()
}

// remove removes what is at u. Gone is gone: the first answer may have been lost.
func (s *Site) remove(ctx context.Context, u *url.URL) error {
	tried := 0
	err := s.try(ctx, func() error {
		tried++
		resp, err := s.do(ctx, http.MethodDelete, u, nil, nil, http.StatusNoContent, http.StatusOK)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if missing(err) && tried > 1 {
		return nil
	}
	return err
}

// Sweep also removes what a Check left that was killed.
func (s *Site) Sweep(ctx context.Context, name string) ([]string, error) {
	if err := store.CheckName(name); err != nil {
		return nil, err
	}
	if _, err := s.sweep(ctx); err != nil {
		return nil, s.explain("sweep", s.away(err))
	}
	swept, err := s.sweep(ctx, name)
	if missing(err) {
		err = nil // nothing was put yet
	}
	return swept, s.explain("sweep "+name, err)
}

func (s *Site) sweep(ctx context.Context, names ...string) ([]string, error) {
	all, err := s.propfind(ctx, s.at(names...), "1")
	if err != nil {
		return nil, err
	}
	var swept []string
	for _, e := range all {
		if !strings.HasPrefix(e.name, store.DraftPrefix) || strings.ContainsAny(e.name, "/\\") {
			continue
		}
		if err := s.remove(ctx, s.at(append(slices.Clone(names), e.name)...)); err != nil && !missing(err) {
			return swept, err
		}
		swept = append(swept, e.name)
	}
	slices.Sort(swept)
	return swept, nil
}
