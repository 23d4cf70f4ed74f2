package kubeconfig

import (
	"crypto/tls"
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
