package probe

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/host"
	"github.com/railiance/railiance/tools/internal/thunderbolt"
)

// trouble is in what way a node was not reached, and in what words.
func trouble(err error) (thunderbolt.Trouble, string) {
	var ssh *host.SSHError
	if errors.Is(err, errTimeout) {
		return thunderbolt.Slow, errTimeout.Error()
	}
	if !errors.As(err, &ssh) {
		return thunderbolt.Failed, err.Error()
	}
	said := ssh.Said
	if said == "" {
		said = string(ssh.Kind)
	}
	switch ssh.Kind {
	case host.SSHHostKeyChanged:
		return thunderbolt.KeyChanged, said
	case host.SSHHostKeyUnknown:
		return thunderbolt.KeyUnknown, said
	case host.SSHAuth:
		return thunderbolt.Denied, said
	case host.SSHUnreachable, host.SSHTimeout:
		switch {
		case strings.Contains(said, "refused"):
			return thunderbolt.Refused, said
		case strings.Contains(said, "banner exchange"):
			return thunderbolt.Slow, said
		}
		return thunderbolt.Silent, said
	}
	return thunderbolt.Failed, said
}

// read puts a node's answers into s.
func (p *Probe) read(s *thunderbolt.Seen, word string, answer []byte) {
	parts := frames(string(answer), word)
	bad := func(name string, err error) {
		if err != nil {
			s.Unread = append(s.Unread, fmt.Sprintf("%s: %v", name, err))
		}
	}
	var err error
	s.Links, err = thunderbolt.ParseLinks(parts["link"])
	bad("ip link", err)
	if s.Links == nil {
		return
	}
	bad("bridge link", thunderbolt.ParseStates(parts["port"], s.Links))
	s.Addresses, err = thunderbolt.ParseAddresses(parts["addr"])
	bad("ip addr", err)
	s.Routes, err = thunderbolt.ParseRoutes(parts["route"])
	bad("ip route", err)
	six, err := thunderbolt.ParseRoutes(parts["route6"])
	bad("ip -6 route", err)
	s.Routes = append(s.Routes, six...)
	s.Neighbours, err = thunderbolt.ParseNeighbours(parts["neigh"])
	bad("ip neigh", err)
	s.Learned, err = thunderbolt.ParseLearned(parts["fdb"])
	bad("bridge fdb", err)
	if seconds, err := strconv.ParseInt(strings.TrimSpace(string(parts["clock"])), 10, 40); err == nil {
		s.Clock = time.Unix(seconds, 0).Sub(p.Now()).Round(time.Second)
	} else {
		bad("date", errors.New("is no number"))
	}
	s.Devices, s.Kernel, s.Fabric = lines(parts["bus"]), lines(parts["kernel"]), lines(parts["fabric"])
}

// lines are the last ten lines.
func lines(text []byte) []string {
	all := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
	return all[max(0, len(all)-10):]
}

// frames are the answers by their names. One that does not end was cut off, and
// is left out; of two the first holds.
func frames(text, word string) map[string][]byte {
	parts := map[string][]byte{}
	for _, rest := range strings.Split("\n"+text, "\n"+word+" begin ")[1:] {
		name, rest, _ := strings.Cut(rest, "\n")
		if body, _, ends := strings.Cut("\n"+rest, "\n"+word+" end "); ends && parts[name] == nil {
			parts[name] = []byte(body)
		}
	}
	return parts
}
