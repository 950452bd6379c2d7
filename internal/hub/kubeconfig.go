// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Groups of users that the hub gives rights to.
const (
	// GroupAdmins may do everything.
	GroupAdmins = "sengu:admins"
	// GroupOperators may read Sengu's objects, and write clusters, runs, cluster upgrades and gates.
	GroupOperators = "sengu:operators"
	// GroupViewers may read Sengu's objects, namespaces and events; never secrets.
	GroupViewers = "sengu:viewers"
)

// defaultValidity is how long a user's certificate is good for unless said otherwise.
const defaultValidity = 365 * 24 * time.Hour

// User is a person or a program that uses the hub. The hub keeps no list of users: who has a certificate of
// its authority is who the certificate says.
type User struct {
	// Name is how the hub calls the user, for example in events.
	Name string
	// Groups give the user its rights, see GroupAdmins, GroupOperators and GroupViewers.
	Groups []string
	// ValidFor is how long the certificate is good for; zero means 365 days.
	ValidFor time.Duration
}

func (u User) validate() error {
	if u.Name == "" {
		return errors.New("the user has no name: give one")
	}
	if u.ValidFor < 0 {
		return fmt.Errorf("user %q cannot be valid for %s: give a positive duration", u.Name, u.ValidFor)
	}
	for _, n := range append([]string{u.Name}, u.Groups...) {
		if n == "" || strings.HasPrefix(n, "system:") {
			return fmt.Errorf("user %q cannot be called or belong to %q: names that begin with system: are Kubernetes' own", u.Name, n)
		}
	}
	for _, n := range u.Groups {
		// A typo here would give a kubeconfig that works and may do nothing.
		if strings.HasPrefix(n, "sengu:") && n != GroupAdmins && n != GroupOperators && n != GroupViewers {
			return fmt.Errorf("there is no group %q: say %s, %s or %s, or a group of your own that does not begin with sengu", n, GroupAdmins, GroupOperators, GroupViewers)
		}
	}
	return nil
}

// IssueKubeconfig makes a kubeconfig file for a user of the hub in a data directory, with a new client
// certificate in it. The hub may run in another process or not at all, but must have been started once.
func IssueKubeconfig(root string, u User) ([]byte, error) {
	if err := u.validate(); err != nil {
		return nil, err
	}
	s, err := readState(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no hub in %s yet: start one there first", root)
	}
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("the data directory %s cannot be read (%w): run this as the user who runs the hub", root, err)
	}
	if err != nil {
		return nil, err
	}
	ca, err := loadAuthority(root)
	if err != nil {
		return nil, fmt.Errorf("the hub's authority in %s cannot be read: %w", filepath.Join(root, "pki"), err)
	}
	now := time.Now()
	validity := u.ValidFor
	if validity == 0 {
		validity = defaultValidity
	}
	certPEM, keyPEM, err := ca.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: u.Name, Organization: u.Groups},
		NotAfter:    now.Add(validity),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, now)
	if err != nil {
		return nil, fmt.Errorf("the certificate of user %q cannot be made: %w", u.Name, err)
	}
	return encodeKubeconfig(u.Name, net.JoinHostPort(s.Address, strconv.Itoa(s.Port)), ca.pem, certPEM, keyPEM)
}

func encodeKubeconfig(user, address string, ca, cert, key []byte) ([]byte, error) {
	const name = "sengu"
	c := clientcmdapi.NewConfig()
	c.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + address, CertificateAuthorityData: ca}
	c.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	c.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: user, Namespace: "default"}
	c.CurrentContext = name
	return clientcmd.Write(*c)
}

func (h *Hub) writeAdminKubeconfig() error {
	b, err := h.Kubeconfig(User{Name: "admin", Groups: []string{GroupAdmins}})
	if err != nil {
		return err
	}
	if err := writePrivate(h.dir.path("admin.kubeconfig"), b); err != nil {
		return unusable(h.dir.root, err)
	}
	return nil
}
