package registry

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestGroup(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"/registry/secrets/media/token", "/registry/secrets/"},
		{"/registry/namespaces/media", "/registry/namespaces/"},
		{"/registry/services/specs/media/web", "/registry/services/specs/"},
		{"/registry/services/endpoints/media/web", "/registry/services/endpoints/"},
		{"/registry/ranges/serviceips", "/registry/ranges/"},
		{"/registry/backup.example.org/backupplans/media/nightly", "/registry/backup.example.org/backupplans/"},
		{"/registry/apiregistration.k8s.io/apiservices/v1.", "/registry/apiregistration.k8s.io/apiservices/"},
		{"/registry/configmaps/media/with.dot", "/registry/configmaps/"},
		{"/registry/health", "/registry/health/"},
		{"/registry/example.org", "/registry/example.org/"},
		{"/registry/", "/registry//"},
		{"/bootstrap/0123456789ab", "/bootstrap/"},
		{"compact_rev_key", "compact_rev_key"},
		{"k3s/apiaddresses", "k3s/"},
		{"", Other},
		{"/registry/\x1b[2J/x", Other},
		{"/registry/\xff/x", Other},
		{"/registry/" + strings.Repeat("a", 4000) + "/x", Other},
	} {
		if got := Group(c.key); got != c.want {
			t.Errorf("Group(%.40q) = %q, want %q", c.key, got, c.want)
		}
	}
}

type rec struct {
	key, value string
	deleted    bool
}

func walkOf(records ...rec) func(Visit) error {
	return func(visit Visit) error {
		for _, r := range records {
			if err := visit([]byte(r.key), []byte(r.value), r.deleted); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestCountTakesTheNewestRecordOfAKey(t *testing.T) {
	tally, err := Count(0, walkOf(
		rec{key: "/registry/secrets/a/deleted", deleted: true},
		rec{key: "/registry/secrets/a/kept", value: "k8s:enc:aescbc:v1:second:xyz"},
		rec{key: "/registry/secrets/a/again", value: "k8s:enc:aescbc:v1:first:xyz"},
		rec{key: "/registry/secrets/a/again", deleted: true},
		rec{key: "/registry/secrets/a/kept", value: "plain"},
		rec{key: "/registry/secrets/a/deleted", value: "k8s:enc:aescbc:v1:gone:xyz"},
		rec{key: "/registry/secrets/a/torn", value: "k8s:enc:kms"},
		rec{key: "/bootstrap/0123456789ab", value: "salt:data"},
	))
	if err != nil {
		t.Fatal(err)
	}
	want := Tally{Keys: 4, Groups: map[string]int{"/registry/secrets/": 3, "/bootstrap/": 1}, Bootstrap: 1, Encrypted: 3,
		Encryption: []string{Other, "aescbc:v1:first", "aescbc:v1:second"}}
	if fmt.Sprint(tally) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", tally, want)
	}
}

// So many keys do not fit into one round: the result has to be the same as
// if they did.
func TestCountInRounds(t *testing.T) {
	const keys = 1_600_000
	walks := 0
	tally, err := Count(2<<30, func(visit Visit) error {
		walks++
		var key []byte
		for age := range 2 {
			for i := range keys {
				key = fmt.Appendf(key[:0], "/registry/pods/ns/%d", i)
				// Every tenth key was deleted last.
				if err := visit(key, nil, age == 0 && i%10 == 0); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil || tally.Keys != keys/10*9 || tally.Groups["/registry/pods/"] != keys/10*9 {
		t.Errorf("%d keys, groups %v, %v; want %d", tally.Keys, tally.Groups, err, keys/10*9)
	}
	if walks != 3 {
		t.Errorf("%d walks; want one that did not fit, and two rounds", walks)
	}
}

func TestCountGrowsFromAWrongHint(t *testing.T) {
	var records []rec
	for i := range 5000 {
		records = append(records, rec{key: fmt.Sprint("/registry/pods/ns/", i)})
	}
	tally, err := Count(1, walkOf(records...))
	if err != nil || tally.Keys != 5000 {
		t.Errorf("%d keys, %v", tally.Keys, err)
	}
}

func TestCountIsBounded(t *testing.T) {
	var records []rec
	for i := range 3 * maxGroups {
		records = append(records, rec{key: fmt.Sprintf("/registry/kind%d/x", i), value: fmt.Sprintf("k8s:enc:aescbc:v1:key%d:", i)})
	}
	tally, err := Count(0, walkOf(records...))
	if err != nil {
		t.Fatal(err)
	}
	if len(tally.Groups) != maxGroups+1 || tally.Groups[Other] != 2*maxGroups || tally.Keys != 3*maxGroups {
		t.Errorf("%d groups, %d others of %d", len(tally.Groups), tally.Groups[Other], tally.Keys)
	}
	if len(tally.Encryption) != maxEncryption || !slices.IsSorted(tally.Encryption) {
		t.Errorf("encryption keys: %v", tally.Encryption)
	}
}

func TestCountReportsTheWalk(t *testing.T) {
	broken := errors.New("page 7")
	if _, err := Count(0, func(Visit) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
