// SPDX-License-Identifier: Apache-2.0

// Package notify posts messages to the receivers that a fleet names.
//
// A receiver's URL is a secret: no error, log or event of this package holds it, nor what the receiver answered. Every
// error is of one of the provider package's kinds, with a documented reason as its code and one sentence.
package notify

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"strconv"
	"time"

	"k8s.io/utils/clock"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/provider"
)

const (
	// defaultTimeout bounds one delivery as a whole: name, connection, TLS, request and answer.
	defaultTimeout = 10 * time.Second
	// maxAnswer is how much of an answer is read, so that the connection can be used again. The rest is of no use.
	maxAnswer = 64 << 10
	// maxRetryAfter bounds how long a receiver can put off what it is told.
	maxRetryAfter = time.Hour
)

// Config of a Sender.
type Config struct {
	// Clock stamps signatures.
	Clock clock.PassiveClock
	// Roots that certificates are checked against; nil: those of the machine.
	Roots *x509.CertPool
	// Timeout of one delivery; 0: ten seconds.
	Timeout time.Duration
	// UserAgent of the requests.
	UserAgent string
}

// Sender posts messages. It is safe for concurrent use.
type Sender struct {
	Config
	client *http.Client
}

// NewSender returns a sender.
func NewSender(c Config) *Sender {
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	return &Sender{Config: c, client: &http.Client{
		Transport: transport(c.Roots),
		// A redirect leads where nobody checked, and turns a post into a get.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Send posts a message once. nil means that the receiver took it.
func (s *Sender) Send(ctx context.Context, r Receiver, m message.Message) error {
	body, contentType, err := write(r.kind, m)
	if err != nil {
		return provider.Rejected(v1alpha1.ReasonDeliveryFailed, "the message cannot be written: this is a mistake in Sengu")
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url.String(), bytes.NewReader(body))
	if err != nil {
		return provider.Rejected(v1alpha1.ReasonInvalidReceiver, "the URL in the Secret cannot be used")
	}
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("User-Agent", s.UserAgent)
	if r.authorization != "" {
		request.Header.Set("Authorization", r.authorization)
	}
	if r.signingKey != nil {
		sign(request.Header, r.signingKey, m.ID, s.Clock.Now(), body)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return s.unreachable(err)
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // the status has said it all
	return s.judge(response)
}

func write(kind v1alpha1.NotificationType, m message.Message) (body []byte, contentType string, err error) {
	switch kind {
	case v1alpha1.NotificationSlack:
		body, err = message.Slack(m)
		return body, message.ContentTypeJSON, err
	case v1alpha1.NotificationTeams:
		body, err = message.Teams(m)
		return body, message.ContentTypeJSON, err
	}
	body, err = message.CloudEvent(m)
	return body, message.ContentTypeCloudEvent, err
}

// judge says what a status means. What the receiver wrote is not repeated: it may come from anywhere.
func (s *Sender) judge(r *http.Response) error {
	status := strconv.Itoa(r.StatusCode)
	if text := http.StatusText(r.StatusCode); text != "" {
		status += " " + text
	}
	switch {
	case r.StatusCode < 300:
		return nil
	case r.StatusCode < 400:
		return provider.Rejected(v1alpha1.ReasonReceiverRefused, "the receiver sends on to another address (%s): put the final URL into the Secret", status)
	case r.StatusCode == http.StatusTooManyRequests, r.StatusCode == http.StatusServiceUnavailable:
		return provider.Wait(v1alpha1.ReasonReceiverBusy, s.retryAfter(r.Header.Get("Retry-After")), "the receiver asks to be told later (%s)", status)
	case r.StatusCode == http.StatusRequestTimeout, r.StatusCode == http.StatusTooEarly, r.StatusCode >= 500:
		return provider.Retry(v1alpha1.ReasonReceiverFailed, nil, "the receiver has an error of its own (%s)", status)
	case r.StatusCode == http.StatusUnauthorized, r.StatusCode == http.StatusForbidden:
		return provider.Rejected(v1alpha1.ReasonReceiverRefused, "the receiver does not accept the URL or the credentials (%s): put valid ones into the Secret", status)
	case r.StatusCode == http.StatusNotFound, r.StatusCode == http.StatusGone:
		return provider.Rejected(v1alpha1.ReasonReceiverRefused, "the receiver does not know the URL (%s): make a new webhook and put its URL into the Secret", status)
	}
	return provider.Rejected(v1alpha1.ReasonReceiverRefused, "the receiver refuses the message (%s): check that the type of the notification is the receiver's", status)
}

// retryAfter reads seconds or a date; zero: the receiver does not say.
func (s *Sender) retryAfter(value string) time.Time {
	now := s.Clock.Now()
	var until time.Time
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		until = now.Add(min(time.Duration(min(seconds, 1<<20))*time.Second, maxRetryAfter))
	} else if date, err := http.ParseTime(value); err == nil && date.After(now) {
		until = date
		if until.Sub(now) > maxRetryAfter {
			until = now.Add(maxRetryAfter)
		}
	}
	return until
}
