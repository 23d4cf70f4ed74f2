package pve

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// identity tells a guest from another one that gets its number after it: empty,
// where nothing does. It begins with what it is made of. Proxmox gives a virtual
// machine a UUID when it is made, and each network card an address, and keeps
// both when the guest moves, is rolled back or restored in its own place.
//
// It is a digest because it stands in manifests, which are not encrypted. It is
// there to be compared, and no secret.
func (s settings) identity(kind string) string {
	of := func(what string, pattern string, value text) string {
		m := regexp.MustCompile(pattern).FindStringSubmatch(string(value))
		if m == nil {
			return ""
		}
		sum := sha256.Sum256([]byte("railiance guest " + strings.ToLower(m[1])))
		return what + "-" + hex.EncodeToString(sum[:8])
	}
	if kind == VM {
		if id := of("uuid", `(?:^|,)uuid=([0-9A-Fa-f-]{36})(?:,|$)`, s["smbios1"]); id != "" {
			return id
		}
		return of("made", `(?:^|,)ctime=([0-9]{1,19})(?:,|$)`, s["meta"])
	}
	first := ""
	for key := range s {
		if name, _ := splitKey(key); name == "net" && (first == "" || byKey(key, first) < 0) {
			first = key
		}
	}
	return of("address", `(?i)(?:^|,)hwaddr=([0-9a-f]{2}(?::[0-9a-f]{2}){5})(?:,|$)`, s[first])
}

// Another says whether two identities are of two guests. Those that are made of
// different things, or of which one is not known, do not tell.
func Another(before, now string) bool {
	was, _, _ := strings.Cut(before, "-")
	is, _, _ := strings.Cut(now, "-")
	return was == is && before != now
}
