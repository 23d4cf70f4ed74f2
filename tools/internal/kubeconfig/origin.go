package kubeconfig

import (
	"encoding/base64"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// k3sCA is how k3s names the CAs that it makes: by role and by the second of
// its first start.
var k3sCA = regexp.MustCompile(`^k3s-(client|server)-ca@(\d{1,12})$`)

// sameStart is how far apart k3s may make the CAs of one installation.
const sameStart = 300

// together holds a context's cluster against its user: certificates that are
// sound each by itself, and of two installations, are refused by the server
// with nothing but "Unauthorized".
func (l *look) together(c *cluster, u *user) {
	if c == nil || u == nil || c.CAData == nil || u.CertData == nil {
		return
	}
	cas, err := parseCerts(*c.CAData)
	if err != nil {
		return
	}
	certs, err := parseCerts(*u.CertData)
	if err != nil {
		return
	}
	issuer := k3sCA.FindStringSubmatch(certs[0].Issuer.CommonName)
	if issuer == nil {
		return
	}
	known := false
	for _, ca := range cas {
		name := k3sCA.FindStringSubmatch(ca.Subject.CommonName)
		if name == nil {
			return // a CA of the operator's own: nothing can be told
		}
		known = known || closeTo(name[2], issuer[2])
	}
	if !known {
		l.at(Warning, "mixed-installations", "",
			"the server's CA and the client's certificate are of different k3s installations: the server may refuse it",
			"copy the file from the server again, unless its CAs were rotated")
	}
}

func closeTo(a, b string) bool {
	x, errX := strconv.ParseInt(a, 10, 64)
	y, errY := strconv.ParseInt(b, 10, 64)
	return errX == nil && errY == nil && max(x-y, y-x) <= sameStart
}

// token tells what can be told of a bearer token from here: the end of one that
// carries it, as a service account's JWT does.
func (l *look) token(token string) {
	end, ok := tokenEnd(token)
	switch {
	case !ok:
		l.at(Warning, "token", "token", "whether a token is still accepted cannot be told from the file", "")
	case !l.now.Before(end):
		l.at(Error, "token-expired", "token", "expired on "+end.Format(time.DateOnly), "")
	case end.Sub(l.now) < l.soon:
		l.at(Warning, "token-expires-soon", "token", "expires on "+end.Format(time.DateOnly), "")
	}
}

func tokenEnd(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Exp int64 `json:"exp"`
	}
	const endOfTime = 253402300799 // the year 9999, beyond which dates do not print
	if json.Unmarshal(b, &claims) != nil || claims.Exp <= 0 || claims.Exp > endOfTime {
		return time.Time{}, false
	}
	return time.Unix(claims.Exp, 0).UTC(), true
}
