package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.yaml.in/yaml/v3"
)

// etcdConfig is db/etcd/config: what the commands beside the server need to
// find it again.
type etcdConfig struct {
	Name      string `yaml:"name"`
	DataDir   string `yaml:"data-dir"`
	ClientURL string `yaml:"listen-client-urls"`
	PeerURL   string `yaml:"listen-peer-urls"`
}

// etcdPorts are k3s's own; tests that run two servers in one network
// namespace shift them.
func etcdPorts() (client, peer int, err error) {
	client = 2379
	if s := os.Getenv("K3S_STANDIN_ETCD_PORT"); s != "" {
		if client, err = strconv.Atoi(s); err != nil || client < 1 || client > 65534 {
			return 0, 0, fmt.Errorf("K3S_STANDIN_ETCD_PORT: %q is no port", s)
		}
	}
	return client, client + 1, nil
}

func newEtcdConfig(l layout, nodeName string) (etcdConfig, error) {
	client, peer, err := etcdPorts()
	if err != nil {
		return etcdConfig{}, err
	}
	nameFile := l.path("db/etcd/name")
	name, err := os.ReadFile(nameFile)
	if errors.Is(err, fs.ErrNotExist) {
		var b [4]byte
		rand.Read(b[:])
		name = []byte(nodeName + "-" + hex.EncodeToString(b[:]))
		err = nil
	}
	if err != nil {
		return etcdConfig{}, err
	}
	return etcdConfig{
		Name: strings.TrimSpace(string(name)), DataDir: l.etcdDir(),
		ClientURL: fmt.Sprintf("https://127.0.0.1:%d", client),
		PeerURL:   fmt.Sprintf("https://127.0.0.1:%d", peer),
	}, nil
}

func (c etcdConfig) write() error {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return err
	}
	raw, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.DataDir, "config"), raw, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(c.DataDir, "name"), []byte(c.Name), 0o600)
}

func (c etcdConfig) embedded(args []string) (*embed.Config, error) {
	client, err := url.Parse(c.ClientURL)
	if err != nil {
		return nil, err
	}
	peer, err := url.Parse(c.PeerURL)
	if err != nil {
		return nil, err
	}
	cfg := embed.NewConfig()
	flags := flag.NewFlagSet("etcd-arg", flag.ContinueOnError)
	cfg.AddFlags(flags)           // sets some fields back to their defaults: ours come after it
	cfg.LogLevel = "fatal"        // below it, every stop logs the closing of its own listeners as errors
	cfg.EnableGRPCGateway = false // nobody speaks JSON to it, and it complains when it is closed early
	// A single member has nobody to wait for: elect it in a fraction of a second.
	cfg.TickMs, cfg.ElectionMs = 20, 200
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		if err := flags.Set(strings.TrimLeft(name, "-"), value); err != nil {
			return nil, fmt.Errorf("etcd-arg %q: %w", arg, err)
		}
	}
	cfg.Name, cfg.Dir = c.Name, c.DataDir
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*client}, []url.URL{*client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peer}, []url.URL{*peer}
	cfg.InitialCluster = c.Name + "=" + c.PeerURL
	return cfg, nil
}

// startOffline serves nobody: it is how the bootstrap data is read before
// there are certificates to serve with.
func (c etcdConfig) startOffline(forceNewCluster bool) (*embed.Etcd, *clientv3.Client, error) {
	cfg, err := c.embedded(nil)
	if err != nil {
		return nil, nil, err
	}
	cfg.ForceNewCluster = forceNewCluster
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Host: "offline-client.sock"}}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Host: "offline-peer.sock"}}
	return c.start(cfg)
}

func (c etcdConfig) startServing(l layout, args []string) (*embed.Etcd, *clientv3.Client, error) {
	cfg, err := c.embedded(args)
	if err != nil {
		return nil, nil, err
	}
	t := &cfg.ClientTLSInfo
	t.CertFile, t.KeyFile = l.path("tls/etcd/server-client.crt"), l.path("tls/etcd/server-client.key")
	t.TrustedCAFile, t.ClientCertAuth = l.path("tls/etcd/server-ca.crt"), true
	t = &cfg.PeerTLSInfo
	t.CertFile, t.KeyFile = l.path("tls/etcd/peer-server-client.crt"), l.path("tls/etcd/peer-server-client.key")
	t.TrustedCAFile, t.ClientCertAuth = l.path("tls/etcd/peer-ca.crt"), true
	return c.start(cfg)
}

func (c etcdConfig) start(cfg *embed.Config) (*embed.Etcd, *clientv3.Client, error) {
	if err := c.write(); err != nil {
		return nil, nil, err
	}
	if err := checkUnlocked(c.DataDir); err != nil {
		return nil, nil, err
	}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("failed to start etcd: %w", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, v3client.New(e.Server), nil
	case err := <-e.Err():
		return nil, nil, fmt.Errorf("etcd: %w", err)
	case <-time.After(time.Minute):
		e.Close()
		return nil, nil, errors.New("etcd: not ready after a minute")
	}
}

// checkUnlocked fails where etcd would wait for ever: another process has the
// database open.
func checkUnlocked(dataDir string) error {
	file := filepath.Join(dataDir, "member", "snap", "db")
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("etcd database %s is in use by another process: stop the running server first: %w", file, err)
	}
	return nil
}

// startEtcd brings up the embedded etcd with the cluster's own certificates.
func startEtcd(ctx context.Context, o *options, l layout, password string) (*datastore, error) {
	c, err := newEtcdConfig(l, o.nodeName)
	if err != nil {
		return nil, err
	}
	found := false
	if l.etcdInitialized() {
		e, client, err := c.startOffline(false)
		if err != nil {
			return nil, err
		}
		found, err = loadBootstrap(ctx, client, l, password, false)
		e.Close()
		if err != nil {
			return nil, err
		}
	}
	if err := preparePKI(l, o, password); err != nil {
		return nil, err
	}
	e, client, err := c.startServing(l, o.etcdArgs)
	if err != nil {
		return nil, err
	}
	d := &datastore{stop: e.Close, failed: e.Err(), apiserverArgs: []string{
		"--etcd-servers=" + c.ClientURL,
		"--etcd-cafile=" + l.path("tls/etcd/server-ca.crt"),
		"--etcd-certfile=" + l.path("tls/etcd/client.crt"),
		"--etcd-keyfile=" + l.path("tls/etcd/client.key"),
	}}
	if !found {
		if err := saveBootstrap(ctx, client, l, password); err != nil {
			e.Close()
			return nil, err
		}
	}
	return d, nil
}
