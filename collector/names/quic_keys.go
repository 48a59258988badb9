package names

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
)

// quicVersion is what a version of QUIC protects its Initials with. The keys follow
// from the packet itself: they keep out accidents, not readers (RFC 9001 §5.2).
type quicVersion struct {
	number       uint32
	initial      byte // the packet type
	salt         string
	key, iv, hop string // labels
}

var quicVersions = [...]quicVersion{
	// RFC 9000, RFC 9001 §5.2.
	{1, 0, "\x38\x76\x2c\xf7\xf5\x59\x34\xb3\x4d\x17\x9a\xe6\xa4\xc8\x0c\xad\xcc\xbb\x7f\x0a", "quic key", "quic iv", "quic hp"},
	// The last drafts (29 to 32) that were in wide use.
	{0xff00001d, 0, "\xaf\xbf\xec\x28\x99\x93\xd2\x4c\x9e\x97\x86\xf1\x9c\x61\x11\xe0\x43\x90\xa8\x99", "quic key", "quic iv", "quic hp"},
	// RFC 9369 §3.3.
	{0x6b3343cf, 1, "\x0d\xed\xe3\xde\xf7\x00\xa6\xdb\x81\x93\x81\xbe\x6e\x26\x9d\xcb\xf9\xbd\x2e\xd9", "quicv2 key", "quicv2 iv", "quicv2 hp"},
}

// initialKeys protect a client's Initials: payload, nonce, header.
type initialKeys struct{ key, iv, header []byte }

// keys derives the client's keys from the connection id it chose for the server
// (RFC 9001 §5.2, §5.1).
func (v *quicVersion) keys(connection []byte) (k initialKeys, err error) {
	secret, err := hkdf.Extract(sha256.New, connection, []byte(v.salt))
	if err != nil {
		return k, err
	}
	if secret, err = expandLabel(secret, "client in", 32); err != nil {
		return k, err
	}
	for _, part := range []struct {
		to    *[]byte
		label string
		size  int
	}{{&k.key, v.key, 16}, {&k.iv, v.iv, 12}, {&k.header, v.hop, 16}} {
		if *part.to, err = expandLabel(secret, part.label, part.size); err != nil {
			return k, err
		}
	}
	return k, nil
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446 §7.1).
func expandLabel(secret []byte, label string, size int) ([]byte, error) {
	info := make([]byte, 0, 32)
	info = binary.BigEndian.AppendUint16(info, uint16(size))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "...), label...)
	return hkdf.Expand(sha256.New, secret, string(append(info, 0)), size)
}

// initial is an Initial packet with its protection on.
type initial struct {
	packet     []byte
	at         int    // of the packet number
	connection []byte // the id that the client calls the server by
}

// parseInitial reads the header of the Initial that b starts with (RFC 9000
// §17.2.2), and returns what follows it in the datagram.
func parseInitial(b []byte) (in initial, rest []byte, ok bool) {
	r := reader{b: b}
	r.skip(5)
	in.connection = r.take(int(r.u8()))
	r.skip(int(r.u8()))
	r.skip(int(min(r.varint(), 1<<16))) // token
	size := r.varint()
	in.at = len(b) - len(r.b)
	if r.failed || len(in.connection) == 0 || len(in.connection) > 20 || size > uint64(len(r.b)) || size < 4+16 {
		return initial{}, nil, false
	}
	end := in.at + int(size)
	in.packet = b[:end]
	return in, b[end:], true
}

// open takes the protection off (RFC 9001 §5.3, §5.4) with the keys that follow from
// a connection id, and returns the frames. It does not change the packet.
func (v *quicVersion) open(in initial, connection []byte) ([]byte, bool) {
	k, err := v.keys(connection)
	if err != nil {
		return nil, false
	}
	return k.open(in.packet, in.at)
}

// open decrypts a packet whose number stands at at.
func (k *initialKeys) open(packet []byte, at int) ([]byte, bool) {
	block, err := aes.NewCipher(k.header)
	if err != nil {
		return nil, false
	}
	var mask [aes.BlockSize]byte
	block.Encrypt(mask[:], packet[at+4:at+4+aes.BlockSize]) // RFC 9001 §5.4.2
	first := packet[0] ^ mask[0]&0x0f
	digits := int(first&3) + 1
	header := append(make([]byte, 0, 128), packet[:at+digits]...)
	header[0] = first
	nonce := [12]byte(k.iv)
	for i := range digits {
		header[at+i] ^= mask[1+i]
		nonce[12-digits+i] ^= header[at+i] // a client's first numbers are small: no more digits
	}
	if block, err = aes.NewCipher(k.key); err != nil {
		return nil, false
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		return nil, false
	}
	frames, err := seal.Open(nil, nonce[:], packet[at+digits:], header)
	return frames, err == nil
}
