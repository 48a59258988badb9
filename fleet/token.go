package fleet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
)

// Token is what a host joins with, once: it proves to the controller that somebody
// there wants the host, and to the host which controller is meant, because it holds
// the fingerprint of the controller's certificate authority. Nothing is trusted on
// first use.
type Token struct {
	ID     [8]byte
	Secret [16]byte
	CA     [sha256.Size]byte // SHA-256 of the authority's public key (its SubjectPublicKeyInfo)
}

// tokenPrefix makes a token recognisable, in a log too, where it has no business.
const tokenPrefix = "bulkhead-join-"

// ErrToken: the text is no join token.
var ErrToken = errors.New("not a join token")

// String is the token as it is handed over.
func (t Token) String() string {
	b := make([]byte, 0, 8+16+sha256.Size+4)
	b = append(b, t.ID[:]...)
	b = append(b, t.Secret[:]...)
	b = append(b, t.CA[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return tokenPrefix + base64.RawURLEncoding.EncodeToString(b)
}

// ParseToken is the inverse of String. The checksum finds what was cut off or
// mistyped before anybody is asked.
func ParseToken(s string) (Token, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(s), tokenPrefix)
	if !ok {
		return Token{}, fmt.Errorf("%w: it does not begin with %q", ErrToken, tokenPrefix)
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 8+16+sha256.Size+4 {
		return Token{}, fmt.Errorf("%w: it is cut off or mistyped", ErrToken)
	}
	body := b[:len(b)-4]
	if crc32.ChecksumIEEE(body) != binary.BigEndian.Uint32(b[len(body):]) {
		return Token{}, fmt.Errorf("%w: it is mistyped", ErrToken)
	}
	var t Token
	copy(t.ID[:], body)
	copy(t.Secret[:], body[8:])
	copy(t.CA[:], body[24:])
	return t, nil
}

// Hash is what the controller keeps of the token: a secret of 128 random bits needs
// no slow hash.
func (t Token) Hash() string {
	sum := sha256.Sum256(append([]byte("bulkhead join token v1\n"), t.Secret[:]...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
