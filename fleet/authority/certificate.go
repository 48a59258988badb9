package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
)

// ServerName is in the controller's certificate, whatever address it is reached by:
// hosts ask for it, and no other certificate of the authority has it.
const ServerName = "controller.bulkhead.internal"

// ServerCertificate makes the controller's own, for as long as the authority lasts,
// with a key that is never written down.
func (a *Authority) ServerCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "bulkhead controller"}, DNSNames: []string{ServerName},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, key.Public())
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("controller's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}

func (a *Authority) issue(c *x509.Certificate, key crypto.PublicKey) (der []byte, err error) {
	if c.SerialNumber, err = serialNumber(); err != nil {
		return nil, err
	}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	c.BasicConstraintsValid = true
	return x509.CreateCertificate(rand.Reader, c, a.cert, key, a.key)
}

// sign makes a host's certificate.
func (a *Authority) sign(e *fleet.Enrolment, key crypto.PublicKey) ([]byte, error) {
	now := a.opts.Now()
	der, err := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: e.Name}, URIs: []*url.URL{hostURI(e)},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(a.opts.Life),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, key)
	if err != nil {
		return nil, fmt.Errorf("certificate for %s: %w", e.Name, err)
	}
	return der, nil
}

func hostURI(e *fleet.Enrolment) *url.URL {
	return &url.URL{Scheme: "bulkhead", Host: string(e.Role), Path: "/" + e.Name}
}

// ErrRequest: a certificate request that is not acceptable.
var ErrRequest = errors.New("certificate request refused")

// requested reads a certificate request: only its key counts, and the signature
// that proves that the sender has it.
func requested(der []byte) (key crypto.PublicKey, id string, err error) {
	r, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrRequest, err)
	}
	switch k := r.PublicKey.(type) {
	case ed25519.PublicKey:
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return nil, "", fmt.Errorf("%w: want a P-256 or Ed25519 key", ErrRequest)
		}
	default:
		return nil, "", fmt.Errorf("%w: want a P-256 or Ed25519 key", ErrRequest)
	}
	return r.PublicKey, keyID(r.RawSubjectPublicKeyInfo), nil
}

// Reasons for which a certificate does not speak for a host.
var (
	ErrForeign = errors.New("not a certificate of this authority for a host")
	ErrRevoked = errors.New("the host is not enrolled, or its key was replaced")
	ErrExpired = errors.New("the certificate has expired")
	ErrTooLate = errors.New("the certificate expired too long ago to be renewed")
)

// Holder says whose certificate it is. An expired one gives ErrExpired with the
// enrolment as long as it can be renewed, and ErrTooLate without it afterwards.
func (a *Authority) Holder(c *x509.Certificate) (*fleet.Enrolment, error) {
	if err := c.CheckSignatureFrom(a.cert); err != nil || len(c.URIs) != 1 || !slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return nil, ErrForeign
	}
	e, err := a.Host(c.Subject.CommonName)
	if err != nil {
		return nil, err
	}
	if e == nil || e.Key != keyID(c.RawSubjectPublicKeyInfo) || c.URIs[0].String() != hostURI(e).String() {
		return nil, fmt.Errorf("%s: %w", c.Subject.CommonName, ErrRevoked)
	}
	switch over := a.opts.Now().Sub(c.NotAfter); {
	case over > a.opts.Grace:
		return nil, fmt.Errorf("%s: %w (%s ago)", e.Name, ErrTooLate, over.Round(time.Hour))
	case over > 0:
		return e, fmt.Errorf("%s: %w", e.Name, ErrExpired)
	}
	// A certificate from the future only says that this clock was put back.
	return e, nil
}

// Renew signs the next certificate of a host for the key it is enrolled with.
func (a *Authority) Renew(e *fleet.Enrolment, request []byte) (*fleet.Credentials, error) {
	key, id, err := requested(request)
	if err != nil {
		return nil, err
	}
	if id != e.Key {
		return nil, fmt.Errorf("%w: %s is enrolled with another key; let it join again", ErrRequest, e.Name)
	}
	return a.credentials(e, key)
}

func (a *Authority) credentials(e *fleet.Enrolment, key crypto.PublicKey) (*fleet.Credentials, error) {
	der, err := a.sign(e, key)
	if err != nil {
		return nil, err
	}
	return &fleet.Credentials{Name: e.Name, Role: e.Role, Certificate: der, Authority: a.cert.Raw,
		Policy: [][]byte{a.policy.Public().(ed25519.PublicKey)}, Time: a.opts.Now()}, nil
}

func keyID(spki []byte) string {
	sum := sha(spki)
	return hex.EncodeToString(sum[:])
}
