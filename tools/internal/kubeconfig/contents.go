package kubeconfig

import (
	"net/url"
	"time"
)

// Contents says what a kubeconfig holds, with nothing secret in it.
type Contents struct {
	Clusters int `json:"clusters"`
	Contexts int `json:"contexts"`
	Users    int `json:"users"`

	// Of the current context, or of the only one; empty where there is none.
	Context string `json:"context,omitempty"`
	Server  string `json:"server,omitempty"` // without a user name or query
	// CertNotAfter is the end of the client certificate, zero where it has none
	// that can be read.
	CertNotAfter time.Time `json:"certNotAfter,omitzero"`
}

// Contents counts and names what the file holds.
func (c *Config) Contents() Contents {
	out := Contents{Clusters: len(c.file.Clusters), Contexts: len(c.file.Contexts), Users: len(c.file.Users)}
	current := c.current()
	if current == nil {
		return out
	}
	out.Context = current.Name
	if cl := c.clusters[current.Context.Cluster]; cl != nil {
		out.Server = bareServer(cl.Server)
	}
	if u := c.users[current.Context.User]; u != nil && u.CertData != nil {
		if certs, err := parseCerts(*u.CertData); err == nil {
			out.CertNotAfter = certs[0].NotAfter.UTC()
		}
	}
	return out
}

// bareServer drops from an address what may be a secret.
func bareServer(server string) string {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
