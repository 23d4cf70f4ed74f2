package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const bucket = "guests"

// stores starts an S3 service and a WebDAV server with TLS. What it returns is
// what the cluster context says of them, and of the folder.
func (w *world) stores(ctx context.Context, parts string) (map[string]any, error) {
	if err := w.certificate(); err != nil {
		return nil, err
	}
	s3, err := w.startS3(ctx, parts)
	if err != nil {
		return nil, err
	}
	dav, err := w.startWebDAV(ctx)
	if err != nil {
		return nil, err
	}
	ca, file := w.Path("etc/tls.pem"), "secrets/stores.sops.yaml"
	return map[string]any{
		"disk":   map[string]any{"type": "dir", "path": w.Path("disk"), "marker": ".this-is-the-nas"},
		"bucket": map[string]any{"type": "s3", "endpoint": s3, "bucket": bucket, "pathStyle": true, "ca": ca, "credentials": file},
		"cloud":  map[string]any{"type": "webdav", "url": dav, "ca": ca, "credentials": file},
	}, nil
}

func (w *world) startS3(ctx context.Context, parts string) (string, error) {
	program := filepath.Join(parts, "versitygw")
	port, err := freePort()
	if err != nil {
		return "", err
	}
	key, secret := "demo", rand.Text()
	w.secrets["RAILIANCE_BUCKET_ACCESS_KEY"], w.secrets["RAILIANCE_BUCKET_SECRET_KEY"] = key, secret
	if err := os.MkdirAll(w.Path("s3/"+bucket), 0o700); err != nil {
		return "", err
	}
	cmd := exec.Command(program, "--quiet", "--port", "127.0.0.1:"+port, "--cert", w.Path("etc/tls.pem"), "--key", w.Path("etc/tls.key"), "posix", w.Path("s3"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+key, "ROOT_SECRET_KEY="+secret)
	return "https://127.0.0.1:" + port, w.start(ctx, cmd, port)
}

// startWebDAV starts an Apache at the path where Nextcloud has its files.
func (w *world) startWebDAV(ctx context.Context) (string, error) {
	const modules = "/usr/lib/apache2/modules"
	program, err := exec.LookPath("apache2")
	if err != nil {
		program = "/usr/sbin/apache2" // where an ordinary user's PATH does not lead
	}
	if _, err := os.Stat(modules + "/mod_dav.so"); err != nil {
		return "", fmt.Errorf("%w: apt-get install apache2-bin", err)
	}
	port, err := freePort()
	if err != nil {
		return "", err
	}
	user, password := "demo", rand.Text()
	w.secrets["RAILIANCE_CLOUD_USER"], w.secrets["RAILIANCE_CLOUD_PASSWORD"] = user, password
	// As root, Apache gives that up, and must reach its files all the same.
	for _, dir := range []string{"dav", "dav/files", "dav/locks"} {
		if err := errors.Join(os.MkdirAll(w.Path(dir), 0o700), os.Chmod(w.Path(dir), 0o777)); err != nil {
			return "", err
		}
	}
	sum := sha1.Sum([]byte(password)) // what htpasswd -s writes
	var loads strings.Builder
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "alias", "ssl", "dav", "dav_fs"} {
		fmt.Fprintf(&loads, "LoadModule %s_module %s/mod_%s.so\n", m, modules, m)
	}
	conf := loads.String() + fmt.Sprintf(`ServerName localhost
ServerRoot %[1]s
PidFile %[1]s/pid
ErrorLog %[1]s/error.log
Listen 127.0.0.1:%[2]s
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadsPerChild 16
MaxRequestWorkers 16
KeepAliveTimeout 1
DavLockDB %[1]s/locks/db
SSLEngine on
SSLSessionCache none
SSLCertificateFile %[3]s.pem
SSLCertificateKeyFile %[3]s.key
Alias /remote.php/dav/files/demo %[1]s/files
<Directory %[1]s/files>
  Dav On
  AuthType Basic
  AuthName demo
  AuthUserFile %[1]s/passwords
  Require valid-user
</Directory>
`, w.Path("dav"), port, w.Path("etc/tls"))
	for name, text := range map[string]string{"conf": conf, "passwords": user + ":{SHA}" + base64.StdEncoding.EncodeToString(sum[:]) + "\n"} {
		path := w.Path("dav/" + name)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o600), os.Chmod(path, 0o644)); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(program, "-f", w.Path("dav/conf"), "-DFOREGROUND")
	return "https://127.0.0.1:" + port + "/remote.php/dav/files/demo", w.start(ctx, cmd, port)
}

// start runs a server until the end, and returns when it listens.
func (w *world) start(ctx context.Context, cmd *exec.Cmd, port string) error {
	name := filepath.Base(cmd.Path)
	log, err := os.Create(w.Path(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	w.ends = append(w.ends, func() error {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(3 * time.Second):
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // with what it started
		return nil
	})
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
		select {
		case err := <-ended:
			ended <- err
			said, _ := os.ReadFile(log.Name())
			return fmt.Errorf("%s ended: %w: %s", name, err, said)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not listen", name)
		}
	}
}

// certificate makes one that its own authority signed: itself.
func (w *world) certificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "demo"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(w.Path("etc/tls.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600),
		os.WriteFile(w.Path("etc/tls.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}
