package link

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/internal/durable"
)

// Identity is who this host is to its controller: a key that never leaves its
// folder, the newest certificate for it, and what is believed of the controller. It
// is safe for concurrent use.
//
//	agent.key      the private key, 0600
//	identity.json  everything else, replaced whole
type Identity struct {
	dir string
	key *ecdsa.PrivateKey

	mu   sync.Mutex
	kept kept
	cert *x509.Certificate
}

type kept struct {
	Controller  string     `json:"controller"` // host:port
	Name        string     `json:"name"`
	Role        fleet.Role `json:"role"`
	Certificate []byte     `json:"certificate"`
	Authority   []byte     `json:"authority"`
	Policy      [][]byte   `json:"policy"`
	Bridge      bool       `json:"bridge,omitempty"`
}

// ErrNotJoined: the folder holds no identity.
var ErrNotJoined = errors.New("this host has not joined a controller")

// Open reads the identity that Join left.
func Open(dir string) (*Identity, error) {
	id := &Identity{dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: run `bulkhead agent --join TOKEN --controller HOST:PORT` once", ErrNotJoined)
	}
	if err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if err := json.Unmarshal(text, &id.kept); err != nil {
		return nil, fmt.Errorf("identity: %s: %w", filepath.Join(dir, "identity.json"), err)
	}
	if id.key, err = readKey(filepath.Join(dir, "agent.key")); err != nil {
		return nil, fmt.Errorf("identity: %w", err)
	}
	if id.cert, err = x509.ParseCertificate(id.kept.Certificate); err != nil {
		return nil, fmt.Errorf("identity: certificate: %w", err)
	}
	return id, nil
}

// JoinOptions say what to join.
type JoinOptions struct {
	Dir        string // where the identity is kept; made if absent
	Token      string
	Controller string // host:port
	Name       string // of this host
	Version    string // of the program
	Bridge     bool   // this gateway bridges; see Identity.Bridge
}

// Join makes a key, redeems the token and keeps the identity. An identity that is
// there already is replaced once the new one was granted; its key is used again, so
// that a join whose answer was lost can be repeated.
func Join(ctx context.Context, opts JoinOptions) (*Identity, error) {
	token, err := fleet.ParseToken(opts.Token)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	id := &Identity{dir: opts.Dir}
	if id.key, err = ownKey(filepath.Join(opts.Dir, "agent.key")); err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	request, err := id.request(opts.Name)
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	c := newClient(opts.Controller, pinned(token.CA), nil)
	defer c.close()
	var got fleet.Credentials
	err = c.post(ctx, fleet.PathJoin, fleet.JoinRequest{Token: opts.Token, Name: opts.Name, Request: request, Version: opts.Version}, &got)
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", opts.Controller, err)
	}
	ca, err := x509.ParseCertificate(got.Authority)
	if err != nil || fingerprint(ca) != token.CA {
		return nil, fmt.Errorf("join %s: the answer is not from the controller that made the token", opts.Controller)
	}
	id.kept.Controller, id.kept.Bridge = opts.Controller, opts.Bridge
	if err := id.take(&got); err != nil {
		return nil, fmt.Errorf("join %s: %w", opts.Controller, err)
	}
	return id, nil
}

// take keeps new credentials.
func (id *Identity) take(c *fleet.Credentials) error {
	cert, err := x509.ParseCertificate(c.Certificate)
	if err != nil {
		return fmt.Errorf("certificate: %w", err)
	}
	if !id.key.PublicKey.Equal(cert.PublicKey) {
		return errors.New("the certificate is for another key")
	}
	for _, k := range c.Policy {
		if len(k) != ed25519.PublicKeySize {
			return errors.New("a policy key is malformed")
		}
	}
	id.mu.Lock()
	defer id.mu.Unlock()
	next := kept{Controller: id.kept.Controller, Name: c.Name, Role: c.Role, Certificate: c.Certificate,
		Authority: c.Authority, Policy: c.Policy, Bridge: id.kept.Bridge}
	if err := id.write(&next); err != nil {
		return err
	}
	id.kept, id.cert = next, cert
	return nil
}

// SetBridge keeps whether this host bridges.
func (id *Identity) SetBridge(bridge bool) error {
	id.mu.Lock()
	defer id.mu.Unlock()
	next := id.kept
	next.Bridge = bridge
	if err := id.write(&next); err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	id.kept = next
	return nil
}

// write replaces the file.
func (id *Identity) write(next *kept) error {
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(id.dir, "identity.json"), text)
}

// Name of this host, as the controller knows it.
func (id *Identity) Name() string { return id.now().Name }

// Role of this host, as its token said.
func (id *Identity) Role() fleet.Role { return id.now().Role }

// Bridge says that this gateway bridges between workloads instead of routing: what
// it enforces is judged only where the kernel hands bridged packets over.
func (id *Identity) Bridge() bool { return id.now().Bridge }

// Controller is the address it is reached by.
func (id *Identity) Controller() string { return id.now().Controller }

func (id *Identity) now() kept {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.kept
}

// PolicyKeys sign bundles.
func (id *Identity) PolicyKeys() (keys []ed25519.PublicKey) {
	for _, k := range id.now().Policy {
		keys = append(keys, k)
	}
	return keys
}

// Expires is the end of the certificate, RenewAt when to ask for the next: at half
// of its life.
func (id *Identity) Expires() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.cert.NotAfter
}

func (id *Identity) renewAt() time.Time {
	id.mu.Lock()
	defer id.mu.Unlock()
	return id.cert.NotBefore.Add(id.cert.NotAfter.Sub(id.cert.NotBefore) / 2)
}

func (id *Identity) certificate() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{id.now().Certificate}, PrivateKey: id.key}
}

func (id *Identity) authority() (*x509.Certificate, error) {
	return x509.ParseCertificate(id.now().Authority)
}

// request asks for a certificate for the host's key.
func (id *Identity) request(name string) ([]byte, error) {
	return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, id.key)
}

// ownKey reads the host's key, or makes it.
func ownKey(path string) (*ecdsa.PrivateKey, error) {
	key, err := readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, durable.Replace(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: is no PEM file; remove it and join again", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	k, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: is no ECDSA key; remove it and join again", path)
	}
	return k, nil
}
