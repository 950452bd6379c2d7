// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/provider"
)

// SecretReader returns the value of one key of a Secret in the fleet's namespace. Its errors are of the provider
// package's kinds.
type SecretReader func(ctx context.Context, ref v1alpha1.SecretKeyReference) ([]byte, error)

// Receiver is where and how messages are posted. Its fields are secrets, and nothing prints them.
type Receiver struct {
	kind          v1alpha1.NotificationType
	url           *url.URL
	authorization string
	signingKey    []byte
}

// String keeps the secrets out of everything that prints a receiver.
func (r Receiver) String() string { return string(r.kind) + " receiver" }

// GoString is String, for %#v.
func (r Receiver) GoString() string { return r.String() }

// Open reads the Secrets of a notification and checks what is in them.
func Open(ctx context.Context, n v1alpha1.Notification, secret SecretReader) (Receiver, error) {
	r := Receiver{kind: n.Type}
	value, err := secret(ctx, n.URLSecretRef)
	if err != nil {
		return r, err
	}
	if r.url, err = address(n, string(value)); err != nil {
		return r, err
	}
	if ref := n.AuthorizationSecretRef; ref != nil {
		if value, err = secret(ctx, *ref); err != nil {
			return r, err
		}
		r.authorization = strings.TrimSpace(string(value))
		if r.authorization == "" || strings.ContainsFunc(r.authorization, func(c rune) bool { return c < ' ' || c > '~' }) {
			return r, invalid(*ref, "is no value of an Authorization header: it must be one line of plain characters")
		}
	}
	if ref := n.SigningSecretRef; ref != nil {
		if value, err = secret(ctx, *ref); err != nil {
			return r, err
		}
		if r.signingKey, err = signingKey(string(value)); err != nil {
			return r, invalid(*ref, `is no signing key: it must be "whsec_" and 24 to 64 bytes in base64`)
		}
	}
	return r, nil
}

// address reads a URL. Nothing of it is in an error: it may be a token that was put there by mistake.
func address(n v1alpha1.Notification, value string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(value))
	switch {
	case err != nil || u.Hostname() == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return nil, invalid(n.URLSecretRef, "is no URL that can be posted to: it must begin with https:// and name a host")
	case u.User != nil:
		return nil, invalid(n.URLSecretRef, "holds a user and a password: put them into the Secret of authorizationSecretRef")
	case u.Scheme == "http" && n.Transport != v1alpha1.NotificationPlain && !thisMachine(u.Hostname()):
		return nil, invalid(n.URLSecretRef, "begins with http://, by which everybody on the way can read and change what is told: use https://, or set transport: Plain")
	}
	return u, nil
}

func invalid(ref v1alpha1.SecretKeyReference, what string) error {
	return provider.Rejected(v1alpha1.ReasonInvalidReceiver, "key %q of Secret %s %s", ref.Key, ref.Name, what)
}

// signingKey decodes a key as standardwebhooks.com writes it.
func signingKey(value string) ([]byte, error) {
	encoded := strings.TrimPrefix(strings.TrimSpace(value), "whsec_")
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err == nil && (len(key) < 24 || len(key) > 64) {
		err = base64.CorruptInputError(len(key))
	}
	return key, err
}
