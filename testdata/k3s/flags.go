package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// list is a flag that may be given several times, each time with several
// values between commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// options are the flags of all commands: k3s reads one configuration file for
// all of them, and each takes its own flags from it.
type options struct {
	config  string
	dataDir string

	token, tokenFile                 string
	clusterInit                      bool
	clusterReset                     bool
	restorePath                      string
	datastore                        string
	secretsEncryption                bool
	nodeName                         string
	nodeIP, advertiseAddress         string
	bindAddress                      string
	port                             int
	kubeconfig, kubeconfigMode       string
	tlsSAN, disable                  list
	serviceCIDR, clusterCIDR         string
	apiserverArgs, etcdArgs          list
	disableAgent, disableSnapshots   bool
	flannelBackend, snapshotSchedule string

	snapshotDir       string
	snapshotCompress  bool
	s3                bool
	snapshotName      string
	snapshotRetention int
	output            string
}

func (o *options) commonFlags(fs *flag.FlagSet) {
	fs.StringVar(&o.config, "config", env("K3S_CONFIG_FILE", "/etc/rancher/k3s/config.yaml"), "")
	fs.StringVar(&o.config, "c", o.config, "")
	fs.StringVar(&o.dataDir, "data-dir", env("K3S_DATA_DIR", defaultDataDir()), "")
	fs.StringVar(&o.dataDir, "d", o.dataDir, "")
	fs.StringVar(&o.nodeName, "node-name", env("K3S_NODE_NAME", hostname()), "")
	fs.StringVar(&o.snapshotDir, "etcd-snapshot-dir", "", "")
	fs.BoolVar(&o.snapshotCompress, "etcd-snapshot-compress", false, "")
	fs.BoolVar(&o.s3, "etcd-s3", false, "")
}

func (o *options) serverFlags(fs *flag.FlagSet) {
	o.commonFlags(fs)
	fs.StringVar(&o.token, "token", os.Getenv("K3S_TOKEN"), "")
	fs.StringVar(&o.token, "t", o.token, "")
	fs.StringVar(&o.tokenFile, "token-file", os.Getenv("K3S_TOKEN_FILE"), "")
	fs.BoolVar(&o.clusterInit, "cluster-init", os.Getenv("K3S_CLUSTER_INIT") == "true", "")
	fs.BoolVar(&o.clusterReset, "cluster-reset", os.Getenv("K3S_CLUSTER_RESET") == "true", "")
	fs.StringVar(&o.restorePath, "cluster-reset-restore-path", "", "")
	fs.StringVar(&o.datastore, "datastore-endpoint", os.Getenv("K3S_DATASTORE_ENDPOINT"), "")
	fs.BoolVar(&o.secretsEncryption, "secrets-encryption", false, "")
	fs.StringVar(&o.nodeIP, "node-ip", "", "")
	fs.StringVar(&o.nodeIP, "i", "", "")
	fs.StringVar(&o.advertiseAddress, "advertise-address", "", "")
	fs.StringVar(&o.bindAddress, "bind-address", "0.0.0.0", "")
	fs.IntVar(&o.port, "https-listen-port", 6443, "")
	fs.StringVar(&o.kubeconfig, "write-kubeconfig", os.Getenv("K3S_KUBECONFIG_OUTPUT"), "")
	fs.StringVar(&o.kubeconfig, "o", o.kubeconfig, "")
	fs.StringVar(&o.kubeconfigMode, "write-kubeconfig-mode", os.Getenv("K3S_KUBECONFIG_MODE"), "")
	fs.Var(&o.tlsSAN, "tls-san", "")
	fs.Var(&o.disable, "disable", "")
	fs.StringVar(&o.serviceCIDR, "service-cidr", "10.43.0.0/16", "")
	fs.StringVar(&o.clusterCIDR, "cluster-cidr", "10.42.0.0/16", "")
	fs.Var(&o.apiserverArgs, "kube-apiserver-arg", "")
	fs.Var(&o.etcdArgs, "etcd-arg", "")
	fs.BoolVar(&o.disableAgent, "disable-agent", false, "")
	fs.BoolVar(&o.disableSnapshots, "etcd-disable-snapshots", false, "")
	fs.StringVar(&o.flannelBackend, "flannel-backend", "vxlan", "")
	fs.StringVar(&o.snapshotSchedule, "etcd-snapshot-schedule-cron", "0 */12 * * *", "")
	fs.IntVar(&o.snapshotRetention, "etcd-snapshot-retention", 5, "")
}

// parse reads the configuration file, then the command line over it. It
// returns the arguments that are not flags.
func (o *options) parse(fs *flag.FlagSet, args []string, warnUnknown bool) ([]string, error) {
	fs.SetOutput(io.Discard)
	file, err := configFlag(args)
	if err != nil {
		return nil, err
	}
	if file == "" {
		file = o.config
	}
	if err := applyConfig(fs, file, warnUnknown); err != nil {
		return nil, err
	}
	if err := fs.Parse(args); err != nil {
		return nil, fmt.Errorf("incorrect usage: %w", err)
	}
	// k3s works inside its data folder; paths given by the caller must not move with it.
	for _, p := range []*string{&o.config, &o.dataDir, &o.snapshotDir, &o.restorePath, &o.kubeconfig, &o.tokenFile} {
		if *p == "" || (p == &o.restorePath && o.s3) {
			continue
		}
		if *p, err = filepath.Abs(*p); err != nil {
			return nil, err
		}
	}
	return fs.Args(), nil
}

func env(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

func defaultDataDir() string {
	if os.Geteuid() != 0 {
		return filepath.Join(os.Getenv("HOME"), ".rancher", "k3s")
	}
	return "/var/lib/rancher/k3s"
}

func defaultKubeconfig() string {
	if os.Geteuid() != 0 {
		return filepath.Join(os.Getenv("HOME"), ".kube", "k3s.yaml")
	}
	return "/etc/rancher/k3s/k3s.yaml"
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return strings.ToLower(name)
}
