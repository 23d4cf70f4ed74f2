package tbdeploy

import (
	"encoding/base64"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

func (n *node) tell(kind string, args []string) error {
	switch kind {
	case "pending":
		n.pending = true
		return nil
	case "held":
		n.held = true
		return nil
	case "vlans":
		n.vlans = true
		return nil
	}
	if len(args) == 0 {
		return fmt.Errorf("%q without a value", kind)
	}
	switch kind {
	case "lacks":
		n.lacks = append(n.lacks, host.Printable(args[0]))
	case "over":
		n.over = append(n.over, args[0])
	case "member":
		n.members = append(n.members, host.Printable(args[0]))
	case "kept":
		n.kept = host.Printable(args[0])
	case "path":
		if len(args) != 2 || len(n.before) == 0 || !ours(args[1]) || !slices.Contains([]string{"0644", "0755"}, args[0]) {
			return errors.New("a kept file without a place")
		}
		last := &n.before[len(n.before)-1]
		last.Mode, last.Path = args[0], args[1]
	case "leads":
		return n.leads(args)
	case "file", "record", "other", "link", "was":
		path, has, err := content(args)
		if err != nil {
			return err
		}
		switch kind {
		case "file":
			n.files[path] = has
		case "other":
			n.others[path] = has.Text
		case "link":
			n.links[path] = has.Text
		case "was":
			f := File{Text: has.Text, Gone: !has.There}
			if !f.Gone {
				f.Kept = keptAs(path)
			}
			if has.Odd {
				n.lost = append(n.lost, path)
			}
			n.before = append(n.before, f)
		case "record":
			n.recorded = has.There
			for line := range strings.Lines(has.Text) {
				if sum, path, is := strings.Cut(strings.TrimSpace(line), "  "); is {
					n.record[path] = sum
				}
			}
		}
	}
	return nil
}

// leads notes where a symbolic link leads, of what was told last.
func (n *node) leads(args []string) error {
	path, has, err := content(args)
	to := strings.TrimSuffix(has.Text, "\n")
	if err != nil || to == "" {
		return errors.Join(errors.New("a symbolic link that leads nowhere"), err)
	}
	if f, is := n.files[path]; is {
		f.Link = to
		n.files[path] = f
		return nil
	}
	if len(n.before) == 0 {
		return errors.New("a symbolic link without a place")
	}
	last := &n.before[len(n.before)-1]
	last.Link, last.Gone, last.Kept = to, false, keptAs(path)
	return nil
}

// keptAs is a path of what a node has kept as begin takes it.
func keptAs(p string) string { return strings.TrimPrefix(p, "/var/lib/railiance/thunderbolt/kept/") }

// content is what a node tells of a path, in one word after it. The path of
// somebody else's file may have spaces.
func content(args []string) (path string, has Has, err error) {
	path, word := strings.Join(args[:len(args)-1], " "), args[len(args)-1]
	switch encoded, is := strings.CutPrefix(word, "="); {
	case path == "":
		return "", Has{}, errors.New("nothing of " + host.Printable(word))
	case word == "-":
		return path, Has{}, nil
	case word == "!":
		return path, Has{Odd: true}, nil
	case is:
		text, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return "", Has{}, fmt.Errorf("%s: %w", host.Printable(path), err)
		}
		return path, Has{There: true, Text: string(text)}, nil
	}
	return "", Has{}, fmt.Errorf("nothing of %s", host.Printable(strings.Join(args, " ")))
}

// ours tells whether tb-deploy writes at the path: what a node has kept must not
// lead it elsewhere.
func ours(p string) bool {
	if p == rulesPath || p == stanzaPath || p == hookPath {
		return true
	}
	before, after, _ := strings.Cut(linkPath, "%s")
	name, is := strings.CutPrefix(p, before)
	return is && strings.HasSuffix(name, after) && path.Clean(p) == p && !strings.Contains(name, "/")
}
