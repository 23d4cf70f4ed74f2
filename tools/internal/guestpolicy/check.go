package guestpolicy

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/catalog"
)

func (p *Policy) check() error {
	switch {
	case p.Cluster == "":
		return errors.New("guests.cluster: missing: which cluster of the cluster context it is")
	case !slices.Contains([]string{Ignore, Warn, Require}, p.Network):
		return fmt.Errorf("guests.network: %q is none of %s, %s, %s", p.Network, Ignore, Warn, Require)
	case p.Parallel < 0:
		return fmt.Errorf("guests.parallel: %d is below 0", p.Parallel)
	case len(p.Sites) == 0:
		return errors.New("guests.sites: none: name stores of the cluster context, as nas/disk")
	}
	for i, s := range p.Sites {
		if !site.MatchString(s) {
			return fmt.Errorf("guests.sites[%d]: %q is not a store of a server, as nas/disk", i, s)
		}
		if slices.Contains(p.Sites[:i], s) {
			return fmt.Errorf("guests.sites[%d]: %s stands here twice", i, s)
		}
	}
	if err := p.Drill.settle(); err != nil {
		return fmt.Errorf("guests.%w", err)
	}
	if err := p.checkSettings(p.Default); err != nil {
		return fmt.Errorf("guests.default.%w", err)
	}
	if err := p.checkSettings(p.Nodes); err != nil {
		return fmt.Errorf("guests.nodes.%w", err)
	}
	seen := map[string]bool{}
	for i, m := range p.Rules {
		of, err := m.of()
		if err == nil && seen[of] {
			err = fmt.Errorf("there is a rule for %s already", of)
		}
		if err != nil {
			return fmt.Errorf("guests.rules[%d]: %w", i, err)
		}
		seen[of] = true
		if err := p.checkSettings(m.Settings); err != nil {
			return fmt.Errorf("guests.rules[%d] (%s): %w", i, of, err)
		}
	}
	return nil
}

var (
	site    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*$`)
	word    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_+.-]*(/[A-Za-z0-9_][A-Za-z0-9_+.-]*)*$`)
	storage = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]*$`)
)

// of is what the rule is of, and refuses one that is of nothing or of two things.
func (m Match) of() (string, error) {
	n := 0
	var of string
	if m.Guest != 0 {
		n, of = n+1, fmt.Sprintf("guest %d", m.Guest)
	}
	for kind, name := range map[string]string{"tag": m.Tag, "pool": m.Pool} {
		if name == "" {
			continue
		}
		if !word.MatchString(name) {
			return "", fmt.Errorf("%s: %q is not the name of one", kind, name)
		}
		n, of = n+1, kind+" "+name
	}
	switch {
	case n != 1:
		return "", errors.New("a rule says one of guest, tag and pool")
	case m.Guest != 0 && (m.Guest < 100 || m.Guest > 999999999):
		return "", fmt.Errorf("guest: %d is no number of a guest", m.Guest)
	}
	return of, nil
}

func (p *Policy) checkSettings(s Settings) error {
	if s.Fleecing != nil && *s.Fleecing != "" && !storage.MatchString(*s.Fleecing) {
		return fmt.Errorf("fleecing: %q is not the name of a storage", *s.Fleecing)
	}
	if s.Keep != nil {
		if err := s.Keep.Check(); err != nil {
			return err
		}
		// All of it unset keeps all, which nobody should get by a slip.
		if *s.Keep == (catalog.Keep{}) {
			return errors.New("keep: empty: say what to keep")
		}
	}
	for i, name := range s.Sites {
		if !slices.Contains(p.Sites, name) {
			return fmt.Errorf("sites[%d]: %q is none of guests.sites: %s", i, name, strings.Join(p.Sites, ", "))
		}
	}
	if s.Sites != nil && len(s.Sites) == 0 {
		return errors.New("sites: empty: skip: true is how a guest is left out")
	}
	if s.Spool != nil && s.Spool.Dir != "" && !filepath.IsAbs(s.Spool.Dir) {
		return fmt.Errorf("spool.dir: %q is not an absolute path", s.Spool.Dir)
	}
	return nil
}
