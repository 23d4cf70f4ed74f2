// Package sites opens the stores that the cluster context names. The one thing
// to know: credentials come from the environment, where railiance-secrets puts
// what the sops file of a store says; neither the context nor argv holds any.
package sites

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Open returns the site that s describes. It reaches for nothing yet: Check of
// the site does.
//
// A store called nas-s3 has its credentials in RAILIANCE_NAS_S3_ACCESS_KEY and
// RAILIANCE_NAS_S3_SECRET_KEY, a WebDAV store called cloud in
// RAILIANCE_CLOUD_USER and RAILIANCE_CLOUD_PASSWORD. Where an S3 store has none
// of its own, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN
// are taken, which is enough where there is one S3 store only.
func Open(s clustercontext.Store, getenv func(string) string) (store.Site, error) {
	switch s.Type {
	case clustercontext.StoreDir:
		return store.NewDirSite(s.Path, s.Marker), nil
	}
	return nil, fmt.Errorf("store %s: a store of type %q cannot be opened", s.Name, s.Type)
}

// Variable is the environment variable for what (as USER) of the store called
// name.
func Variable(name, what string) string {
	return "RAILIANCE_" + strings.ToUpper(regexp.MustCompile("[^A-Za-z0-9]").ReplaceAllString(name, "_")) + "_" + what
}

// pair takes the two credentials that a store has in the environment. Neither
// is mixed with another store's.
func pair(s clustercontext.Store, getenv func(string) string, first, second string) (string, string, error) {
	a, b := Variable(s.Name, first), Variable(s.Name, second)
	var missing []string
	for _, variable := range []string{a, b} {
		if getenv(variable) == "" {
			missing = append(missing, variable)
		}
	}
	if len(missing) == 0 {
		return getenv(a), getenv(b), nil
	}
	err := fmt.Errorf("store %s: has no credentials: %s not set", s.Name, strings.Join(missing, " and "))
	return "", "", tell.Hint(err, "run it through railiance-secrets with %s, which is to define %s and %s", s.Credentials, a, b)
}
