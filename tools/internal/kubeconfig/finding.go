package kubeconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Severity says how a finding is to be told.
type Severity string

// An Error will not work as it stands; a Warning works here and now.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is something wrong in a kubeconfig that is nevertheless kept. Nothing
// in it is secret.
type Finding struct {
	Severity Severity
	Check    string // a short fixed name, such as client-cert-expired
	Field    string // such as users[default].client-certificate-data
	What     string
	Hint     string // a way out; may be empty
}

func (f Finding) String() string { return f.Field + ": " + f.What }

// Findings looks at each cluster and each user, at the time now; a certificate
// that ends within soon is told. What the current context does not use is never
// more than a warning.
func (c *Config) Findings(now time.Time, soon time.Duration) []Finding {
	l := look{now: now, soon: soon}
	current := c.current()
	c.contexts(&l, current)
	for _, e := range c.file.Clusters {
		l.enter("clusters", e.Name, current == nil || current.Context.Cluster == e.Name)
		l.cluster(&e.Cluster)
	}
	for _, e := range c.file.Users {
		l.enter("users", e.Name, current == nil || current.Context.User == e.Name)
		l.user(&e.User)
	}
	if current != nil {
		l.enter("contexts", current.Name, true)
		l.together(c.clusters[current.Context.Cluster], c.users[current.Context.User])
	}
	return l.found
}

func (c *Config) contexts(l *look, current *namedContext) {
	l.used = true
	name := c.file.CurrentContext
	switch {
	case name == "":
		l.say(Error, "no-current-context", "current-context", "none is set: clients silently try localhost:8080",
			"name one: kubectl config use-context NAME")
	case current == nil:
		l.say(Error, "unknown-current-context", "current-context", "there is no context named "+printable(name),
			"name one of the file: kubectl config use-context NAME")
	}
	for _, ctx := range c.file.Contexts {
		l.enter("contexts", ctx.Name, current == nil || current.Name == ctx.Name)
		if c.clusters[ctx.Context.Cluster] == nil {
			l.at(Error, "unknown-cluster", "cluster", "it names a cluster that is not in the file", "")
		}
		if c.users[ctx.Context.User] == nil {
			l.at(Error, "unknown-user", "user", "it names a user that is not in the file", "")
		}
	}
}

// look goes through a file and collects.
type look struct {
	now  time.Time
	soon time.Duration

	list, name string // where it stands
	used       bool   // by the current context
	found      []Finding
}

func (l *look) enter(list, name string, used bool) { l.list, l.name, l.used = list, name, used }

func (l *look) at(s Severity, check, key, what, hint string) {
	l.say(s, check, field(l.list, l.name, key), what, hint)
}

func (l *look) say(s Severity, check, field, what, hint string) {
	if !l.used {
		s = Warning
	}
	l.found = append(l.found, Finding{Severity: s, Check: check, Field: field, What: what, Hint: hint})
}

func (l *look) cluster(c *cluster) {
	l.server(c.Server)
	if c.SkipVerify {
		l.at(Warning, "insecure-skip-tls-verify", "insecure-skip-tls-verify",
			"the server's certificate is not verified: anybody may pose as it", "give the server's CA instead")
		return
	}
	switch {
	case c.CAData != nil && len(*c.CAData) == 0, c.CAData == nil && c.CAFile == "":
		if strings.HasPrefix(strings.ToLower(c.Server), "https:") {
			l.at(Error, "ca-empty", "certificate-authority-data",
				"it is empty: the system's own roots are used, which do not know k3s's CA", "copy the file from the server again")
		}
	case c.CAData != nil:
		l.certs("ca", "certificate-authority-data", *c.CAData)
	default:
		l.reference("certificate-authority")
	}
}

func (l *look) reference(key string) {
	l.at(Warning, "file-reference", key, "it is a path: this copy works only where that file is",
		"kubectl config view --flatten --raw puts the contents in")
}

func (l *look) server(server string) {
	u, err := url.Parse(server)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		l.at(Error, "server-invalid", "server", "it is not an http or https address", "")
		return
	}
	if u.Scheme == "http" {
		l.at(Warning, "server-plaintext", "server", "it is http: credentials would travel in the clear", "")
	}
	if u.User != nil {
		l.at(Warning, "server-credentials", "server", "it has a user name in it", "")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	ip, err := netip.ParseAddr(host)
	ip = ip.Unmap()
	const elsewhere = "after a restore elsewhere, put the server's address in its place"
	switch {
	case host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback():
		l.at(Warning, "server-loopback", "server", "it is a loopback address: it works on the server itself only", elsewhere)
	case err == nil && (ip.IsUnspecified() || ip.IsMulticast()):
		l.at(Error, "server-unusable", "server", "no server can be called at this address", elsewhere)
	case err == nil && ip.IsLinkLocalUnicast():
		l.at(Warning, "server-local", "server", "it is a link-local address: it works on one network only", elsewhere)
	case err == nil:
	case slices.ContainsFunc([]string{".invalid", ".test", ".example"}, func(s string) bool { return strings.HasSuffix(host, s) }):
		l.at(Error, "server-unusable", "server", "its name is of those that never resolve", elsewhere)
	case !strings.Contains(host, "."), strings.HasSuffix(host, ".local"):
		l.at(Warning, "server-local", "server", "its name resolves on the local network only", elsewhere)
	}
}

func (l *look) user(u *user) {
	switch {
	case u.CertData != nil && u.KeyData != nil:
		if l.certs("client-cert", "client-certificate-data", *u.CertData) {
			if _, err := tls.X509KeyPair(*u.CertData, *u.KeyData); err != nil {
				l.at(Error, "key-mismatch", "client-key-data", "it is not the key of the certificate", "copy the file from the server again")
			}
		}
	case u.CertData != nil:
		l.certs("client-cert", "client-certificate-data", *u.CertData)
	}
	if u.CertFile != "" && u.CertData == nil {
		l.reference("client-certificate")
	}
	if u.KeyFile != "" && u.KeyData == nil {
		l.reference("client-key")
	}
	if u.TokenFile != "" {
		l.reference("tokenFile")
	}
	if !u.complete() {
		l.at(Error, "no-credential", "", "it has no complete credential", "")
	}
	if u.Token != "" {
		l.token(u.Token)
	}
	if u.Exec != nil || u.AuthProvider != nil {
		l.at(Warning, "exec", "", "it runs a program to log in: this copy works only where that program is", "")
	}
	if u.Username != "" || u.Password != "" {
		l.at(Warning, "basic-auth", "username", "API servers take no password since Kubernetes 1.19", "")
	}
}

// certs judges PEM certificates and tells whether they could be read.
func (l *look) certs(check, key string, text []byte) bool {
	certs, err := parseCerts(text)
	if err != nil {
		l.at(Error, check+"-unreadable", key, err.Error(), "copy the file from the server again")
		return false
	}
	const renew = "restart k3s on the server, which renews certificates near their end, and copy its kubeconfig again"
	// Of a client's chain the first counts; of a bundle of CAs, each may.
	if check == "client-cert" {
		certs = certs[:1]
	}
	for _, c := range certs {
		begin, end := c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly)
		switch left := c.NotAfter.Sub(l.now); {
		case l.now.Before(c.NotBefore):
			l.at(Error, check+"-not-yet-valid", key, "not valid before "+begin, "compare this machine's clock")
		case left < 0:
			l.at(Error, check+"-expired", key, "expired on "+end, renew)
		case left < l.soon:
			l.at(Warning, check+"-expires-soon", key,
				fmt.Sprintf("expires on %s, in %d days", end, int(left.Hours()/24)), renew)
		}
		if check == "ca" && !c.IsCA {
			l.at(Warning, "ca-not-a-ca", key, "it is the certificate of no CA", "")
		}
	}
	return true
}

func parseCerts(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it is broken: %w", err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, fmt.Errorf("there is no PEM certificate in it")
	}
	return certs, nil
}
