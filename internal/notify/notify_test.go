// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	clocktesting "k8s.io/utils/clock/testing"

	"sengu.dev/sengu/api/v1alpha1"
	"sengu.dev/sengu/internal/notify/message"
	"sengu.dev/sengu/provider"
)

var now = time.Date(2027, 3, 1, 9, 0, 0, 0, time.UTC)

// token is in every URL of these tests, and must be in no error.
const token = "T0KEN-that-nobody-sees"

func at9() *clocktesting.FakePassiveClock { return clocktesting.NewFakePassiveClock(now) }

func failure() message.Message {
	return message.Message{ID: "uid-1-RunFailed-1", Event: v1alpha1.EventRunFailed, Severity: message.SeverityError, At: now,
		What: "Run a has failed.", Where: "fleet emea, run a", Next: "Retry it.", Fleet: "emea", Run: "a"}
}

// secrets reads from a map of name/key.
func secrets(values map[string]string) SecretReader {
	return func(_ context.Context, ref v1alpha1.SecretKeyReference) ([]byte, error) {
		value, ok := values[ref.Name+"/"+ref.Key]
		if !ok {
			return nil, provider.Rejected(v1alpha1.ReasonSecretMissing, "Secret %s does not exist", ref.Name)
		}
		return []byte(value), nil
	}
}

func ref(name string) v1alpha1.SecretKeyReference {
	return v1alpha1.SecretKeyReference{Name: name, Key: "v"}
}

// receiver opens a notification whose URL is given.
func receiver(t *testing.T, kind v1alpha1.NotificationType, url string) Receiver {
	t.Helper()
	r, err := Open(t.Context(), v1alpha1.Notification{Name: "ops", Type: kind, URLSecretRef: ref("url")}, secrets(map[string]string{"url/v": url}))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sender trusts a test server.
func sender(s *httptest.Server, timeout time.Duration) *Sender {
	c := Config{Clock: at9(), Timeout: timeout, UserAgent: "sengu/test"}
	if s != nil && s.Certificate() != nil {
		c.Roots = x509.NewCertPool()
		c.Roots.AddCert(s.Certificate())
	}
	return NewSender(c)
}

// TestAReceiverGetsACloudEvent: a receiver made of the CloudEvents SDK understands it, and its signature is right.
func TestAReceiverGetsACloudEvent(t *testing.T) {
	key := bytes.Repeat([]byte{7}, 32)
	var problem error
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		problem = func() error {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return err
			}
			mac := hmac.New(sha256.New, key)
			fmt.Fprintf(mac, "%s.%s.%s", r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp"), body)
			if got, want := r.Header.Get("webhook-signature"), "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)); got != want {
				return fmt.Errorf("signature %q, want %q", got, want)
			}
			if got := r.Header.Get("webhook-timestamp"); got != fmt.Sprint(now.Unix()) {
				return fmt.Errorf("timestamp %q", got)
			}
			if got := r.Header.Get("Authorization"); got != "Bearer x" {
				return fmt.Errorf("authorization %q", got)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			e, err := binding.ToEvent(r.Context(), cehttp.NewMessageFromHttpRequest(r))
			if err != nil {
				return err
			}
			if err := e.Validate(); err != nil {
				return err
			}
			if e.Type() != "dev.sengu.run.failed" || e.ID() != r.Header.Get("webhook-id") || e.Source() != "/apis/sengu.dev/v1alpha1/namespaces/emea/upgraderuns/a" || !e.Time().Equal(now) {
				return fmt.Errorf("got %s", e)
			}
			return nil
		}()
	}))
	defer server.Close()
	n := v1alpha1.Notification{Name: "ops", Type: v1alpha1.NotificationCloudEvents, URLSecretRef: ref("url"),
		AuthorizationSecretRef: new(ref("auth")), SigningSecretRef: new(ref("key"))}
	r, err := Open(t.Context(), n, secrets(map[string]string{
		"url/v": server.URL + "\n", "auth/v": "Bearer x\n", "key/v": "whsec_" + base64.StdEncoding.EncodeToString(key) + "\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := sender(server, 0).Send(t.Context(), r, failure()); err != nil || problem != nil {
		t.Errorf("sent: %v, received: %v", err, problem)
	}
}

// TestWhatReceiversAnswer: each answer has its kind, its reason and its sentence, and none of them tells the URL.
func TestWhatReceiversAnswer(t *testing.T) {
	t.Parallel()
	answer := func(status int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, "the answer repeats "+token)
		}
	}
	tests := map[string]struct {
		answer     http.HandlerFunc
		wantKind   error
		wantReason string
		wantUntil  time.Time
	}{
		"taken":                  {answer: answer(200)},
		"accepted":               {answer: answer(202)},
		"busy for a minute":      {answer: answer(429, "Retry-After", "60"), wantKind: provider.ErrWait, wantReason: v1alpha1.ReasonReceiverBusy, wantUntil: now.Add(time.Minute)},
		"busy until a date":      {answer: answer(503, "Retry-After", now.Add(90*time.Second).Format(http.TimeFormat)), wantKind: provider.ErrWait, wantReason: v1alpha1.ReasonReceiverBusy, wantUntil: now.Add(90 * time.Second)},
		"busy for a year":        {answer: answer(429, "Retry-After", "31536000"), wantKind: provider.ErrWait, wantReason: v1alpha1.ReasonReceiverBusy, wantUntil: now.Add(maxRetryAfter)},
		"busy, and does not say": {answer: answer(429), wantKind: provider.ErrWait, wantReason: v1alpha1.ReasonReceiverBusy},
		"busy since yesterday":   {answer: answer(429, "Retry-After", "-5"), wantKind: provider.ErrWait, wantReason: v1alpha1.ReasonReceiverBusy},
		"an error of its own":    {answer: answer(500), wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverFailed},
		"a gateway's":            {answer: answer(502), wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverFailed},
		"an unknown webhook":     {answer: answer(404), wantKind: provider.ErrRejected, wantReason: v1alpha1.ReasonReceiverRefused},
		"a wrong token":          {answer: answer(403), wantKind: provider.ErrRejected, wantReason: v1alpha1.ReasonReceiverRefused},
		"a wrong form":           {answer: answer(400), wantKind: provider.ErrRejected, wantReason: v1alpha1.ReasonReceiverRefused},
		"a redirect":             {answer: answer(302, "Location", "https://elsewhere.example/"+token), wantKind: provider.ErrRejected, wantReason: v1alpha1.ReasonReceiverRefused},
		"a status of its own":    {answer: answer(799), wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverFailed},
		"a hang-up": {answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverUnreachable},
		"a slow server": {answer: func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverUnreachable},
		"gigantic headers": {answer: answer(200, "X", strings.Repeat("x", 1<<20)), wantKind: provider.ErrRetry, wantReason: v1alpha1.ReasonReceiverUnreachable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewTLSServer(tc.answer)
			defer server.Close()
			err := sender(server, 500*time.Millisecond).Send(t.Context(), receiver(t, v1alpha1.NotificationSlack, server.URL+"/services/"+token), failure())
			wantsError(t, err, tc.wantKind, tc.wantReason)
			if e, ok := errors.AsType[*provider.Error](err); ok && !e.Until.Equal(tc.wantUntil) {
				t.Errorf("until %s, want %s", e.Until, tc.wantUntil)
			}
		})
	}
}

// wantsError checks the kind and the reason of an error, and that it tells nothing of where it went.
func wantsError(t *testing.T, err, kind error, reason string) {
	t.Helper()
	if !errors.Is(err, kind) || provider.CodeOf(err) != reason {
		t.Errorf("got %v (%s), want %v of reason %s", err, provider.CodeOf(err), kind, reason)
	}
	for _, secret := range []string{token, "127.0.0.1", "localhost", "https://", "example"} {
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, secret) && !strings.Contains(text, "begin with https://") && !strings.Contains(text, "use https://") {
			t.Errorf("%q tells %q", text, secret)
		}
	}
}

// TestAnAnswerWithoutEndIsNotRead: a receiver cannot keep Sengu busy or fill its memory.
func TestAnAnswerWithoutEndIsNotRead(t *testing.T) {
	written := make(chan int, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := 0
		for chunk := make([]byte, 1<<20); n < 1<<30; n += len(chunk) {
			if _, err := w.Write(chunk); err != nil {
				break
			}
		}
		written <- n
	}))
	defer server.Close()
	if err := sender(server, 0).Send(t.Context(), receiver(t, v1alpha1.NotificationSlack, server.URL), failure()); err != nil {
		t.Error(err)
	}
	if n := <-written; n > 64<<20 {
		t.Errorf("%d bytes of the answer were taken", n)
	}
}

// TestWhereNoReceiverIs: each way of not being reached has its sentence.
func TestWhereNoReceiverIs(t *testing.T) {
	other := httptest.NewTLSServer(http.NotFoundHandler())
	defer other.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	tests := map[string]struct {
		url, want string
		trusted   *httptest.Server
	}{
		"nobody listens":             {url: "https://" + closed.Addr().String() + "/" + token, want: "refuses connections"},
		"no such host":               {url: "https://" + token + ".invalid/", want: "not known to the name service"},
		"an unknown authority":       {url: other.URL + "/" + token, want: "an authority that this machine does not trust"},
		"a certificate of another":   {url: strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/" + token, want: "for another host", trusted: other},
		"no TLS at all":              {url: strings.Replace(plain.URL, "http", "https", 1) + "/" + token, want: "does not speak TLS"},
		"where clouds give out keys": {url: "https://169.254.169.254/" + token, want: "at which no receiver can be"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := sender(tc.trusted, 5*time.Second).Send(t.Context(), receiver(t, v1alpha1.NotificationTeams, tc.url), failure())
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want a sentence with %q", err, tc.want)
			}
			kind := provider.ErrRetry
			if strings.Contains(tc.want, "no receiver") {
				kind = provider.ErrRejected
			}
			wantsError(t, err, kind, provider.CodeOf(err))
		})
	}
}

// TestAddressesThatAreNotConnectedTo: a name may lead to a private network, and not to what answers a machine alone.
func TestAddressesThatAreNotConnectedTo(t *testing.T) {
	tests := map[string]struct {
		host, resolved string
		want           bool
	}{
		"a public address":                  {"hooks.example", "203.0.113.7:443", true},
		"a private network":                 {"chat.example", "10.1.2.3:443", true},
		"this machine, named so":            {"localhost", "127.0.0.1:8080", true},
		"this machine by its address":       {"127.0.0.1", "127.0.0.1:8080", true},
		"this machine by another name":      {"hooks.example", "127.0.0.1:443", false},
		"this machine by IPv6":              {"hooks.example", "[::1]:443", false},
		"this machine by a mapped address":  {"hooks.example", "[::ffff:127.0.0.1]:443", false},
		"link-local":                        {"hooks.example", "169.254.169.254:80", false},
		"link-local by a mapped address":    {"hooks.example", "[::ffff:169.254.169.254]:80", false},
		"link-local by IPv6":                {"hooks.example", "[fe80::1]:443", false},
		"the metadata of AWS by IPv6":       {"hooks.example", "[fd00:ec2::254]:80", false},
		"link-local, written as an address": {"169.254.169.254", "169.254.169.254:80", false},
		"everywhere":                        {"hooks.example", "0.0.0.0:80", false},
		"a group":                           {"hooks.example", "224.0.0.1:80", false},
		"no address":                        {"hooks.example", "somewhere", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if err := allowed(tc.host, tc.resolved); (err == nil) != tc.want {
				t.Errorf("allowed: %v, want %t", err, tc.want)
			}
		})
	}
}

// TestWhatASecretMayHold: bad input is one sentence that says what and where, and nothing of the secret.
func TestWhatASecretMayHold(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, 24))
	tests := map[string]struct {
		url, auth, key string
		transport      v1alpha1.NotificationTransport
		want           string // part of the sentence; empty: it is good
	}{
		"https":                       {url: "https://hooks.example/" + token},
		"http to this machine":        {url: "http://localhost:8080/" + token},
		"http to another":             {url: "http://hooks.example/" + token, want: "set transport: Plain"},
		"http to another, on purpose": {url: "http://hooks.example/" + token, transport: v1alpha1.NotificationPlain},
		"a token alone":               {url: token, want: `key "v" of Secret url is no URL`},
		"another scheme":              {url: "file:///etc/" + token, want: "is no URL that can be posted to"},
		"no host":                     {url: "https:///" + token, want: "is no URL that can be posted to"},
		"control characters":          {url: "https://hooks.example/\x00" + token, want: "is no URL that can be posted to"},
		"a user":                      {url: "https://" + token + ":x@hooks.example", want: "holds a user and a password"},
		"a header in two lines":       {url: "https://hooks.example", auth: "Bearer a\r\nX: " + token, want: `key "v" of Secret auth is no value of an Authorization header`},
		"an empty header":             {url: "https://hooks.example", auth: "\n", want: "is no value of an Authorization header"},
		"a signing key":               {url: "https://hooks.example", key: "whsec_" + good},
		"a short signing key":         {url: "https://hooks.example", key: "whsec_" + good[:8], want: `key "v" of Secret key is no signing key`},
		"a signing key in words":      {url: "https://hooks.example", key: token, want: "is no signing key"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n := v1alpha1.Notification{Type: v1alpha1.NotificationCloudEvents, URLSecretRef: ref("url"), Transport: tc.transport}
			values := map[string]string{"url/v": tc.url}
			if tc.auth != "" {
				n.AuthorizationSecretRef, values["auth/v"] = new(ref("auth")), tc.auth
			}
			if tc.key != "" {
				n.SigningSecretRef, values["key/v"] = new(ref("key")), tc.key
			}
			r, err := Open(t.Context(), n, secrets(values))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if err != nil {
				wantsError(t, err, provider.ErrRejected, v1alpha1.ReasonInvalidReceiver)
			}
			if text := fmt.Sprintf("%v %+v %#v", r, r, r); strings.Contains(text, token) {
				t.Errorf("a printed receiver tells its URL: %s", text)
			}
		})
	}
	t.Run("a Secret that is not there", func(t *testing.T) {
		_, err := Open(t.Context(), v1alpha1.Notification{URLSecretRef: ref("url")}, secrets(nil))
		wantsError(t, err, provider.ErrRejected, v1alpha1.ReasonSecretMissing)
	})
}
