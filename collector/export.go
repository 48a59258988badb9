package collector

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
)

// exports decodes the flow exports found among packets. The decoder is made when
// the first is found: most captures have none. It is safe for concurrent use.
type exports struct {
	o       netflow.Options
	sink    Sink
	records atomic.Uint64 // that came out
	mu      sync.Mutex    // while the decoder is made
	decoder atomic.Pointer[netflow.Decoder]
}

func (e *exports) datagram(p *capture.Packet) error {
	d := e.decoder.Load()
	if d == nil {
		d = e.make()
	}
	return d.Datagram(p.Payload, netip.AddrPortFrom(p.Src.Netip(), p.SrcPort), p.Time)
}

func (e *exports) make() *netflow.Decoder {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.decoder.Load() == nil {
		e.decoder.Store(netflow.NewDecoder(e.o, e))
	}
	return e.decoder.Load()
}

// Records counts what comes out of the decoder and hands it on.
func (e *exports) Records(r []flow.Record) error {
	e.records.Add(uint64(len(r)))
	return e.sink.Records(r)
}

func (e *exports) tick(now flow.Time) error {
	if d := e.decoder.Load(); d != nil {
		return d.Tick(now)
	}
	return nil
}

func (e *exports) flush() error {
	if d := e.decoder.Load(); d != nil {
		return d.Flush()
	}
	return nil
}

// add puts the counters into s.
func (e *exports) add(s *Stats) {
	if d := e.decoder.Load(); d != nil {
		s.NetFlow, s.ExportRecords = d.Stats(), e.records.Load()
	}
}

// portSet is a bit for each port: 8 KiB, of which one line is touched per packet.
type portSet [1 << 10]uint64

func (s *portSet) add(port uint16)      { s[port>>6] |= 1 << (port & 63) }
func (s *portSet) has(port uint16) bool { return s[port>>6]&(1<<(port&63)) != 0 }

// isExport reports whether p carries a whole datagram that starts as a flow export
// does.
func isExport(p *capture.Packet) bool {
	return p.Fragment == capture.Whole && netflow.Plausible(p.Payload)
}
