package assemble

import (
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// fragmentTimeout is how long the pieces of a packet are waited for; RFC 8200
// §4.5 says 60 s, systems say 30.
const fragmentTimeout = flow.Time(30 * time.Second)

// fragments remembers the ports of first fragments, so that later ones are
// counted with them. It is direct-mapped: a collision forgets the older packet.
type fragments struct {
	slots [1024]fragment
}

type fragment struct {
	src, dst         capture.Addr
	id               uint32
	proto            uint8
	srcPort, dstPort uint16
	at               flow.Time
}

// resolve gives a later fragment its ports; false means that they are not known.
func (f *fragments) resolve(p *capture.Packet) bool {
	h := mix(p.Src.Lo^p.Dst.Hi^0x9e3779b97f4a7c15, p.Dst.Lo^p.Src.Hi^uint64(p.FragID)<<8^uint64(p.Proto))
	s := &f.slots[h%uint64(len(f.slots))]
	if p.Fragment == capture.FirstFragment {
		*s = fragment{p.Src, p.Dst, p.FragID, p.Proto, p.SrcPort, p.DstPort, p.Time}
		return true
	}
	if s.src != p.Src || s.dst != p.Dst || s.id != p.FragID || s.proto != p.Proto || p.Time-s.at > fragmentTimeout {
		return false
	}
	p.SrcPort, p.DstPort = s.srcPort, s.dstPort
	return true
}
