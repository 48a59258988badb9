package nft

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

// FuzzDump: whatever the socket delivers, a dump ends without a panic, and only
// whole messages of the question asked are visited.
func FuzzDump(f *testing.F) {
	b := newBatch(7)
	b.table(unix.NFT_MSG_NEWTABLE, 0, true)
	f.Add(b.finish())
	f.Add([]byte{20, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		seq := uint32(1)
		if len(data) >= 12 {
			seq = binary.NativeEndian.Uint32(data[8:])
		}
		_, _ = eachMessage(data, seq, true, func(_ uint8, attrs []byte) error {
			d := elementReader{set: &Set{Type: Addr4Service, Map: true}, targets: map[string]uint32{}}
			eachAttr(attrs, func(_ uint16, v []byte) { d.add(v) })
			raise(attrs)
			return nil
		})
	})
}
