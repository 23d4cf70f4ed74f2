package guestpolicy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// Drill is where guests are rehearsed.
type Drill struct {
	IDs     IDs    `yaml:"ids"`     // a free one of them is taken; nothing else should have any
	Node    string `yaml:"node"`    // empty: where the guest ran
	Storage string `yaml:"storage"` // empty: where its disks were
}

// IDs are the numbers of guests from First to Last.
type IDs struct{ First, Last int }

// defaultIDs are far from what people choose, and from what Proxmox proposes.
var defaultIDs = IDs{990000, 990099}

// UnmarshalYAML reads 990000-990099.
func (i *IDs) UnmarshalYAML(n *yaml.Node) error {
	read, err := ParseIDs(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: ids: %w", n.Line, err)
	}
	*i = read
	return nil
}

// ParseIDs reads 990000-990099.
func ParseIDs(text string) (IDs, error) {
	first, last, ok := strings.Cut(text, "-")
	a, errA := strconv.Atoi(first)
	b, errB := strconv.Atoi(last)
	if !ok || errA != nil || errB != nil || a < 100 || b > 999999999 || a > b {
		return IDs{}, fmt.Errorf("%q are no numbers of guests, as 990000-990099", text)
	}
	return IDs{a, b}, nil
}

func (d *Drill) settle() error {
	if d.IDs == (IDs{}) {
		d.IDs = defaultIDs
	}
	switch {
	case d.Storage != "" && !storage.MatchString(d.Storage):
		return fmt.Errorf("drill.storage: %q is not the name of a storage", d.Storage)
	case strings.ContainsAny(d.Node, "/ "):
		return errors.New("drill.node: is not the name of a node")
	}
	return nil
}
