package asset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/railiance/railiance/tools/internal/kine"
	"github.com/railiance/railiance/tools/internal/tell"
)

// KindDatastore is the kind of a Datastore in layer.yaml; in a set it is an
// etcd or a state-db.
const KindDatastore = "k3s-datastore"

// Datastore is what k3s keeps the cluster in: the asset is called etcd or
// state-db, after what is found.
type Datastore struct{ K3s K3s }

// errExternal says that the datastore is not k3s's own.
var errExternal = errors.New("the datastore is an external one: somebody else's to back up")

// Detect tells etcd from sqlite. The running server is asked, because what
// lies in the data directory misleads: a db/etcd folder can exist beside
// SQLite, and a state.db beside etcd.
func (d Datastore) Detect(ctx context.Context) (string, error) {
	// A reboot in the middle of a restore brings an empty cluster up, whose
	// complete sets would push out the good ones.
	if _, err := os.Lstat(d.K3s.Journal()); err == nil {
		return "", tell.Hint(errors.New("datastore: a restore is under way, and what runs now is not what is to be kept"),
			"make restore says where it stands, and how it goes on or back")
	}
	if d.K3s.Datastore != DatastoreAuto {
		return d.K3s.Datastore, nil
	}
	endpoint, where, err := d.K3s.endpoint()
	if err != nil {
		return "", fmt.Errorf("datastore: %w", err)
	}
	if endpoint != "" && !strings.HasPrefix(endpoint, "sqlite:") {
		return "", tell.Hint(fmt.Errorf("%w (%s, %s)", errExternal, scheme(endpoint), where),
			"back it up where it lives, then say 'datastore: external' under k3s in layer.yaml to leave it out here")
	}
	_, err = d.K3s.run(ctx, "etcd-snapshot", "list", "--data-dir", d.K3s.DataDir)
	switch {
	case err == nil:
		return DatastoreEtcd, nil
	case !strings.Contains(err.Error(), "etcd datastore disabled"):
		return "", tell.Hint(fmt.Errorf("datastore: the server does not say which it is: %w", err),
			"is k3s running (systemctl status %s)? else name the datastore under k3s in layer.yaml", d.K3s.Service)
	}
	if err := kine.Is(ctx, d.K3s.StateDB()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = tell.Hint(err, "k3s.data-dir in layer.yaml must be the data directory of the running server")
		}
		return "", fmt.Errorf("datastore: the server says that it is not etcd, but: %w", err)
	}
	return DatastoreSQLite, nil
}

// scheme is what may be shown of an endpoint: the rest can hold a password.
func scheme(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme == "" {
		return "of an unknown kind"
	}
	return u.Scheme
}

func (d Datastore) kind(ctx context.Context) (Kind, error) {
	found, err := d.Detect(ctx)
	switch {
	case err != nil:
		return nil, err
	case found == DatastoreEtcd:
		return Etcd(d), nil
	case found == DatastoreSQLite:
		return StateDB(d), nil
	}
	return nil, fmt.Errorf("external datastore: %w", ErrElsewhere)
}

// Take takes whichever datastore there is.
func (d Datastore) Take(ctx context.Context, at time.Time) (*Dump, error) {
	kind, err := d.kind(ctx)
	if err != nil {
		return nil, err
	}
	return kind.Take(ctx, at)
}

// Plan plans for whichever datastore there is.
func (d Datastore) Plan(ctx context.Context) (string, error) {
	kind, err := d.kind(ctx)
	if errors.Is(err, ErrElsewhere) {
		return "datastore: left out: " + err.Error(), nil
	}
	if err != nil {
		return "", err
	}
	return kind.Plan(ctx)
}

// Sweep removes the plaintext of either datastore.
func (d Datastore) Sweep(ctx context.Context) ([]string, error) {
	snapshots, err := Etcd(d).Sweep(ctx)
	copies, err2 := StateDB(d).Sweep(ctx)
	return append(snapshots, copies...), errors.Join(err, err2)
}
