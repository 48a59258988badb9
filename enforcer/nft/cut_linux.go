package nft

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// Cut makes packets of these TCP connections, in both directions, be answered with
// a reset for the given time, as soon as connection tracking has forgotten them. A
// new connection between the same ports is not affected. The table must hold an
// enforced policy.
func (k *Kernel) Cut(ctx context.Context, conns []flow.Key, last time.Duration) error {
	var tuples4, tuples6 [][]byte
	for _, c := range conns {
		if c.Proto != flow.TCP {
			continue
		}
		for _, d := range []flow.Key{c, c.Reverse()} {
			key := appendTuple(nil, d)
			if d.Client.Is4() {
				tuples4 = append(tuples4, key)
			} else {
				tuples6 = append(tuples6, key)
			}
		}
	}
	if len(tuples4)+len(tuples6) == 0 {
		return nil
	}
	b := newBatch(0)
	b.tuples(cutSet4, tuples4, last)
	b.tuples(cutSet6, tuples6, last)
	if err := k.commit(ctx, b); err != nil {
		return fmt.Errorf("cut %d connections: %w", len(conns), k.explain(err))
	}
	return nil
}

func (b *batch) tuples(set string, keys [][]byte, last time.Duration) {
	for len(keys) > 0 {
		n := min(len(keys), maxElemsPerMessage/2)
		b.elementMessage(set, false)
		for _, key := range keys[:n] {
			b.nest(unix.NFTA_LIST_ELEM)
			b.nest(unix.NFTA_SET_ELEM_KEY)
			b.bytes(unix.NFTA_DATA_VALUE, key)
			b.unnest()
			b.u64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(last/time.Millisecond))
			b.unnest()
		}
		b.unnest()
		keys = keys[n:]
	}
}

// appendTuple writes source address, source port, destination address and port,
// each padded to 4 bytes.
func appendTuple(to []byte, k flow.Key) []byte {
	for _, end := range []netip.AddrPort{netip.AddrPortFrom(k.Client, k.ClientPort), netip.AddrPortFrom(k.Server, k.ServerPort)} {
		to = append(to, end.Addr().AsSlice()...)
		to = binary.BigEndian.AppendUint16(to, end.Port())
		to = append(to, 0, 0)
	}
	return to
}
