package kubeconfig

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

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
