package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	clientsnapshot "go.etcd.io/etcd/client/v3/snapshot"
	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"
)

var errNoEtcd = errors.New("Error: see server log for details: etcd datastore disabled")

func etcdSnapshot(args []string) error {
	verb := "save"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	var o options
	flags := flag.NewFlagSet("etcd-snapshot", flag.ContinueOnError)
	o.commonFlags(flags)
	flags.StringVar(&o.snapshotDir, "dir", "", "")
	switch verb {
	case "save":
		flags.StringVar(&o.snapshotName, "name", "on-demand", "")
	case "ls", "list", "l":
		flags.StringVar(&o.output, "o", "table", "")
		flags.StringVar(&o.output, "output", "table", "")
	case "delete":
	case "prune":
		flags.StringVar(&o.snapshotName, "name", "on-demand", "")
		flags.IntVar(&o.snapshotRetention, "snapshot-retention", 5, "")
	default:
		return fmt.Errorf("no help topic for %q: etcd-snapshot has save, ls, delete and prune", verb)
	}
	rest, err := o.parse(flags, args, false)
	if err != nil {
		return err
	}
	if verb != "delete" && len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	l := layoutOf(o.dataDir)
	if o.snapshotDir == "" {
		o.snapshotDir = l.path("db/snapshots")
	}
	c, err := runningEtcd(l)
	if err != nil {
		return err
	}
	switch verb {
	case "save":
		return save(&o, l, c)
	case "delete":
		return deleteSnapshots(&o, rest)
	case "prune":
		return prune(&o)
	}
	return listSnapshots(&o)
}

// runningEtcd finds the server of a data folder. k3s asks the server itself
// over its own port; here the commands talk to the same etcd with its client
// certificate.
func runningEtcd(l layout) (etcdConfig, error) {
	var c etcdConfig
	if !l.etcdInitialized() {
		// The working folder keeps the path of the socket short.
		if err := os.Chdir(string(l)); err != nil {
			return c, fmt.Errorf("Error: %w", notRunning(err))
		}
		conn, err := net.Dial("unix", kineSocket)
		if err != nil {
			return c, fmt.Errorf("Error: %w", notRunning(err))
		}
		conn.Close()
		return c, errNoEtcd
	}
	raw, err := os.ReadFile(l.path("db/etcd/config"))
	if err != nil {
		return c, fmt.Errorf("Error: %w", notRunning(err))
	}
	if err := yaml.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("db/etcd/config: %w", err)
	}
	u, err := url.Parse(c.ClientURL)
	if err != nil {
		return c, err
	}
	conn, err := net.DialTimeout("tcp", u.Host, 2*time.Second)
	if err != nil {
		return c, fmt.Errorf("Error: %w", err)
	}
	return c, conn.Close()
}

// notRunning says what k3s says when it reaches no server, whatever the reason.
func notRunning(err error) error {
	return fmt.Errorf("dial tcp 127.0.0.1:6443: connect: connection refused (%w)", err)
}

func save(o *options, l layout, c etcdConfig) error {
	if o.snapshotName == "" || strings.ContainsAny(o.snapshotName, "/ ") {
		return fmt.Errorf("Error: invalid snapshot name %q", o.snapshotName)
	}
	fault := os.Getenv("K3S_STANDIN_FAULT")
	node := c.Name[:max(0, strings.LastIndex(c.Name, "-"))]
	name := fmt.Sprintf("%s-%s-%d", o.snapshotName, node, time.Now().Unix())
	path := filepath.Join(o.snapshotDir, name)
	switch fault {
	case "", "save-torn":
	case "save-nothing":
		return nil
	default:
		return fmt.Errorf("K3S_STANDIN_FAULT: unknown fault %q", fault)
	}
	if err := os.MkdirAll(o.snapshotDir, 0o700); err != nil {
		return err
	}
	tlsConfig, err := transport.TLSInfo{
		CertFile: l.path("tls/etcd/client.crt"), KeyFile: l.path("tls/etcd/client.key"), TrustedCAFile: l.path("tls/etcd/server-ca.crt"),
	}.ClientConfig()
	if err != nil {
		return err
	}
	logrus.Infof("Saving etcd snapshot to %s", path)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, err = clientsnapshot.SaveWithVersion(ctx, zap.NewNop(), clientv3.Config{
		Endpoints: []string{c.ClientURL}, TLS: tlsConfig, DialTimeout: 10 * time.Second,
	}, path)
	if err != nil {
		return fmt.Errorf("Error: failed to save snapshot: %w", err)
	}
	if fault == "save-torn" {
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := os.Truncate(path, info.Size()/2); err != nil {
			return err
		}
	}
	if o.snapshotCompress {
		if err := compress(path); err != nil {
			return err
		}
		name += ".zip"
	}
	if o.s3 {
		return errors.New("Error: failed to upload snapshot to S3: no bucket is reachable from here")
	}
	logrus.Infof("Snapshot %s saved.", name)
	return nil
}

// compress replaces a snapshot by a zip of one member.
func compress(path string) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(path+".zip", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.BestSpeed)
	})
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header, err := zip.FileInfoHeader(info)
	if err != nil {
		return err
	}
	header.Method = zip.Deflate
	member, err := z.CreateHeader(header)
	if err != nil {
		return err
	}
	if _, err := io.Copy(member, in); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
