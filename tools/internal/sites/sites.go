// Package sites opens the stores that the cluster context names. The one thing
// to know: credentials come from the environment, where railiance-secrets puts
// what the sops file of a store says; neither the context nor argv holds any.
package sites

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/clustercontext"
	"github.com/railiance/railiance/tools/internal/store"
	"github.com/railiance/railiance/tools/internal/store/davstore"
	"github.com/railiance/railiance/tools/internal/store/s3store"
	"github.com/railiance/railiance/tools/internal/tell"
)

// Open returns the site that s describes. It reaches for nothing yet: Check of
// the site does.
//
// A store called nas-s3 has its credentials in RAILIANCE_NAS_S3_ACCESS_KEY and
// RAILIANCE_NAS_S3_SECRET_KEY (and RAILIANCE_NAS_S3_SESSION_TOKEN, if they are
// temporary), a WebDAV store called cloud in RAILIANCE_CLOUD_USER and
// RAILIANCE_CLOUD_PASSWORD. For an S3 store that has neither of its own,
// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN do: enough
// where there is one S3 store only.
func Open(s clustercontext.Store, getenv func(string) string) (store.Site, error) {
	site, err := open(s, getenv)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", s.Name, err)
	}
	return site, nil
}

func open(s clustercontext.Store, getenv func(string) string) (store.Site, error) {
	switch s.Type {
	case clustercontext.StoreDir:
		return store.NewDirSite(s.Path, s.Marker), nil
	case clustercontext.StoreS3:
		access, secret, err := pair(s, getenv, "ACCESS_KEY", "SECRET_KEY")
		token := getenv(Variable(s.Name, "SESSION_TOKEN"))
		if getenv(Variable(s.Name, "ACCESS_KEY")) == "" && getenv(Variable(s.Name, "SECRET_KEY")) == "" && getenv("AWS_ACCESS_KEY_ID") != "" {
			access, secret, token, err = getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY"), getenv("AWS_SESSION_TOKEN"), nil
			if secret == "" {
				err = missing(s, "AWS_SECRET_ACCESS_KEY")
			}
		}
		if err != nil {
			return nil, err
		}
		return s3store.New(s3store.Config{
			Endpoint: s.Endpoint, Bucket: s.Bucket, Region: s.Region, Prefix: s.Prefix, PathStyle: s.PathStyle, CA: s.CA,
			AccessKey: access, SecretKey: secret, SessionToken: token,
			Retain: time.Duration(s.LockDays) * 24 * time.Hour,
		})
	case clustercontext.StoreWebDAV:
		user, password, err := pair(s, getenv, "USER", "PASSWORD")
		if err != nil {
			return nil, err
		}
		return davstore.New(davstore.Config{URL: s.URL, CA: s.CA, User: user, Password: password})
	}
	return nil, fmt.Errorf("a store of type %q cannot be opened", s.Type)
}

// Variable is the environment variable that holds what (such as USER) of the
// store called name.
func Variable(name, what string) string {
	return "RAILIANCE_" + strings.ToUpper(regexp.MustCompile("[^A-Za-z0-9]").ReplaceAllString(name, "_")) + "_" + what
}

// pair takes the two credentials of a store from the environment.
func pair(s clustercontext.Store, getenv func(string) string, first, second string) (string, string, error) {
	first, second = Variable(s.Name, first), Variable(s.Name, second)
	var unset []string
	for _, variable := range []string{first, second} {
		if getenv(variable) == "" {
			unset = append(unset, variable)
		}
	}
	if len(unset) > 0 {
		return "", "", missing(s, unset...)
	}
	return getenv(first), getenv(second), nil
}

// ErrNoCredentials says that the environment lacks the credentials of a store.
var ErrNoCredentials = errors.New("there are no credentials")

func missing(s clustercontext.Store, variables ...string) error {
	names := strings.Join(variables, " and ")
	return tell.Hint(fmt.Errorf("%w: %s is not set in the environment", ErrNoCredentials, names),
		"let %s define %s, and run this through railiance-secrets exec %s -- …", s.Credentials, names, s.Credentials)
}
