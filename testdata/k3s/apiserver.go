package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/component-base/cli"
)

// addresses finds the address to announce. A server without any network needs
// to be told one, as k3s does.
func addresses(o *options) (string, error) {
	for _, a := range []string{o.advertiseAddress, o.nodeIP} {
		if a != "" {
			return a, nil
		}
	}
	ip, err := utilnet.ChooseHostInterface()
	if err != nil {
		return "", fmt.Errorf("no address to announce, give --node-ip: %w", err)
	}
	return ip.String(), nil
}

func apiserverArgs(o *options, l layout, advertise string, d *datastore) []string {
	const issuer = "https://kubernetes.default.svc.cluster.local"
	args := []string{
		"--advertise-address=" + advertise,
		"--bind-address=" + o.bindAddress,
		fmt.Sprintf("--secure-port=%d", o.port),
		"--allow-privileged=true",
		"--anonymous-auth=false",
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + l.path("tls/client-ca.crt"),
		"--tls-cert-file=" + l.path("tls/serving-kube-apiserver.crt"),
		"--tls-private-key-file=" + l.path("tls/serving-kube-apiserver.key"),
		"--requestheader-client-ca-file=" + l.path("tls/request-header-ca.crt"),
		"--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + l.path("tls/client-auth-proxy.crt"),
		"--proxy-client-key-file=" + l.path("tls/client-auth-proxy.key"),
		"--service-account-issuer=" + issuer,
		"--api-audiences=" + issuer + ",k3s",
		"--service-account-key-file=" + l.path("tls/service.key"),
		"--service-account-signing-key-file=" + l.path("tls/service.current.key"),
		"--service-cluster-ip-range=" + o.serviceCIDR,
		"--storage-backend=etcd3",
		"--profiling=false",
	}
	if strings.HasPrefix(advertise, "127.") {
		// Endpoints must not be loopback addresses; a test may well have nothing else.
		args = append(args, "--endpoint-reconciler-type=none")
	}
	if o.secretsEncryption {
		args = append(args, "--encryption-provider-config="+l.path("cred/encryption-config.json"),
			"--encryption-provider-config-automatic-reload=true")
	}
	args = append(args, d.apiserverArgs...)
	for _, a := range o.apiserverArgs {
		args = append(args, "--"+strings.TrimLeft(a, "-"))
	}
	return args
}

// runAPIServer returns when a signal has stopped it.
func runAPIServer(cmd *cobra.Command, args []string) error {
	cmd.SetArgs(args)
	logrus.Infof("Running kube-apiserver %s", strings.Join(args, " "))
	os.Args = slices.Concat([]string{"kube-apiserver"}, args)
	return cli.RunNoErrOutput(cmd)
}

// afterReady waits for the API server and then does what the controllers of a
// real server would.
func afterReady(ctx context.Context, o *options, l layout) error {
	client, err := adminHTTP(l)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("https://%s/readyz", localServer(o))
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(100 * time.Millisecond):
		}
	}
	client.CloseIdleConnections()
	if err := runControllers(ctx, o, l); err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	logrus.Info("k3s is up and running")
	return nil
}

func adminHTTP(l layout) (*http.Client, error) {
	pair, err := tls.LoadX509KeyPair(l.path("tls/client-admin.crt"), l.path("tls/client-admin.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(l.path("tls/server-ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("tls/server-ca.crt: no certificate")
	}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots},
	}}, nil
}

// localServer is where this machine reaches the API.
func localServer(o *options) string {
	host := "127.0.0.1"
	if o.bindAddress != "0.0.0.0" && o.bindAddress != "::" {
		host = o.bindAddress
	}
	return fmt.Sprintf("%s:%d", host, o.port)
}
