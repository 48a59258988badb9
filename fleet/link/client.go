package link

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
)

// serverName is in every controller's certificate; fleet/authority.ServerName.
const serverName = "controller.bulkhead.internal"

// Failure is what a controller answered when it refused.
type Failure struct {
	Status int
	fleet.Failure
}

func (f *Failure) Error() string {
	if f.Message == "" {
		return fmt.Sprintf("the controller answered %d", f.Status)
	}
	return f.Message
}

// Refused reports whether an error is the controller's refusal of that kind.
func Refused(err error, code string) bool {
	var f *Failure
	return errors.As(err, &f) && f.Code == code
}

// client speaks to one controller. It is safe for concurrent use.
type client struct {
	base string
	conf *tls.Config
	http atomic.Pointer[http.Client]
}

// Bounds of a request that is not a long poll.
const (
	dialTimeout    = 5 * time.Second
	requestTimeout = 30 * time.Second
	maxAnswer      = 256 << 20 // a bundle's own bound
)

// newClient verifies the controller by check; cert may be nil.
func newClient(controller string, check func(*x509.Certificate) bool, cert func() tls.Certificate) *client {
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: serverName,
		InsecureSkipVerify: true, // VerifyConnection does it: by the pinned authority, without times
		VerifyConnection:   func(s tls.ConnectionState) error { return verify(s.PeerCertificates, check) },
	}
	if cert != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			c := cert()
			return &c, nil
		}
	}
	c := &client{base: "https://" + controller, conf: conf}
	c.renew()
	return c
}

// renew makes the requests to come use a new connection, with the certificate as it
// is by then. Requests under way end on the old one.
func (c *client) renew() {
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}
	old := c.http.Swap(&http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, TLSClientConfig: c.conf.Clone(), ForceAttemptHTTP2: true,
			TLSHandshakeTimeout: dialTimeout, IdleConnTimeout: time.Minute,
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
		},
	})
	if old != nil {
		old.CloseIdleConnections()
	}
}

// verify accepts the controller's certificate if an authority that passes check
// signed it for a controller.
func verify(chain []*x509.Certificate, check func(*x509.Certificate) bool) error {
	if len(chain) < 2 || !check(chain[1]) {
		return errors.New("this is not the controller the host joined: its authority has another key")
	}
	roots := x509.NewCertPool()
	roots.AddCert(chain[1])
	_, err := chain[0].Verify(x509.VerifyOptions{
		DNSName: serverName, Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		CurrentTime: chain[0].NotBefore.Add(chain[0].NotAfter.Sub(chain[0].NotBefore) / 2), // any time it holds
	})
	return err
}

// pinned accepts the authority with that fingerprint.
func pinned(want [sha256.Size]byte) func(*x509.Certificate) bool {
	return func(c *x509.Certificate) bool { return fingerprint(c) == want }
}

func fingerprint(c *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(c.RawSubjectPublicKeyInfo)
}

// post sends a value and reads the answer into another; nil for none.
func (c *client) post(ctx context.Context, path string, in, out any) error {
	body, ok := in.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	data, err := c.do(ctx, http.MethodPost, path, bytes.NewReader(body))
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s: the answer cannot be read: %w", path, err)
	}
	return nil
}

// do returns the body of an answer; nil for one without content.
func (c *client) do(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	res, err := c.http.Load().Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the method and the address: callers name what they tried
		}
		return nil, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxAnswer:
		return nil, errors.New("the answer is too large")
	case res.StatusCode == http.StatusNoContent:
		return nil, nil
	case res.StatusCode == http.StatusOK:
		return data, nil
	}
	f := &Failure{Status: res.StatusCode}
	_ = json.Unmarshal(data, &f.Failure) // an answer in other words has no code
	return nil, f
}

// close ends idle connections, so that the next request makes a new one.
func (c *client) close() { c.http.Load().CloseIdleConnections() }

// Address checks the form of a controller's address and adds what is left out:
// "https://host:port", "host:port".
func Address(text string) (string, error) {
	text, _ = strings.CutPrefix(text, "https://")
	text = strings.TrimSuffix(text, "/")
	host, port, err := net.SplitHostPort(text)
	if err != nil || host == "" || port == "" {
		return "", fmt.Errorf("%q is no address of a controller: want https://HOST:PORT", text)
	}
	return text, nil
}
