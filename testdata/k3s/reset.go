package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
)

// reset makes this server the only member of its etcd cluster, from a snapshot
// if one is named, and ends: the server is to be started again without the flag.
func reset(o *options, l layout, password string) error {
	restoring := o.restorePath != ""
	switch {
	case o.datastore != "":
		return errors.New("invalid flag use: cluster-reset is for the embedded etcd, not for --datastore-endpoint")
	case !restoring && exists(l.resetFlag()):
		return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag and start k3s normally. "+
			"If you need to perform another cluster reset, you must first manually delete the file at %s", l.resetFlag())
	case !restoring && !l.etcdInitialized():
		return fmt.Errorf("cluster reset: no etcd database in %s", l.etcdDir())
	case password == "" && restoring:
		return errors.New("etcd: token does not exist, please pass --token to complete the restoration")
	case password == "":
		return errors.New("token does not exist, please pass --token")
	}
	c, err := newEtcdConfig(l, o.nodeName)
	if err != nil {
		return err
	}
	if err := c.checkFree(); err != nil {
		return err
	}
	if restoring {
		if err := restore(o, l, c); err != nil {
			return err
		}
	}
	e, client, err := c.startOffline(!restoring)
	if err != nil {
		return err
	}
	defer e.Close()
	found, err := loadBootstrap(context.Background(), client, l, password, true)
	if err != nil {
		return fmt.Errorf("failed to bootstrap cluster data: %w", err)
	}
	if !found {
		return errors.New("failed to bootstrap cluster data: no bootstrap data in the datastore")
	}
	if err := preparePKI(l, o, password); err != nil {
		return err
	}
	if err := os.WriteFile(l.resetFlag(), nil, 0o600); err != nil {
		return err
	}
	logrus.Info("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
		"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
	return nil
}

func restore(o *options, l layout, c etcdConfig) error {
	if o.s3 {
		return fmt.Errorf("failed to retrieve etcd snapshot %s from S3: no bucket is reachable from here; pass --etcd-s3=false to restore a local file", o.restorePath)
	}
	info, err := os.Stat(o.restorePath)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("etcd: snapshot path does not exist: %s", o.restorePath)
	case err != nil:
		return fmt.Errorf("etcd: %w", err)
	case info.IsDir():
		return fmt.Errorf("etcd: snapshot path must be a file, not a directory: %s", o.restorePath)
	}
	var old string
	// Tests restore more often than once a second: take the next free name.
	for now := time.Now().Unix(); old == "" || exists(old); now++ {
		old = fmt.Sprintf("%s-old-%d", l.etcdDir(), now)
	}
	if err := os.Rename(l.etcdDir(), old); err != nil {
		return err
	}
	logrus.Infof("Pre-restore etcd database moved to %s", old)
	// A .zip goes the same way and fails there, as in the releases of k3s
	// that forgot to unpack it.
	err = snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath: o.restorePath, Name: c.Name, OutputDataDir: c.DataDir,
		PeerURLs: []string{c.PeerURL}, InitialCluster: c.Name + "=" + c.PeerURL,
		InitialClusterToken: "etcd-cluster",
	})
	if err != nil {
		return fmt.Errorf("etcd: failed to restore snapshot: %w", err)
	}
	return nil
}

// checkFree fails while a server runs. It comes before anything is moved.
func (c etcdConfig) checkFree() error {
	if err := checkUnlocked(c.DataDir); err != nil {
		return err
	}
	for _, u := range []string{c.PeerURL, c.ClientURL} {
		parsed, err := url.Parse(u)
		if err != nil {
			return err
		}
		listener, err := net.Listen("tcp", parsed.Host)
		if err != nil {
			return fmt.Errorf("start managed database: %w", err)
		}
		listener.Close()
	}
	return nil
}
