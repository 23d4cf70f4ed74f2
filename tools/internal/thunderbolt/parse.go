package thunderbolt

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// entriesMax bounds every list that a node sends.
const entriesMax = 10_000

// list reads one of iproute2's arrays. An empty text is an empty list: old
// versions print nothing for nothing.
func list[T any](text []byte) ([]T, error) {
	if len(strings.TrimSpace(string(text))) == 0 {
		return nil, nil
	}
	var all []T
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("is not the JSON that iproute2 writes: %s", clean(err.Error()))
	}
	if len(all) > entriesMax {
		return nil, fmt.Errorf("has %d entries", len(all))
	}
	return all, nil
}

type counters struct {
	Packets uint64 `json:"packets"`
	Errors  uint64 `json:"errors"`
	Dropped uint64 `json:"dropped"`
}

type ipLink struct {
	Index   int      `json:"ifindex"`
	Peer    int      `json:"link_index"`
	Name    string   `json:"ifname"`
	Flags   []string `json:"flags"`
	MTU     int      `json:"mtu"`
	Master  string   `json:"master"`
	Address string   `json:"address"`
	Bus     string   `json:"parentbus"`
	Info    struct {
		Kind string `json:"info_kind"`
		Data struct {
			STP  *int   `json:"stp_state"`
			Self string `json:"bridge_id"`
		} `json:"info_data"`
		Slave struct {
			State      string `json:"state"`
			ID         string `json:"id"`
			Cost       int    `json:"cost"`
			Root       string `json:"root_id"`
			Designated string `json:"bridge_id"`
			From       int    `json:"designated_port"`
			RootCost   int    `json:"designated_cost"`
		} `json:"info_slave_data"`
	} `json:"linkinfo"`
	Stats struct {
		RX counters `json:"rx"`
		TX counters `json:"tx"`
	} `json:"stats64"`
}

// ParseLinks reads `ip -j -d -s link`.
func ParseLinks(text []byte) (map[string]Link, error) {
	all, err := list[ipLink](text)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("tells of no interface") // every machine has lo
	}
	links := map[string]Link{}
	for _, l := range all {
		if l.Name == "" {
			continue // iproute2 writes {} for what a filter leaves out
		}
		if err := named(l.Name); err != nil {
			return nil, err
		}
		if _, twice := links[l.Name]; twice {
			return nil, fmt.Errorf("tells of %s twice", clean(l.Name))
		}
		link, err := l.link()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", clean(l.Name), err)
		}
		links[l.Name] = link
	}
	return links, nil
}

// named checks a name by the kernel's limit. Other characters than these are
// odd, not wrong.
func named(name string) error {
	if len(name) > 15 || strings.ContainsAny(name, "/ \t\r\n") {
		return fmt.Errorf("%q is no name of an interface", clean(name))
	}
	return nil
}

func (l ipLink) link() (Link, error) {
	s := l.Info.Slave
	self, err1 := parseBridgeID(l.Info.Data.Self)
	root, err2 := parseBridgeID(s.Root)
	designated, err3 := parseBridgeID(s.Designated)
	if err := errors.Join(err1, err2, err3); err != nil {
		return Link{}, err
	}
	number := 0
	if s.ID != "" {
		n, err := strconv.ParseUint(s.ID, 0, 16)
		if err != nil {
			return Link{}, fmt.Errorf("%q is no port", clean(s.ID))
		}
		number = int(n)
	}
	return Link{
		Name: l.Name, Index: l.Index, Peer: l.Peer, MTU: l.MTU, Master: l.Master, Address: l.Address, Kind: l.Info.Kind, Bus: l.Bus,
		Up: slices.Contains(l.Flags, "UP"), Carrier: slices.Contains(l.Flags, "LOWER_UP"),
		Tree: Tree{On: l.Info.Data.STP != nil && *l.Info.Data.STP != 0, Self: self},
		Port: Port{State: s.State, Number: number, Cost: s.Cost, Root: root, Designated: designated, From: s.From, RootCost: s.RootCost},
		Passed: Counters{Received: l.Stats.RX.Packets, Sent: l.Stats.TX.Packets, ReceiveErrors: l.Stats.RX.Errors, SendErrors: l.Stats.TX.Errors,
			ReceiveDrops: l.Stats.RX.Dropped, SendDrops: l.Stats.TX.Dropped},
	}, nil
}

// ParseStates reads `bridge -j link` into links that lack the state of their
// port: not every iproute2 tells it with `ip -d`.
func ParseStates(text []byte, links map[string]Link) error {
	all, err := list[struct {
		Name  string `json:"ifname"`
		State string `json:"state"`
	}](text)
	if err != nil {
		return err
	}
	for _, p := range all {
		if l, there := links[p.Name]; there && l.Port.State == "" {
			l.Port.State = p.State
			links[p.Name] = l
		}
	}
	return nil
}

// ParseAddresses reads `ip -j addr`: the addresses that other nodes can see.
func ParseAddresses(text []byte) (map[string][]netip.Prefix, error) {
	all, err := list[struct {
		Name  string `json:"ifname"`
		Infos []struct {
			Local  string `json:"local"`
			Length int    `json:"prefixlen"`
			Scope  string `json:"scope"`
		} `json:"addr_info"`
	}](text)
	if err != nil {
		return nil, err
	}
	addresses := map[string][]netip.Prefix{}
	for _, l := range all {
		if err := named(l.Name); err != nil {
			return nil, err
		}
		for _, info := range l.Infos {
			if info.Scope != "global" && info.Scope != "site" {
				continue
			}
			address, err := netip.ParseAddr(info.Local)
			if err != nil || info.Length < 0 || info.Length > address.BitLen() {
				return nil, fmt.Errorf("%s: %q is no address", clean(l.Name), clean(info.Local))
			}
			addresses[l.Name] = append(addresses[l.Name], netip.PrefixFrom(address.WithZone(""), info.Length))
		}
	}
	return addresses, nil
}

type hop struct {
	Via    string `json:"gateway"`
	Device string `json:"dev"`
}

// ParseRoutes reads `ip -j route`. What is no plain route is left out; one that
// goes several ways at once is several.
func ParseRoutes(text []byte) ([]Route, error) {
	all, err := list[struct {
		To string `json:"dst"`
		hop
		Hops []hop `json:"nexthops"`
	}](text)
	if err != nil {
		return nil, err
	}
	var routes []Route
	for _, r := range all {
		to, err := netip.ParsePrefix(r.To)
		if err != nil {
			address, err := netip.ParseAddr(r.To)
			if err != nil {
				continue // default, unreachable, …
			}
			to = netip.PrefixFrom(address, address.BitLen())
		}
		hops := r.Hops
		if len(hops) == 0 {
			hops = []hop{r.hop}
		}
		for _, h := range hops {
			via, err := netip.ParseAddr(h.Via)
			if err != nil {
				via = netip.Addr{}
			}
			routes = append(routes, Route{to, via, h.Device})
		}
	}
	return routes, nil
}

// ParseNeighbours reads `ip -j neigh`.
func ParseNeighbours(text []byte) ([]Neighbour, error) {
	all, err := list[struct {
		Address string   `json:"dst"`
		Device  string   `json:"dev"`
		MAC     string   `json:"lladdr"`
		State   []string `json:"state"`
	}](text)
	if err != nil {
		return nil, err
	}
	var neighbours []Neighbour
	for _, n := range all {
		address, err := netip.ParseAddr(n.Address)
		if err != nil {
			return nil, fmt.Errorf("%q is no address", clean(n.Address))
		}
		if slices.Contains(n.State, "FAILED") || slices.Contains(n.State, "INCOMPLETE") {
			n.MAC = ""
		}
		neighbours = append(neighbours, Neighbour{address, n.MAC, n.Device})
	}
	return neighbours, nil
}

// ParseLearned reads `bridge -j fdb`: what was learned, not what was set.
func ParseLearned(text []byte) ([]Learned, error) {
	all, err := list[struct {
		MAC   string `json:"mac"`
		Name  string `json:"ifname"`
		State string `json:"state"`
	}](text)
	if err != nil {
		return nil, err
	}
	var learned []Learned
	for _, e := range all {
		if e.State != "permanent" && e.State != "static" {
			learned = append(learned, Learned{e.MAC, e.Name})
		}
	}
	return learned, nil
}
