package authority

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Options of an Authority.
type Options struct {
	Dir string           // made if absent, 0700
	Now func() time.Time // nil for time.Now
	// Life of a host's certificate; 0 for a day. Hosts renew at half of it.
	Life time.Duration
	// Grace is how long after its end a certificate may still be renewed, with the same
	// key, by a host that is enrolled; 0 for 30 days.
	Grace time.Duration
}

// Authority holds the keys and the register. It is safe for concurrent use.
type Authority struct {
	opts   Options
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	policy ed25519.PrivateKey
	book   *book
}

// authorityLife is long: replacing the authority means that every host joins again.
const authorityLife = 10 * 365 * 24 * time.Hour

// Open reads the folder, and makes keys there at the first time.
func Open(opts Options) (*Authority, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Life == 0 {
		opts.Life = 24 * time.Hour
	}
	if opts.Grace == 0 {
		opts.Grace = 30 * 24 * time.Hour
	}
	if err := makeDir(opts.Dir); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	a := &Authority{opts: opts, book: &book{dir: opts.Dir}}
	unlock, err := lock(filepath.Join(opts.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	defer unlock()
	if err := a.loadKeys(); err != nil {
		return nil, fmt.Errorf("authority: %w", err)
	}
	return a, nil
}

func (a *Authority) loadKeys() error {
	key, err := a.keyFile("ca.key", func() (any, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) })
	if err != nil {
		return err
	}
	policy, err := a.keyFile("policy.key", func() (any, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	})
	if err != nil {
		return err
	}
	var ok1, ok2 bool
	a.key, ok1 = key.(*ecdsa.PrivateKey)
	a.policy, ok2 = policy.(ed25519.PrivateKey)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: ca.key must be an ECDSA and policy.key an Ed25519 key", a.opts.Dir)
	}
	return a.loadCertificate()
}

// keyFile reads a private key, or makes and keeps one.
func (a *Authority) keyFile(name string, generate func() (any, error)) (any, error) {
	path := filepath.Join(a.opts.Dir, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err := generate()
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: is no PEM file; restore it from a backup, or remove the folder and let every host join again", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

func (a *Authority) loadCertificate() error {
	path := filepath.Join(a.opts.Dir, "ca.crt")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return a.makeCertificate(path)
	}
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%s: is no PEM file", path)
	}
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if !a.key.PublicKey.Equal(a.cert.PublicKey) {
		return fmt.Errorf("%s: is not the certificate of ca.key", path)
	}
	return nil
}

func (a *Authority) makeCertificate(path string) error {
	now := a.opts.Now()
	serial, err := serialNumber()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "bulkhead authority"},
		NotBefore: now.Add(-backdated), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}, &x509.Certificate{Subject: pkix.Name{CommonName: "bulkhead authority"}}, &a.key.PublicKey, a.key)
	if err != nil {
		return err
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return replace(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// backdated is how far before now certificates begin, for clocks that are behind.
const backdated = 5 * time.Minute

func serialNumber() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // RFC 5280 §4.1.2.2: positive, at most 20 octets
}

// Certificate of the authority itself.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PolicyKey signs bundles.
func (a *Authority) PolicyKey() ed25519.PrivateKey { return a.policy }

// Fingerprint is what tokens pin.
func (a *Authority) Fingerprint() [sha256.Size]byte { return Fingerprint(a.cert) }

// Fingerprint is the SHA-256 of a certificate's public key.
func Fingerprint(c *x509.Certificate) [sha256.Size]byte {
	return sha256.Sum256(c.RawSubjectPublicKeyInfo)
}
