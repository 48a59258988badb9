package authority_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/topology"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }
func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func open(t *testing.T, dir string, c *clock) *authority.Authority {
	t.Helper()
	a, err := authority.Open(authority.Options{Dir: dir, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func newClock() *clock { return &clock{now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

// requester is a host's key with a request for it.
func requester(t *testing.T) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func grant(t *testing.T, a *authority.Authority, g authority.Grant) string {
	t.Helper()
	token, _, err := a.CreateToken(g)
	if err != nil {
		t.Fatal(err)
	}
	return token.String()
}

func certificate(t *testing.T, c *fleet.Credentials) *x509.Certificate {
	t.Helper()
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// TestTokenIsUsedOnce: of many hosts that bring one token at the same moment, some
// through another process's authority, one is enrolled.
func TestTokenIsUsedOnce(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "authority"), newClock()
	a, b := open(t, dir, c), open(t, dir, c)
	token := grant(t, a, authority.Grant{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	joined := 0
	for i := range 16 {
		request := requester(t)
		at := a
		if i%2 == 1 {
			at = b
		}
		wg.Go(func() {
			_, err := at.Join(fleet.JoinRequest{Token: token, Name: "web1", Request: request})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				joined++
			case !errors.Is(err, authority.ErrUsedToken):
				t.Errorf("refused for another reason: %v", err)
			}
		})
	}
	wg.Wait()
	hosts, err := b.Hosts()
	if joined != 1 || err != nil || len(hosts) != 1 {
		t.Errorf("%d joined, %d enrolled, %v; want one", joined, len(hosts), err)
	}
}

func TestJoin(t *testing.T) {
	for name, tc := range map[string]struct {
		grant  authority.Grant
		name   string
		after  time.Duration
		change func(*fleet.JoinRequest)
		want   error
	}{
		"joins":                   {name: "web1"},
		"bound to its name":       {grant: authority.Grant{Host: "web1"}, name: "web1"},
		"bound to another name":   {grant: authority.Grant{Host: "web2"}, name: "web1", want: authority.ErrOtherHost},
		"just in time":            {name: "web1", after: time.Hour - 1},
		"too late":                {name: "web1", after: time.Hour, want: authority.ErrLateToken},
		"no host name":            {name: "../etc", want: authority.ErrRequest},
		"empty host name":         {name: "", want: authority.ErrRequest},
		"no token":                {name: "web1", change: func(r *fleet.JoinRequest) { r.Token = "" }, want: fleet.ErrToken},
		"no request":              {name: "web1", change: func(r *fleet.JoinRequest) { r.Request = nil }, want: authority.ErrRequest},
		"request with a bit less": {name: "web1", change: func(r *fleet.JoinRequest) { r.Request[len(r.Request)-1] ^= 1 }, want: authority.ErrRequest},
		"a token made up": {name: "web1", change: func(r *fleet.JoinRequest) {
			tok, _ := fleet.ParseToken(r.Token)
			tok.Secret[0] ^= 1
			r.Token = tok.String()
		}, want: authority.ErrUnknownToken},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			a := open(t, filepath.Join(t.TempDir(), "a"), c)
			req := fleet.JoinRequest{Token: grant(t, a, tc.grant), Name: tc.name, Request: requester(t)}
			if tc.change != nil {
				tc.change(&req)
			}
			c.add(tc.after)
			got, err := a.Join(req)
			if !errors.Is(err, tc.want) || (err == nil) != (got != nil) {
				t.Fatalf("Join = %v, %v; want error %v", got, err, tc.want)
			}
			if err == nil {
				if e, err := a.Holder(certificate(t, got)); err != nil || e.Name != "web1" {
					t.Errorf("Holder = %v, %v", e, err)
				}
			}
		})
	}
}

// TestLostAnswer: a host whose join was granted and whose answer was lost asks again
// with the same key; nobody else can.
func TestLostAnswer(t *testing.T) {
	a := open(t, filepath.Join(t.TempDir(), "a"), newClock())
	req := fleet.JoinRequest{Token: grant(t, a, authority.Grant{Labels: topology.Labels{"role": "web"}}), Name: "web1", Request: requester(t)}
	for range 2 {
		if _, err := a.Join(req); err != nil {
			t.Fatal(err)
		}
	}
	other := req
	other.Request = requester(t)
	if _, err := a.Join(other); !errors.Is(err, authority.ErrUsedToken) {
		t.Errorf("another key: %v", err)
	}
	if err := a.Remove("web1"); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Join(req); !errors.Is(err, authority.ErrUsedToken) {
		t.Errorf("after its removal: %v", err)
	}
}

// TestCertificatesEnd: an expired certificate may only be renewed, and not for ever;
// a removed or replaced host's is nobody's.
func TestCertificatesEnd(t *testing.T) {
	c := newClock()
	a := open(t, filepath.Join(t.TempDir(), "a"), c)
	req := requester(t)
	got, err := a.Join(fleet.JoinRequest{Token: grant(t, a, authority.Grant{}), Name: "web1", Request: req})
	if err != nil {
		t.Fatal(err)
	}
	cert := certificate(t, got)
	check := func(what string, want error) {
		t.Helper()
		if _, err := a.Holder(cert); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	check("at once", nil)
	c.add(-365 * 24 * time.Hour)
	check("the controller's clock a year back", nil)
	c.add(365*24*time.Hour + 24*time.Hour + time.Second)
	check("a day later", authority.ErrExpired)
	e, _ := a.Holder(cert)
	if _, err := a.Renew(e, requester(t)); !errors.Is(err, authority.ErrRequest) {
		t.Errorf("renewed for another key: %v", err)
	}
	next, err := a.Renew(e, req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Holder(certificate(t, next)); err != nil {
		t.Errorf("renewed: %v", err)
	}
	c.add(30 * 24 * time.Hour)
	check("a month later", authority.ErrTooLate)
	cert = certificate(t, next)
	if _, err := a.Join(fleet.JoinRequest{Token: grant(t, a, authority.Grant{}), Name: "web1", Request: requester(t)}); err != nil {
		t.Fatal(err)
	}
	check("replaced by a host of the same name", authority.ErrRevoked)
	if err := a.Remove("web1"); err != nil {
		t.Fatal(err)
	}
	check("removed", authority.ErrRevoked)
	if err := a.Remove("web1"); !errors.Is(err, authority.ErrNoHost) {
		t.Errorf("removed twice: %v", err)
	}
}

// TestForeignCertificates: neither the controller's own certificate nor another
// authority's speaks for a host.
func TestForeignCertificates(t *testing.T) {
	c := newClock()
	a, b := open(t, filepath.Join(t.TempDir(), "a"), c), open(t, filepath.Join(t.TempDir(), "b"), c)
	server, err := a.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(server.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Join(fleet.JoinRequest{Token: grant(t, b, authority.Grant{}), Name: "web1", Request: requester(t)})
	if err != nil {
		t.Fatal(err)
	}
	for what, cert := range map[string]*x509.Certificate{"the controller's": leaf, "another authority's": certificate(t, got), "the authority's": a.Certificate()} {
		if _, err := a.Holder(cert); !errors.Is(err, authority.ErrForeign) {
			t.Errorf("%s certificate: %v", what, err)
		}
	}
}

// TestFolder: keys stay the same from start to start, only their owner can read
// them, and no file holds a token's secret.
func TestFolder(t *testing.T) {
	dir, c := filepath.Join(t.TempDir(), "authority"), newClock()
	a := open(t, dir, c)
	token := grant(t, a, authority.Grant{})
	if b := open(t, dir, c); b.Fingerprint() != a.Fingerprint() || !b.PolicyKey().Equal(a.PolicyKey()) {
		t.Error("the keys are others after a restart")
	}
	tok, _ := fleet.ParseToken(token)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, _ := e.Info()
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
		text, _ := os.ReadFile(filepath.Join(dir, e.Name()))
		if strings.Contains(string(text), string(tok.Secret[:])) || strings.Contains(string(text), token[len(token)-20:]) {
			t.Errorf("%s holds the secret", e.Name())
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v", info.Mode())
	}
	if err := os.WriteFile(filepath.Join(dir, "ca.key"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.Open(authority.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "ca.key") {
		t.Errorf("a damaged key is replaced or not named: %v", err)
	}
}
