package kubeconfig

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// certs judges PEM certificates and tells whether they could be read.
func (l *look) certs(check, key string, text []byte) bool {
	certs, err := parseCerts(text)
	if err != nil {
		l.at(Error, check+"-unreadable", key, err.Error(), "copy the file from the server again")
		return false
	}
	const renew = "restart k3s on the server, which renews certificates near their end, and copy its kubeconfig again"
	// Of a client's chain the first counts; of a bundle of CAs, each may.
	if check == "client-cert" {
		certs = certs[:1]
	}
	for _, c := range certs {
		begin, end := c.NotBefore.UTC().Format(time.DateOnly), c.NotAfter.UTC().Format(time.DateOnly)
		switch left := c.NotAfter.Sub(l.now); {
		case l.now.Before(c.NotBefore):
			l.at(Error, check+"-not-yet-valid", key, "not valid before "+begin, "compare this machine's clock")
		case left < 0:
			l.at(Error, check+"-expired", key, "expired on "+end, renew)
		case left < l.soon:
			l.at(Warning, check+"-expires-soon", key,
				fmt.Sprintf("expires on %s, in %d days", end, int(left.Hours()/24)), renew)
		}
		if check == "ca" && !c.IsCA {
			l.at(Warning, "ca-not-a-ca", key, "it is the certificate of no CA", "")
		}
	}
	return true
}

func parseCerts(text []byte) ([]*x509.Certificate, error) {
	var certs []*x509.Certificate
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("a certificate in it is broken: %w", err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("there is no PEM certificate in it")
	}
	return certs, nil
}
