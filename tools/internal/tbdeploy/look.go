package tbdeploy

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

// Has is what a node has at a path.
type Has struct {
	There bool
	Odd   bool // a folder, or the like
	Text  string
	Link  string // where it leads, if it is a symbolic link; what is there need not be
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
	lost     []string // of that, what the node no longer has
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

// edited are the files that somebody changed, or made, since they were deployed.
func (n *node) edited(files []File) []string {
	var all []string
	for _, f := range files {
		has := n.files[f.Path]
		if same(f, has) {
			continue
		}
		if has.Odd || has.Link != "" && !has.There || has.There && has.Text != f.Text && n.record[f.Path] != sum(has.Text) || !has.There && n.record[f.Path] != "" && !f.Gone {
			all = append(all, f.Path)
		}
	}
	return all
}

func sum(text string) string {
	h := sha256.Sum256([]byte(text))
	return hex.EncodeToString(h[:])
}
