package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/k3s-io/kine/pkg/drivers/sqlite"
)

// datastore is a running one, with the cluster's files in place.
type datastore struct {
	apiserverArgs []string
	stop          func()
	failed        <-chan error // one error, if it dies by itself
}

// openDatastore follows k3s's rule: an external one if one is named, etcd if
// it was asked for or is there already, else SQLite.
func openDatastore(ctx context.Context, o *options, l layout, password string) (*datastore, error) {
	switch {
	case o.datastore != "":
		path, isSQLite := strings.CutPrefix(o.datastore, "sqlite://")
		if !isSQLite {
			return nil, fmt.Errorf("creating storage endpoint: building kine: %w", dial(o.datastore))
		}
		path, params, _ := strings.Cut(path, "?")
		if params == "" {
			params = sqlite.DefaultParams
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		return startSQLite(ctx, o, l, password, path+"?"+params)
	case o.clusterInit || l.etcdInitialized():
		return startEtcd(ctx, o, l, password)
	}
	return startSQLite(ctx, o, l, password, sqlite.DefaultDSN)
}

// dial never succeeds: databases on other machines are not served here, but
// the usual failure, nobody listening, should read as it does with k3s.
func dial(endpoint string) error {
	host := endpoint
	if u, err := url.Parse(endpoint); err == nil && u.Host != "" {
		host = u.Host
	} else if _, rest, ok := strings.Cut(endpoint, "@tcp("); ok {
		host, _, _ = strings.Cut(rest, ")")
	}
	conn, err := net.DialTimeout("tcp", host, 2*time.Second)
	if err != nil {
		return err
	}
	conn.Close()
	return errors.New("this stand-in serves sqlite:// and the embedded etcd only")
}

func preparePKI(l layout, o *options, password string) error {
	serviceIP, err := firstServiceIP(o.serviceCIDR)
	if err != nil {
		return err
	}
	if err := ensureCred(l, password, o.secretsEncryption); err != nil {
		return err
	}
	if err := ensurePKI(l, o, serviceIP); err != nil {
		return err
	}
	return writeTokens(l, password)
}

func firstServiceIP(cidr string) (string, error) {
	_, n, err := net.ParseCIDR(cidr)
	if err != nil {
		return "", fmt.Errorf("service-cidr: %w", err)
	}
	ip := n.IP.Mask(n.Mask)
	ip[len(ip)-1]++
	return ip.String(), nil
}
