// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// transport keeps few connections, checks certificates, and does not connect to where no receiver can be.
func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            dial,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           16,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

var errForbidden = errors.New("no receiver can be at this address")

// dial checks the address after the name was resolved: a name in a Secret could lead anywhere.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 5 * time.Second, ControlContext: func(_ context.Context, _, resolved string, _ syscall.RawConn) error {
		return allowed(host, resolved)
	}}
	return d.DialContext(ctx, network, address)
}

// allowed refuses the addresses that answer to a machine alone: link-local ones, where clouds hand out credentials, and
// this machine's own unless it was named as such. Private networks are allowed: receivers of one's own are there.
func allowed(host, resolved string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("%w: %w", errForbidden, err)
	}
	ip := at.Addr().Unmap()
	switch {
	case ip.IsLinkLocalUnicast(), ip.IsMulticast(), ip.IsUnspecified(), ip == cloudMetadataV6:
		return errForbidden
	case ip.IsLoopback() && !thisMachine(host):
		return errForbidden
	}
	return nil
}

// cloudMetadataV6 is where AWS hands out credentials by IPv6; it is in the range of private networks.
var cloudMetadataV6 = netip.MustParseAddr("fd00:ec2::254")

// thisMachine says whether a host, as a person wrote it, is this machine.
func thisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// unreachable says in words of our own why there was no answer: the errors of net/http hold the URL.
func (s *Sender) unreachable(err error) error {
	var (
		name      *net.DNSError
		authority x509.UnknownAuthorityError
		otherName x509.HostnameError
		notValid  x509.CertificateInvalidError
		record    tls.RecordHeaderError
		network   net.Error
	)
	retry := func(sentence string) error {
		return provider.Retry(v1alpha1.ReasonReceiverUnreachable, nil, "%s", sentence)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return retry("Sengu was stopped before the receiver answered")
	case errors.Is(err, errForbidden):
		return provider.Rejected(v1alpha1.ReasonInvalidReceiver, "the URL in the Secret leads to an address at which no receiver can be (link-local, or this machine by another name)")
	case errors.As(err, &authority):
		return retry("the certificate of the receiver is from an authority that this machine does not trust: add the authority to the machine, or name its file in $SSL_CERT_FILE")
	case errors.As(err, &otherName):
		return retry("the certificate of the receiver is for another host: check the URL in the Secret")
	case errors.As(err, &notValid):
		return retry("the certificate of the receiver is not valid now: it must be renewed there")
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return retry("the receiver does not speak TLS: check the URL in the Secret")
	case errors.As(err, &name):
		return retry("the host of the receiver is not known to the name service: check the URL in the Secret")
	case errors.As(err, &network) && network.Timeout():
		return retry(fmt.Sprintf("the receiver has not answered in %s", s.Timeout))
	case errors.Is(err, syscall.ECONNREFUSED):
		return retry("the receiver refuses connections: check that it runs, and the port in the URL")
	}
	return retry("the connection to the receiver broke off")
}
