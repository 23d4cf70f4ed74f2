// Package kubeconfig judges a kubeconfig without calling the server it names:
// whether it is one at all, and what in it will not work, or not elsewhere, or
// not for long.
//
// The one thing to know: Parse refuses only what no client could use (empty,
// torn, not a kubeconfig, no complete credential); that fails a backup. All
// else is a Finding: the file is kept, and the finding told. Looking is worth
// it because a server answers an expired certificate, one of a foreign CA and a
// wrong token with the same "Unauthorized".
package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"

	"gopkg.in/yaml.v3"
)

// maxSize bounds a kubeconfig; k3s writes 3 KB, and one with hundreds of
// clusters stays below.
const maxSize = 1 << 20

// Config is a kubeconfig that some client could use.
type Config struct {
	file     file
	clusters map[string]*cluster
	users    map[string]*user
}

// Parse reads a kubeconfig, YAML or JSON. The error tells what and where, and
// never quotes the file.
func Parse(b []byte) (*Config, error) {
	c, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	return c, nil
}

func parse(b []byte) (*Config, error) {
	doc, err := document(b)
	if err != nil {
		return nil, err
	}
	c := &Config{clusters: map[string]*cluster{}, users: map[string]*user{}}
	if err := doc.Decode(&c.file); err != nil {
		return nil, blind(err)
	}
	if err := c.indexByName(); err != nil {
		return nil, err
	}
	return c, c.usable()
}

// document gives the one mapping that b must be.
func document(b []byte) (*yaml.Node, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("it is larger than %d KiB", maxSize>>10)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, errors.New("it is empty")
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc yaml.Node
	if err := dec.Decode(&doc); err == io.EOF {
		return nil, errors.New("it is empty")
	} else if err != nil {
		return nil, blind(err)
	}
	if err := dec.Decode(new(yaml.Node)); err != io.EOF {
		return nil, errors.New("something follows its first document")
	}
	if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("it is not a kubeconfig: not a map")
	}
	return doc.Content[0], nil
}

func (c *Config) indexByName() error {
	if k := c.file.Kind; k != "" && k != "Config" {
		return errors.New("kind: it is not Config")
	}
	if v := c.file.APIVersion; v != "" && v != "v1" {
		return errors.New("apiVersion: it is not v1")
	}
	// With a name given twice, clients do not agree on which one counts; here
	// the first does, as in kubectl.
	for i := range c.file.Clusters {
		if e := &c.file.Clusters[i]; c.clusters[e.Name] == nil {
			c.clusters[e.Name] = &e.Cluster
		}
	}
	for i := range c.file.Users {
		if e := &c.file.Users[i]; c.users[e.Name] == nil {
			c.users[e.Name] = &e.User
		}
	}
	return nil
}

// usable looks for one way in: a torn file has none.
func (c *Config) usable() error {
	if len(c.file.Clusters) == 0 && len(c.file.Users) == 0 && len(c.file.Contexts) == 0 {
		return errors.New("it is not a kubeconfig: no clusters, users or contexts")
	}
	if len(c.file.Contexts) == 0 {
		return errors.New("contexts: there is none")
	}
	why := errors.New("contexts: none names a cluster and a user that are in the file")
	for _, ctx := range c.file.Contexts {
		cl, u := c.clusters[ctx.Context.Cluster], c.users[ctx.Context.User]
		switch {
		case cl == nil || u == nil:
		case cl.Server == "":
			why = fmt.Errorf("%s: it is missing", field("clusters", ctx.Context.Cluster, "server"))
		case !u.complete():
			why = fmt.Errorf("%s: no complete credential: the file may be torn", field("users", ctx.Context.User, ""))
		default:
			return nil
		}
	}
	return why
}

// complete tells whether the user could identify itself at all.
func (u *user) complete() bool {
	cert := u.CertFile != "" || u.CertData != nil && len(*u.CertData) > 0
	key := u.KeyFile != "" || u.KeyData != nil && len(*u.KeyData) > 0
	return cert && key || u.Token != "" || u.TokenFile != "" || u.Username != "" ||
		u.Exec != nil || u.AuthProvider != nil
}

// current is the context that a client takes: the one named or, where none is
// and there is one only, that one. nil when neither.
func (c *Config) current() *namedContext {
	if c.file.CurrentContext == "" && len(c.file.Contexts) == 1 {
		return &c.file.Contexts[0]
	}
	for i := range c.file.Contexts {
		if c.file.CurrentContext != "" && c.file.Contexts[i].Name == c.file.CurrentContext {
			return &c.file.Contexts[i]
		}
	}
	return nil
}

// field names a place in the file as a person would look for it.
func field(list, name, key string) string {
	f := fmt.Sprintf("%s[%s]", list, printable(name))
	if key != "" {
		f += "." + key
	}
	return f
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._:/@-]{1,100}$`)

// printable is a name made fit for a terminal. Names are no secrets, but they
// are text that somebody else chose.
func printable(s string) string {
	if plain.MatchString(s) {
		return s
	}
	if len(s) > 100 {
		s = s[:100]
	}
	return fmt.Sprintf("%q", s)
}
