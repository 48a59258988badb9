package names

import "testing"

// InitialsForFuzzing are QUIC Initials of all versions, one client's hello in one.
func InitialsForFuzzing(t testing.TB) (datagrams [][]byte) {
	id := unhex(t, "8394c8f03e515708")
	for i := range quicVersions {
		datagrams = append(datagrams, sealed(t, &quicVersions[i], id, id, 0, unhex(t, vectorHello)))
	}
	return datagrams
}
