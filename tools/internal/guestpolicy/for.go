package guestpolicy

import (
	"slices"
	"strings"
)

// For is what holds for the guest of that number.
func (p Policy) For(id int, tags []string, pool string) Rule {
	r := p.base
	p.Default.over(&r)
	near := []func(Match) bool{
		func(m Match) bool { return m.Pool != "" && inPool(pool, m.Pool) },
		func(m Match) bool {
			// Proxmox takes tags of any case for the same, unless told otherwise.
			return m.Tag != "" && slices.ContainsFunc(tags, func(tag string) bool { return strings.EqualFold(tag, m.Tag) })
		},
		func(m Match) bool { return m.Guest == id },
	}
	for _, matches := range near {
		for _, m := range p.Rules {
			if matches(m) {
				m.over(&r)
			}
		}
	}
	r.Sites = slices.Clone(r.Sites)
	return r
}

// KeepIsSure says whether what is kept of a guest can be told without its tags
// and its pool, as of one that the cluster has no more.
func (p Policy) KeepIsSure(id int) bool {
	for _, m := range p.Rules {
		if m.Guest == id && m.Keep != nil {
			return true
		}
	}
	return !slices.ContainsFunc(p.Rules, func(m Match) bool { return m.Guest == 0 && m.Keep != nil })
}

// Node is what holds for the backups of the nodes themselves.
func (p Policy) Node() Rule {
	r := p.base
	p.Default.over(&r)
	p.Nodes.over(&r)
	r.Sites = slices.Clone(r.Sites)
	return r
}

// inPool says whether a pool is the one of the rule, or is nested in it.
func inPool(pool, of string) bool { return pool == of || strings.HasPrefix(pool, of+"/") }

// over lays what s says over r.
func (s Settings) over(r *Rule) {
	set(&r.Skip, s.Skip)
	set(&r.Fleecing, s.Fleecing)
	set(&r.Keep, s.Keep)
	set(&r.Window, s.Window)
	if s.Mode != nil {
		r.Mode = string(*s.Mode)
	}
	if s.Bandwidth != nil {
		r.BandwidthKiB = int(*s.Bandwidth / 1024)
	}
	if s.MaxAge != nil {
		r.MaxAge = s.MaxAge.Duration
	}
	if s.Timeout != nil {
		r.Timeout = s.Timeout.Duration
	}
	if len(s.Sites) > 0 {
		r.Sites = s.Sites
	}
	if s.Spool != nil {
		r.Spool.Max = s.Spool.Max
		if s.Spool.Dir != "" {
			r.Spool.Dir = s.Spool.Dir
		}
	}
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}
