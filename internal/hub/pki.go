// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	caLifetime      = 10 * 365 * 24 * time.Hour
	servingLifetime = 365 * 24 * time.Hour
	// renewBefore is how long before its end the serving certificate is replaced.
	renewBefore = 30 * 24 * time.Hour
	// clockSkew is how far a client's clock may be behind.
	clockSkew = 5 * time.Minute
)

// authority is the hub's own certificate authority. It signs the hub's serving certificate and its users'.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

// ensurePKI makes the authority if there is none, and the serving certificate if there is none, if it is
// about to end, or if it lacks one of the names.
func ensurePKI(d *dataDir, names []string, now time.Time) error {
	ca, err := loadAuthority(d.root)
	if errors.Is(err, os.ErrNotExist) {
		ca, err = newAuthority(d.root, now)
	}
	if err != nil {
		return err
	}
	certFile, keyFile := d.path("pki", "server.crt"), d.path("pki", "server.key")
	if servingIsGood(ca, certFile, keyFile, names, now) {
		return nil
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "sengu hub"},
		NotAfter:    now.Add(servingLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	certPEM, keyPEM, err := ca.issue(template, now)
	if err != nil {
		return err
	}
	return errors.Join(writePrivate(keyFile, keyPEM), writePrivate(certFile, certPEM))
}

func servingIsGood(ca *authority, certFile, keyFile string, names []string, now time.Time) bool {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil || pair.Leaf.CheckSignatureFrom(ca.cert) != nil || pair.Leaf.NotAfter.Before(now.Add(renewBefore)) {
		return false
	}
	for _, n := range names {
		if pair.Leaf.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

func newAuthority(root string, now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "sengu hub authority"},
		NotAfter:              now.Add(caLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	self := &authority{cert: template, key: key}
	certPEM, err := self.sign(template, key, now)
	if err != nil {
		return nil, err
	}
	keyPEM, err := encodeKey(key)
	if err != nil {
		return nil, err
	}
	// The key goes first: a certificate without its key would look like a damaged authority.
	if err := writePrivate(filepath.Join(root, "pki", "ca.key"), keyPEM); err != nil {
		return nil, err
	}
	if err := writePrivate(filepath.Join(root, "pki", "ca.crt"), certPEM); err != nil {
		return nil, err
	}
	return loadAuthority(root)
}

// loadAuthority reads the authority; the error is os.ErrNotExist if the data directory has none yet.
func loadAuthority(root string) (*authority, error) {
	certFile, keyFile := filepath.Join(root, "pki", "ca.crt"), filepath.Join(root, "pki", "ca.key")
	certPEM, err := os.ReadFile(certFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are damaged (restore them from a backup): %w", certFile, keyFile, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s is not an ECDSA key (restore it from a backup)", keyFile)
	}
	return &authority{cert: pair.Leaf, key: key, pem: certPEM}, nil
}

// issue makes a key and a certificate for it, both in PEM.
func (a *authority) issue(template *x509.Certificate, now time.Time) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	if certPEM, err = a.sign(template, key, now); err != nil {
		return nil, nil, err
	}
	keyPEM, err = encodeKey(key)
	return certPEM, keyPEM, err
}

func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template.SerialNumber, template.NotBefore = serial, now.Add(-clockSkew)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
