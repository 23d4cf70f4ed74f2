package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"slices"
	"time"
)

// authorities are the certificate authorities that k3s keeps, by the name of
// their files under tls/ and the prefix of their common name.
var authorities = map[string]string{
	"tls/server-ca":         "k3s-server-ca",
	"tls/client-ca":         "k3s-client-ca",
	"tls/request-header-ca": "k3s-request-header-ca",
	"tls/etcd/server-ca":    "etcd-server-ca",
	"tls/etcd/peer-ca":      "etcd-peer-ca",
}

// leaf is one certificate that can be made anew at any start, because its
// authority is kept.
type leaf struct {
	file, authority string
	name            pkix.Name
	hosts           []string
}

func leaves(o *options, serviceIP string) []leaf {
	local := []string{"127.0.0.1", "::1", "localhost", o.nodeName}
	api := append([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local", serviceIP}, local...)
	for _, h := range append(slices.Clone([]string(o.tlsSAN)), o.nodeIP, o.advertiseAddress) {
		if h != "" {
			api = append(api, h)
		}
	}
	return []leaf{
		{"tls/serving-kube-apiserver", "tls/server-ca", pkix.Name{CommonName: "kube-apiserver"}, api},
		{"tls/client-admin", "tls/client-ca", pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}}, nil},
		{"tls/client-auth-proxy", "tls/request-header-ca", pkix.Name{CommonName: "system:auth-proxy"}, nil},
		{"tls/etcd/server-client", "tls/etcd/server-ca", pkix.Name{CommonName: "etcd-server"}, local},
		{"tls/etcd/client", "tls/etcd/server-ca", pkix.Name{CommonName: "etcd-client"}, nil},
		{"tls/etcd/peer-server-client", "tls/etcd/peer-ca", pkix.Name{CommonName: "etcd-peer"}, local},
	}
}

// ensurePKI makes what is missing of authorities and keys, then the
// certificates below them.
func ensurePKI(l layout, o *options, serviceIP string) error {
	for file, name := range authorities {
		if exists(l.path(file + ".crt")) {
			continue
		}
		if err := newAuthority(l.path(file), fmt.Sprintf("%s@%d", name, time.Now().Unix())); err != nil {
			return fmt.Errorf("certificate authority %s: %w", file, err)
		}
	}
	if !exists(l.path("tls/service.key")) {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return err
		}
		block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
		if err := os.WriteFile(l.path("tls/service.key"), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	if err := copyFile(l.path("tls/service.key"), l.path("tls/service.current.key")); err != nil {
		return err
	}
	for _, c := range leaves(o, serviceIP) {
		if err := c.ensure(l); err != nil {
			return fmt.Errorf("certificate %s: %w", c.file, err)
		}
	}
	return nil
}

func newAuthority(base, commonName string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: commonName},
		NotBefore: now.Add(-time.Minute), NotAfter: now.AddDate(10, 0, 0),
		KeyUsage: x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:     true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	return writePair(base, key, der)
}

// ensure keeps a certificate that still fits: the kubeconfig that people
// copied from k3s.yaml must not change at each start.
func (c leaf) ensure(l layout) error {
	ca, caKey, err := readPair(l.path(c.authority))
	if err != nil {
		return err
	}
	if old, _, err := readPair(l.path(c.file)); err == nil && c.fits(old, ca) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: c.name,
		NotBefore: ca.NotBefore, NotAfter: now.AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, h := range c.hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	return writePair(l.path(c.file), key, der, ca.Raw)
}

func (c leaf) fits(cert, ca *x509.Certificate) bool {
	if cert.CheckSignatureFrom(ca) != nil || time.Until(cert.NotAfter) < 90*24*time.Hour {
		return false
	}
	for _, h := range c.hosts {
		if cert.VerifyHostname(h) != nil {
			return false
		}
	}
	return true
}

func writePair(base string, key *ecdsa.PrivateKey, chain ...[]byte) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	block := &pem.Block{Type: "EC PRIVATE KEY", Bytes: der}
	if err := os.WriteFile(base+".key", pem.EncodeToMemory(block), 0o600); err != nil {
		return err
	}
	var out []byte
	for _, c := range chain {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	return os.WriteFile(base+".crt", out, 0o644)
}

func readPair(base string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	var der [2][]byte
	for i, suffix := range []string{".crt", ".key"} {
		raw, err := os.ReadFile(base + suffix)
		if err != nil {
			return nil, nil, err
		}
		block, _ := pem.Decode(raw)
		if block == nil {
			return nil, nil, errors.New(base + suffix + ": no PEM block")
		}
		der[i] = block.Bytes
	}
	cert, err := x509.ParseCertificate(der[0])
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(der[1])
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func copyFile(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, raw, 0o600)
}
