package drill

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/railiance/railiance/tools/internal/asset"
	"github.com/railiance/railiance/tools/internal/catalog"
)

// server is what starting k3s takes from the k3s-server artifact. Its
// configuration is not used as it stands: it may point to other servers, to a
// bucket, to addresses of the real machine.
type server struct {
	Token       []byte
	ServiceCIDR string `json:",omitempty"` // as k3s's flag of that name; empty: its default
	ClusterCIDR string `json:",omitempty"`
	Encryption  bool   // Secrets are encrypted by the API server
	// Files are those below server/ of a cluster whose datastore does not hold
	// them itself (certificates, keys), by path.
	Files map[string][]byte `json:",omitempty"`
}

// readServer reads the artifact. bootstrap says that the datastore brings its
// certificates and keys along; then only they count, as on blank hardware.
func readServer(r io.Reader, bootstrap bool) (*server, error) {
	s := &server{}
	_, err := asset.ReadServer(r, func(member string, content []byte) error {
		switch top, _, _ := strings.Cut(member, "/"); {
		case member == asset.MemberToken:
			s.Token = content
		case member == asset.MemberConfig, path.Dir(member) == asset.MemberConfigDir && path.Ext(member) == ".yaml":
			return s.config(member, content)
		case top == "unit", top == "unit-files":
			return s.flags(member, string(content))
		}
		s.Encryption = s.Encryption || member == asset.MemberEncryption
		if rel, ok := strings.CutPrefix(member, "server/"); ok && !bootstrap &&
			(strings.HasPrefix(rel, "tls/") || strings.HasPrefix(rel, "cred/")) {
			if s.Files == nil {
				s.Files = map[string][]byte{}
			}
			s.Files[rel] = content
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// config takes the few settings that decide whether the datastore can be
// served at all. Later files win over earlier ones, as with k3s.
func (s *server) config(member string, content []byte) error {
	var config map[string]yaml.Node
	if err := asset.Decode(content, &config); err != nil {
		return fmt.Errorf("%s: not the YAML of a k3s configuration", member)
	}
	for name, value := range config {
		words := []string{value.Value}
		if value.Kind == yaml.SequenceNode {
			words = nil
			for _, n := range value.Content {
				words = append(words, n.Value)
			}
		}
		if err := s.set(strings.TrimSuffix(name, "+"), strings.Join(words, ",")); err != nil {
			return fmt.Errorf("%s: %w", member, err)
		}
	}
	return nil
}

// flags finds the same settings in a unit's command line.
func (s *server) flags(member, text string) error {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\n\\'\"", r) })
	for i, word := range words {
		flag, ok := strings.CutPrefix(word, "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(flag, "=")
		if !given && name != "secrets-encryption" && i+1 < len(words) {
			value = words[i+1]
		}
		if !given && name == "secrets-encryption" {
			value = "true"
		}
		if err := s.set(name, value); err != nil {
			return fmt.Errorf("%s: %w", member, err)
		}
	}
	return nil
}

func (s *server) set(name, value string) error {
	switch name {
	case "secrets-encryption":
		s.Encryption = s.Encryption || value == "true"
	case "service-cidr", "cluster-cidr":
		for cidr := range strings.SplitSeq(value, ",") {
			if _, err := netip.ParsePrefix(strings.TrimSpace(cidr)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		if name == "service-cidr" {
			s.ServiceCIDR = value
		} else {
			s.ClusterCIDR = value
		}
	}
	return nil
}

// families says which families of addresses the server needs.
func (s *server) families() (ipv4, ipv6 bool) {
	for cidr := range strings.SplitSeq(s.ServiceCIDR+","+s.ClusterCIDR, ",") {
		if prefix, err := netip.ParsePrefix(strings.TrimSpace(cidr)); err == nil {
			ipv4, ipv6 = ipv4 || prefix.Addr().Is4(), ipv6 || prefix.Addr().Is6()
		}
	}
	return ipv4 || !ipv6, ipv6
}

// server reads what starting k3s needs from the opened set.
func (d *Drill) server(opened files, datastore catalog.Artifact) (*server, error) {
	for _, a := range d.Set.Artifacts {
		if a.Kind != asset.KindServer {
			continue
		}
		f := opened[a.Asset]
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		s, err := readServer(f, datastore.Contents["bootstrap"] > 0)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", a.Name, err)
		}
		s.Encryption = s.Encryption || datastore.Source["encryption"] != ""
		return s, nil
	}
	return nil, errors.New("the set holds no server token, and without it the datastore does not open")
}
