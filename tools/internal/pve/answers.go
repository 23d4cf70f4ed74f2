package pve

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// entry is a guest as a list of Proxmox tells of it; what is missing is zero.
type entry struct {
	ID       number `json:"vmid"`
	Type     text   `json:"type"`
	Node     text   `json:"node"`
	Name     text   `json:"name"`
	Status   text   `json:"status"`
	QMP      text   `json:"qmpstatus"`
	Lock     text   `json:"lock"`
	Pool     text   `json:"pool"`
	Tags     text   `json:"tags"`
	Template truth  `json:"template"`
	MaxDisk  number `json:"maxdisk"`
}

// guest is e as a Guest. kind is the type where the list does not tell it.
func (e entry) guest(kind, node string) (Guest, error) {
	if e.Type != "" {
		kind = string(e.Type)
	}
	if e.Node != "" {
		node = string(e.Node)
	}
	switch {
	case !e.ID.ok || !validID(int(e.ID.n)):
		return Guest{}, fmt.Errorf("a guest with the number %d", e.ID.n)
	case kind != VM && kind != CT:
		return Guest{}, fmt.Errorf("guest %d is of the type %q", e.ID.n, word(kind))
	case !validNode(node):
		return Guest{}, fmt.Errorf("guest %d is on a node called %q", e.ID.n, word(node))
	}
	g := Guest{
		ID: int(e.ID.n), Type: kind, Node: node, Name: word(e.Name), Status: status(e), Lock: word(e.Lock),
		Pool: word(e.Pool), Tags: words(e.Tags), Template: bool(e.Template), MaxDisk: max(0, e.MaxDisk.n),
	}
	if g.Name == "VM "+strconv.Itoa(g.ID) || g.Name == "CT "+strconv.Itoa(g.ID) {
		g.Name = "" // what Proxmox calls one without a name
	}
	return g, nil
}

func status(e entry) string {
	switch {
	case e.QMP == Paused || e.Status == Paused || e.QMP == "suspended" || e.QMP == "prelaunch":
		return Paused
	case e.Status == Running || e.Status == Stopped:
		return string(e.Status)
	}
	return Unknown
}

// guests reads a list of guests. What is no guest, or none that can be, is told
// in odd.
func guests(b []byte, kind, node string) (all []Guest, odd []string, err error) {
	entries, strange, err := list[entry](b)
	if err != nil {
		return nil, nil, err
	}
	if strange > 0 {
		odd = append(odd, fmt.Sprintf("%d entries of a list of guests are no objects", strange))
	}
	for _, e := range entries {
		g, err := e.guest(kind, node)
		if err != nil {
			odd = append(odd, err.Error())
			continue
		}
		all = append(all, g)
	}
	if len(odd) > 10 {
		odd = append(odd[:10], fmt.Sprintf("and %d more such", len(odd)-10))
	}
	return all, odd, nil
}

// place is where pmxcfs has the configuration of a guest.
type place struct {
	ID         int
	Node, Type string
}

// vmlist reads /etc/pve/.vmlist.
func vmlist(b []byte) ([]place, error) {
	var answer struct {
		IDs map[string]struct {
			Node text `json:"node"`
			Type text `json:"type"`
		} `json:"ids"`
	}
	if err := object(b, &answer); err != nil {
		return nil, err
	}
	if len(answer.IDs) > entriesMax {
		return nil, fmt.Errorf("has more than %d entries", entriesMax)
	}
	var all []place
	for key, at := range answer.IDs {
		id, err := strconv.Atoi(key)
		if err != nil || !validID(id) || !validNode(string(at.Node)) || at.Type != VM && at.Type != CT {
			return nil, fmt.Errorf("has an entry %q: node %q, type %q", word(key), word(at.Node), word(at.Type))
		}
		all = append(all, place{id, string(at.Node), string(at.Type)})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all, nil
}

// membership is what a node says of itself and of the others.
type membership struct {
	self    string
	quorate bool
	members []string // the names of all nodes
}

func readStatus(b []byte) (membership, error) {
	entries, _, err := list[struct {
		Type    text  `json:"type"`
		Name    text  `json:"name"`
		Local   truth `json:"local"`
		Quorate truth `json:"quorate"`
	}](b)
	if err != nil {
		return membership{}, err
	}
	m := membership{quorate: true} // a node by itself has no entry of a cluster
	for _, e := range entries {
		switch e.Type {
		case "cluster":
			m.quorate = bool(e.Quorate)
		case "node":
			if !validNode(string(e.Name)) {
				return membership{}, fmt.Errorf("tells of a node called %q", word(e.Name))
			}
			m.members = append(m.members, string(e.Name))
			if e.Local {
				m.self = string(e.Name)
			}
		}
	}
	if m.self == "" {
		return membership{}, fmt.Errorf("does not tell which node it is")
	}
	return m, nil
}

// version reads the answer of /version.
func version(b []byte) (string, error) {
	var v struct {
		Version text `json:"version"`
	}
	err := object(b, &v)
	return strings.TrimSpace(word(v.Version)), err
}
