// SPDX-License-Identifier: Apache-2.0

// Package pki makes the certificates, keys and tokens of one lab cluster.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Names of the files in a cluster's directory.
const (
	// CAFile holds the certificate that clients trust.
	CAFile = "ca.crt"
	// CertificateFile and KeyFile are what the API server and the proxy in front of it show.
	CertificateFile = "server.crt"
	KeyFile         = "server.key"
	// ServiceAccountKeyFile signs the tokens of service accounts.
	ServiceAccountKeyFile = "service-account.key"
	// TokenFile lists the tokens of the users.
	TokenFile = "tokens.csv"
)

// Users that have a token; all may do everything, but the audit log tells them apart.
const (
	Admin             = "admin"
	Lab               = "sengu-lab"
	ControllerManager = "system:kube-controller-manager"
	Scheduler         = "system:kube-scheduler"
	Kwok              = "kwok"
)

var users = []string{Admin, Lab, ControllerManager, Scheduler, Kwok}

// Ensure makes what is missing in the directory. What is there stays, so that kubeconfigs outlive a restart.
func Ensure(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, TokenFile)); err == nil {
		return nil // written last
	}
	if err := certificates(dir); err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	if err := write(dir, ServiceAccountKeyFile, "EC PRIVATE KEY", key.der); err != nil {
		return err
	}
	var tokens strings.Builder
	for _, user := range users {
		token, err := NewToken()
		if err != nil {
			return err
		}
		fmt.Fprintf(&tokens, "%s,%s,%s,system:masters\n", token, user, user)
	}
	if err := os.WriteFile(filepath.Join(dir, TokenFile), []byte(tokens.String()), 0o600); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return nil
}

// Tokens reads the tokens by user.
func Tokens(dir string) (map[string]string, error) {
	content, err := os.ReadFile(filepath.Join(dir, TokenFile))
	if err != nil {
		return nil, fmt.Errorf("read the tokens: %w", err)
	}
	tokens := map[string]string{}
	for line := range strings.Lines(string(content)) {
		if fields := strings.Split(line, ","); len(fields) > 1 {
			tokens[fields[1]] = fields[0]
		}
	}
	return tokens, nil
}

// NewToken returns a token that cannot be guessed.
func NewToken() (string, error) {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return hex.EncodeToString(random), nil
}

// certificates makes the authority and the server's certificate. The authority's key is not kept: it signs once.
func certificates(dir string) error {
	authorityKey, err := newKey()
	if err != nil {
		return err
	}
	now := time.Now()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sengu-lab " + filepath.Base(dir)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	authorityDER, err := x509.CreateCertificate(rand.Reader, authority, authority, authorityKey.public(), authorityKey.private)
	if err != nil {
		return fmt.Errorf("make the cluster's authority: %w", err)
	}
	serverKey, err := newKey()
	if err != nil {
		return err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "kube-apiserver"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	}
	serverDER, err := x509.CreateCertificate(rand.Reader, server, authority, serverKey.public(), authorityKey.private)
	if err != nil {
		return fmt.Errorf("make the server's certificate: %w", err)
	}
	if err := write(dir, CAFile, "CERTIFICATE", authorityDER); err != nil {
		return err
	}
	if err := write(dir, CertificateFile, "CERTIFICATE", serverDER); err != nil {
		return err
	}
	return write(dir, KeyFile, "EC PRIVATE KEY", serverKey.der)
}

type key struct {
	private *ecdsa.PrivateKey
	der     []byte
}

func (k key) public() *ecdsa.PublicKey { return &k.private.PublicKey }

func newKey() (key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	return key{private, der}, nil
}

func write(dir, name, kind string, der []byte) error {
	content := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
