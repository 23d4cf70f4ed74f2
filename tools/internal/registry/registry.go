// Package registry counts what a Kubernetes API server keeps under /registry,
// whatever datastore holds it: a snapshot of etcd and the SQLite of k3s are
// counted by the same rules, so that their numbers can be compared. The one
// thing to know: it is fed the records newest first, and the first sight of a
// key decides whether that key lives.
package registry

import (
	"slices"
	"strconv"
	"strings"
)

// A datastore that was made to hurt may hold any number of groups and of key
// names; what cannot be told apart within these bounds is counted as Other.
const (
	maxGroups     = 2048
	maxGroupName  = 320
	maxEncryption = 32

	// Other is the group of keys whose name is not fit to be printed, and of
	// all groups after the first 2048.
	Other = "(other)"
)

// HeadSize is how many bytes of a value have to be shown to tell how it is
// encrypted. More does no harm.
const HeadSize = 160

// Tally is what a datastore holds: live keys only, unless a field says
// otherwise.
type Tally struct {
	Keys       int            // live keys
	Groups     map[string]int // live keys by group, as Group names them
	Bootstrap  int            // keys with the bootstrap data of k3s, which a restore opens with the server token
	Encrypted  int            // live values that the API server encrypted
	Encryption []string       // with what, sorted: "aescbc:v1:aescbckey"; a restore needs each of these keys
}

// Group names the kind of object that a key belongs to: "/registry/secrets/",
// "/registry/services/specs/", "/registry/backup.example.org/backupplans/". A
// key outside /registry belongs to its first part ("/bootstrap/"), and a key
// without a slash to itself ("compact_rev_key").
func Group(key string) string {
	parts := 1
	rest, absolute := strings.CutPrefix(key, "/")
	first, below, _ := strings.Cut(rest, "/")
	if absolute && first == "registry" {
		parts = 2
		// The groups of custom resources are domain names, those of built-in
		// resources have no dot; services is split by the API server itself.
		if second, _, _ := strings.Cut(below, "/"); second == "services" || strings.Contains(second, ".") {
			parts = 3
		}
	} else if !strings.Contains(key, "/") {
		return printable(key)
	}
	end := len(key) - len(rest)
	for range parts {
		i := strings.IndexByte(key[end:], '/')
		if i < 0 {
			return printable(key + "/")
		}
		end += i + 1
	}
	return printable(key[:end])
}

// printable keeps a forged key from writing to the reader's terminal.
func printable(group string) string {
	if group == "" || len(group) > maxGroupName {
		return Other
	}
	for _, r := range group {
		if !strconv.IsPrint(r) || r == '\uFFFD' {
			return Other
		}
	}
	return group
}

// add counts a live key, given the first bytes of its value.
func (t *Tally) add(key, value []byte) {
	t.Keys++
	group := Group(string(key))
	if _, known := t.Groups[group]; !known && len(t.Groups) >= maxGroups {
		group = Other
	}
	t.Groups[group]++
	if strings.HasPrefix(group, "/bootstrap/") {
		t.Bootstrap++
	}
	name, encrypted := encryption(value)
	if !encrypted {
		return
	}
	t.Encrypted++
	if i, found := slices.BinarySearch(t.Encryption, name); !found && len(t.Encryption) < maxEncryption {
		t.Encryption = slices.Insert(t.Encryption, i, name)
	}
}

// encryption reads the prefix that the API server puts before what it
// encrypts: k8s:enc:<provider>:<version>:<name of the key>:
func encryption(value []byte) (name string, encrypted bool) {
	head := string(value[:min(len(value), HeadSize)])
	head, encrypted = strings.CutPrefix(head, "k8s:enc:")
	if !encrypted {
		return "", false
	}
	parts := strings.SplitN(head, ":", 4)
	if len(parts) < 4 {
		return Other, true
	}
	return printable(strings.Join(parts[:3], ":")), true
}
