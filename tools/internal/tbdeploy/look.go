package tbdeploy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// Has is what a node has at a path.
type Has struct {
	There bool
	Odd   bool // a folder, or the like
	Text  string
}

// node is what was found on a node.
type node struct {
	files    map[string]Has
	record   map[string]string // SHA-256 in hex of what was deployed, by path
	recorded bool
	others   map[string]string // of ifupdown2, by path
	links    map[string]string // .link files that are not ours, by path
	pending  bool              // a deployment is not at its end
	held     bool              // and somebody is at it
	lacks    []string
	over     []string // interfaces over which ssh came
	members  []string // of its bridge
	vlans    bool     // its bridge knows VLANs
	kept     string   // name of the last deployment; empty: none
	before   []File   // what was there before it
}

const lookMax = 8 << 20

// look looks at a node. It changes nothing. bridge is empty where none matters.
func look(ctx context.Context, r host.Remote, bridge string, paths []string) (*node, error) {
	word := "tb" + rand.Text()
	out, err := host.Output(ctx, r.Command(command("look", append([]string{word, bridge}, paths...)...)), lookMax)
	if err != nil {
		return nil, err
	}
	n := &node{files: map[string]Has{}, record: map[string]string{}, others: map[string]string{}, links: map[string]string{}}
	ended := false
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, lookMax)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || fields[0] != word {
			continue
		}
		if fields[1] == "end" {
			ended = true
			continue
		}
		if err := n.tell(fields[1], fields[2:]); err != nil {
			return nil, fmt.Errorf("what the node answers makes no sense: %w", err)
		}
	}
	if err := errors.Join(lines.Err(), whole(ended)); err != nil {
		return nil, fmt.Errorf("what the node answers makes no sense: %w", err)
	}
	for _, p := range paths {
		if _, told := n.files[p]; !told {
			return nil, fmt.Errorf("what the node answers makes no sense: nothing of %s", p)
		}
	}
	return n, nil
}

func whole(ended bool) error {
	if !ended {
		return errors.New("it breaks off")
	}
	return nil
}

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
	case "file", "record", "other", "link", "was":
		has, err := content(args)
		if err != nil {
			return err
		}
		switch kind {
		case "file":
			n.files[args[0]] = has
		case "other":
			n.others[args[0]] = has.Text
		case "link":
			n.links[args[0]] = has.Text
		case "was":
			n.before = append(n.before, File{Text: has.Text, Gone: !has.There})
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

func content(args []string) (Has, error) {
	if len(args) == 1 {
		return Has{There: true}, nil // an empty file
	}
	switch args[1] {
	case "-":
		return Has{}, nil
	case "!":
		return Has{Odd: true}, nil
	}
	text, err := base64.StdEncoding.DecodeString(args[1])
	if err != nil {
		return Has{}, fmt.Errorf("%s: %w", host.Printable(args[0]), err)
	}
	return Has{There: true, Text: string(text)}, nil
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

// edited are the files that somebody changed, or made, since they were deployed.
func (n *node) edited(files []File) []string {
	var all []string
	for _, f := range files {
		has := n.files[f.Path]
		if has.Odd || has.There && has.Text != f.Text && n.record[f.Path] != sum(has.Text) || !has.There && n.record[f.Path] != "" && !f.Gone {
			all = append(all, f.Path)
		}
	}
	return all
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}
