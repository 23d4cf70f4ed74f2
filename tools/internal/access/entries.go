package access

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

const maxEntries = 1000

// entry is one recipient as written, and the line that it stands on.
type entry struct {
	text string
	line int
}

// entries returns the age recipients of the rule as written, and which other
// kinds of keys it has.
func (r *rule) entries(where at) (ages []entry, others []string, err error) {
	if err := unknown(where, r.Unknown); err != nil {
		return nil, nil, err
	}
	switch {
	case len(r.KeyGroups) > 1:
		return nil, nil, where.errorf("the rule has %d key_groups, which asks for shares of several people at once (Shamir): "+
			"age cannot do that; put all recipients into one group, or give the artifacts a rule of their own", len(r.KeyGroups))
	case len(r.KeyGroups) == 1:
		where.what += ".key_groups[0]"
		c := collector{others: map[string]bool{}}
		if err := c.group(where, &r.KeyGroups[0]); err != nil {
			return nil, nil, err
		}
		if !r.Age.IsZero() && resolve(&r.Age).ShortTag() != "!!null" {
			return nil, nil, where.on(r.Age.Line).errorf("the rule has an age field beside key_groups, and sops ignores that field: " +
				"move its recipients into the group, or remove key_groups")
		}
		return c.entries, slices.Sorted(maps.Keys(c.others)), nil
	}
	where.what += ".age"
	ages, err = recipientsOf(where, &r.Age, true)
	if err != nil {
		return nil, nil, err
	}
	c := collector{others: map[string]bool{}}
	c.note("pgp", &r.PGP)
	c.note("kms", &r.KMS)
	c.note("gcp_kms", &r.GCPKMS)
	c.note("hckms", &r.HCKMS)
	c.note("azure_keyvault", &r.AzureKeyVault)
	c.note("hc_vault_transit_uri", &r.Vault)
	return ages, slices.Sorted(maps.Keys(c.others)), nil
}

// collector flattens a group and the groups that it merges, these first.
type collector struct {
	entries []entry
	others  map[string]bool
}

func (c *collector) group(where at, g *keyGroup) error {
	if err := unknown(where, g.Unknown); err != nil {
		return err
	}
	for i := range g.Merge {
		inner := where
		inner.what += fmt.Sprintf(".merge[%d]", i)
		if err := c.group(inner, &g.Merge[i]); err != nil {
			return err
		}
	}
	where.what += ".age"
	ages, err := recipientsOf(where, &g.Age, false)
	if err != nil {
		return err
	}
	if c.entries = append(c.entries, ages...); len(c.entries) > maxEntries {
		return where.errorf("%w", errTooMany)
	}
	c.note("pgp", &g.PGP)
	c.note("kms", &g.KMS)
	c.note("gcp_kms", &g.GCPKMS)
	c.note("hckms", &g.HCKMS)
	c.note("azure_keyvault", &g.AzureKeyVault)
	c.note("hc_vault", &g.Vault)
	return nil
}

// note remembers that there are keys of another kind, if the field has any.
func (c *collector) note(kind string, n *yaml.Node) {
	n = resolve(n)
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 || n.Kind == yaml.ScalarNode && n.Value != "" && n.ShortTag() != "!!null" {
		c.others[kind] = true
	}
}

// recipientsOf reads an age field: a list, whose items may again hold several
// with commas between them, or, where a rule and not a group has the field,
// one string.
func recipientsOf(where at, n *yaml.Node, scalar bool) ([]entry, error) {
	n = resolve(n)
	where = where.on(n.Line)
	switch {
	case n.IsZero(), n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return nil, nil
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!str" && scalar:
		return split(where, n, true)
	case n.Kind == yaml.ScalarNode && !scalar:
		return nil, where.errorf("in a key group this must be a list; write each recipient behind a dash")
	case n.Kind != yaml.SequenceNode:
		return nil, where.errorf("this must be a string, with commas between several recipients, or a list of strings")
	}
	var all []entry
	for i, item := range n.Content {
		here := where.on(item.Line)
		here.what += fmt.Sprintf("[%d]", i)
		item = resolve(item)
		if item.Kind != yaml.ScalarNode || item.ShortTag() != "!!str" {
			return nil, here.errorf("this must be a string: a recipient such as age1…")
		}
		entries, err := split(here, item, false)
		if err != nil {
			return nil, err
		}
		if all = append(all, entries...); len(all) > maxEntries {
			return nil, here.errorf("%w", errTooMany)
		}
	}
	return all, nil
}

// split takes a string with commas apart. sops lets an empty piece pass in a
// string, where a trailing comma is common, but not in a list.
func split(where at, n *yaml.Node, emptyToo bool) ([]entry, error) {
	if strings.Count(n.Value, ",") > maxEntries {
		return nil, where.errorf("%w", errTooMany)
	}
	var all []entry
	for piece := range strings.SplitSeq(n.Value, ",") {
		piece = strings.TrimSpace(piece)
		switch {
		case piece != "":
			all = append(all, entry{text: piece, line: where.line})
		case !emptyToo:
			return nil, where.errorf("a recipient is empty; remove it, or write the one that is missing")
		}
	}
	return all, nil
}

func unknown(where at, fields map[string]yaml.Node) error {
	if len(fields) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(fields))
	first := names[0]
	n := fields[first]
	return where.on(n.Line).errorf("the field %q is unknown: sops ignores it silently, so a misspelt one changes who may read; correct or remove it", redact(first))
}
