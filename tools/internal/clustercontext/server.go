package clustercontext

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/railiance/railiance/tools/internal/host"
)

func (d *decoder) server(m member) Server {
	s := Server{Name: m.key}
	o := d.object(m.node, "server")
	if h, there := o.find("host"); there {
		if s.Host = d.string(h); s.Host != "" {
			if err := (host.Remote{Target: s.Host}).Check(); err != nil {
				d.fault(h, "%v", err)
			}
		}
	}
	stores, _ := o.find("stores")
	for _, m := range d.named(stores) {
		s.Stores = append(s.Stores, d.store(m))
	}
	return s
}

func (d *decoder) store(m member) Store {
	s := Store{Name: m.key}
	o := d.object(m.node, "store")
	texts := map[string]*string{"type": &s.Type, "path": &s.Path, "marker": &s.Marker, "endpoint": &s.Endpoint, "bucket": &s.Bucket,
		"region": &s.Region, "prefix": &s.Prefix, "url": &s.URL, "ca": &s.CA, "credentials": &s.Credentials}
	for _, m := range o {
		if to := texts[m.key]; to != nil {
			*to = d.string(m.node)
		}
	}
	d.noSecrets(m.node)
	if style, there := o.find("pathStyle"); there {
		s.PathStyle, _ = d.bool(style)
	}
	if days, there := o.find("lockDays"); there {
		s.LockDays = d.whole(days, 1, 36500)
	}
	needs := map[string][]string{StoreDir: {"path"}, StoreS3: {"endpoint", "bucket", "credentials"}, StoreWebDAV: {"url", "credentials"}}
	if _, known := needs[s.Type]; !known {
		if kind, there := o.find("type"); !there {
			d.fault(m.node, "has no type: %s, %s or %s", StoreDir, StoreS3, StoreWebDAV)
		} else if s.Type != "" {
			d.fault(kind, "is %q; it must be %s, %s or %s", s.Type, StoreDir, StoreS3, StoreWebDAV)
		}
		return s
	}
	for _, key := range needs[s.Type] {
		if _, there := o.find(key); !there {
			d.fault(m.node, "a store of type %s needs %s", s.Type, key)
		}
	}
	if p, there := o.find("path"); there && s.Path != "" && (!path.IsAbs(s.Path) || path.Clean(s.Path) != s.Path || s.Path == "/") {
		d.fault(p, "%q is no clean absolute path of a folder", s.Path)
	}
	if p, there := o.find("marker"); there && (strings.Contains(s.Marker, "/") || strings.HasPrefix(s.Marker, "..") || s.Marker == ".") {
		d.fault(p, "%q is no name of a file", s.Marker)
	}
	for _, key := range []string{"endpoint", "url"} {
		if n, there := o.find(key); there {
			d.address(n)
		}
	}
	return s
}

// address checks an URL. A password in one would end in logs.
func (d *decoder) address(n node) {
	s := d.string(n)
	if s == "" {
		return
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "https" || u.Hostname() == "":
		d.fault(n, "is no https:// address") // not quoted: it may hold a password
	case u.User != nil:
		d.fault(n, "has a user in it: name a sops file under credentials instead")
	case u.RawQuery != "" || u.Fragment != "":
		d.fault(n, "has more than a host and a path")
	}
}

// noSecrets refuses what looks like a secret, however deep. It does not quote it.
func (d *decoder) noSecrets(n node) {
	switch v := n.value.(type) {
	case object:
		for _, m := range v {
			if looksSecret(m.key) {
				d.fault(m.node, "a secret does not belong here: put it into a sops file, and name that file under credentials")
				continue
			}
			d.noSecrets(m.node)
		}
	case list:
		for _, inner := range v {
			d.noSecrets(inner)
		}
	}
}

func looksSecret(key string) bool {
	key = strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(key))
	return slices.ContainsFunc([]string{"secret", "passw", "passphrase", "token", "accesskey", "privatekey", "apikey"}, func(word string) bool {
		return strings.Contains(key, word)
	})
}
