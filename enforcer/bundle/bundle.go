// Package bundle is how policies travel from a controller to an enforcement point:
// signed, for one host, newer than the last, and only for a while.
//
// A bundle is a JSON document in an envelope with an Ed25519 signature (RFC 8032)
// over its exact bytes. Verify refuses whatever is not signed by an enrolled key,
// is meant for another host, is not newer than what the host has (no rollback), or
// has expired (no freeze); each refusal is an error of its own, to be reported.
package bundle

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
)

// Bundle is what one enforcement point shall enforce.
type Bundle struct {
	Host string `json:"host"` // the only host it is for
	// Serial grows with every bundle for that host.
	Serial  uint64    `json:"serial"`
	Issued  time.Time `json:"issued"`
	Expires time.Time `json:"expires"`
	Hash    string    `json:"hash"`   // of the policy set
	Policy  string    `json:"policy"` // documents, canonical
	Target  nft.Host  `json:"target"` // who is there, for compiling
	// Confirm says who confirms the change: ByReach or ByOperator.
	Confirm string `json:"confirm,omitempty"`
	// Again counts an operator's requests to try once more what the host took back.
	Again uint64 `json:"again,omitempty"`
	// Aftercare has the change watched, when it changes policies; nil for no watch. It
	// is no part of the Digest: another forecast alone is no reason for a bundle.
	Aftercare *enforcer.Aftercare `json:"aftercare,omitempty"`
}

// Who confirms a change that newly enforces something. Everything else needs no
// confirmation.
const (
	ByReach    = "reach"    // the host, once it has reached its controller over a new connection
	ByOperator = "operator" // a person
)

// Format is the version of the documents here. A host refuses others: what it does
// not understand it cannot enforce.
const Format = 1

// envelope is a bundle on the wire.
type envelope struct {
	Format    int             `json:"format"`
	Bundle    json.RawMessage `json:"bundle"`
	Key       []byte          `json:"key"` // public key it claims to be signed by
	Signature []byte          `json:"signature"`
}

// Reasons for which a bundle is refused.
var (
	ErrMalformed = errors.New("not a bundle")
	ErrFormat    = errors.New("a bundle of a format this version does not know; update it")
	ErrKey       = errors.New("signed by a key that is not enrolled")
	ErrSignature = errors.New("the signature does not match")
	ErrHost      = errors.New("meant for another host")
	ErrOld       = errors.New("not newer than the bundle in force")
	ErrExpired   = errors.New("expired")
	ErrFuture    = errors.New("issued in the future; check this host's clock")
)

// purpose keeps a signature over a bundle from being one over anything else.
const purpose = "bulkhead bundle v1\n"

// maxSize bounds what Verify looks at.
const maxSize = 256 << 20

// clockSkew is borne between controller and host.
const clockSkew = 5 * time.Minute

// Sign encodes and signs a bundle.
func Sign(b Bundle, key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("sign bundle %d for %s: %w", b.Serial, b.Host, err)
	}
	return json.Marshal(envelope{
		Format: Format, Bundle: body, Key: key.Public().(ed25519.PublicKey),
		Signature: ed25519.Sign(key, append([]byte(purpose), body...)),
	})
}

// Trust is what a host checks bundles against.
type Trust struct {
	Host string
	// Keys are the enrolled policy keys; two while one replaces the other.
	Keys []ed25519.PublicKey
	// Serial is the highest accepted so far; the caller keeps it on disk.
	Serial uint64
}

// Verify decodes a bundle and accepts or refuses it, at a time. Nothing of a
// refused bundle is returned.
func (t Trust) Verify(data []byte, now time.Time) (*Bundle, error) {
	if len(data) > maxSize {
		return nil, fmt.Errorf("bundle of %d bytes: %w", len(data), ErrMalformed)
	}
	var version struct{ Format int }
	if err := json.Unmarshal(data, &version); err == nil && version.Format != Format {
		return nil, fmt.Errorf("bundle: %w (%d)", ErrFormat, version.Format)
	}
	var e envelope
	if err := strict(data, &e); err != nil {
		return nil, fmt.Errorf("bundle: %w: %w", ErrMalformed, err)
	}
	if !t.enrolled(e.Key) {
		return nil, fmt.Errorf("bundle: %w", ErrKey)
	}
	if !ed25519.Verify(e.Key, append([]byte(purpose), e.Bundle...), e.Signature) {
		return nil, fmt.Errorf("bundle: %w", ErrSignature)
	}
	b := &Bundle{}
	if err := strict(e.Bundle, b); err != nil {
		return nil, fmt.Errorf("bundle: %w: %w", ErrMalformed, err)
	}
	if err := t.accepts(b, now); err != nil {
		return nil, fmt.Errorf("bundle %d for %s: %w", b.Serial, b.Host, err)
	}
	return b, nil
}

func (t Trust) enrolled(key []byte) bool {
	for _, k := range t.Keys {
		if len(key) == ed25519.PublicKeySize && bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

func (t Trust) accepts(b *Bundle, now time.Time) error {
	switch {
	case b.Host != t.Host:
		return ErrHost
	case b.Serial <= t.Serial:
		return ErrOld
	case !now.Before(b.Expires):
		return ErrExpired
	case b.Issued.After(now.Add(clockSkew)):
		return ErrFuture
	}
	return nil
}

// strict decodes exactly one JSON value without unknown fields.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one document")
	}
	return nil
}
