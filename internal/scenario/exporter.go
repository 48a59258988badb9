package scenario

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// Addresses of the export path: the core routers, and where they send to.
var (
	routers       = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")}
	collectorAddr = netip.MustParseAddr("10.0.0.5")
)

// exporterAge is how long the routers were up when the traffic began.
const exporterAge = time.Hour

const (
	routerPort     = 50000
	maxDatagram    = 1400             // payload bytes, below any path's MTU
	exportPatience = 10 * time.Second // a router sends what it has after that long
	templateEvery  = 200              // datagrams between two announcements (RFC 3954 §9 asks for "periodically")
)

// WriteNetFlow9 writes what the core router exports of the traffic as NetFlow v9
// (RFC 3954): a packet capture of UDP datagrams to port 2055, each flow as two
// unidirectional records, templates announced in between.
func (e *Estate) WriteNetFlow9(w io.Writer) error { return e.WriteExport(w, NetFlow9, Capture{}) }

// WriteIPFIX writes the same as IPFIX (RFC 7011) to port 4739.
func (e *Estate) WriteIPFIX(w io.Writer) error { return e.WriteExport(w, IPFIX, Capture{}) }

// WriteNetFlow5 writes the same as NetFlow v5 to port 2055. Version 5 has no
// IPv6: those flows are not exported.
func (e *Estate) WriteNetFlow5(w io.Writer) error { return e.WriteExport(w, NetFlow5, Capture{}) }

// Protocol is a flow export protocol.
type Protocol func() encoding

// The protocols that routers export with.
var (
	NetFlow5 Protocol = func() encoding { return new(netflow5) }
	NetFlow9 Protocol = func() encoding { return new(netflow9) }
	IPFIX    Protocol = func() encoding { return new(ipfix) }
)

// encoding makes the datagrams of one exporter, one after the other; it keeps
// state such as sequence numbers.
type encoding interface {
	port() uint16
	// size bounds the payload of a datagram with so many records, in bytes.
	size(v4, v6 int) int
	// carries reports whether the protocol can say the record at all.
	carries(h *half) bool
	datagram(b []byte, boot, now flow.Time, v4, v6 []half, templates bool) []byte
}

// WriteExport writes what the core router exports of the traffic under the given
// conditions, as a packet capture of the datagrams. With Capture.Routers at 2, a
// second router exports again what crosses between sites.
func (e *Estate) WriteExport(w io.Writer, p Protocol, c Capture) error {
	out := newPcapWriter(w, 65535)
	exporters := []*exporter{}
	for i := range max(1, min(c.Routers, len(routers))) {
		exporters = append(exporters, &exporter{enc: p(), out: out, addr: routers[i], boot: e.start.Add(-exporterAge * time.Duration(i+1))})
	}
	err := e.halves(c, func(h *half) error {
		for i, x := range exporters {
			if i > 0 && h.in == h.out {
				continue // stays within a segment, the other router does not see it
			}
			if err := x.add(h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, x := range exporters {
		if err := x.send(x.latest); err != nil {
			return err
		}
	}
	return out.buf.Flush()
}

// exporter collects records until a datagram is full or old enough.
type exporter struct {
	enc            encoding
	addr           netip.Addr
	out            *pcapWriter
	boot           flow.Time
	v4, v6         []half
	oldest, latest flow.Time
	datagrams      int
	payload        []byte
	frame          frame
}

func (x *exporter) add(h *half) error {
	if !x.enc.carries(h) {
		return nil
	}
	if len(x.v4)+len(x.v6) > 0 && h.export.Sub(x.oldest) > exportPatience {
		if err := x.send(x.oldest.Add(exportPatience)); err != nil {
			return err
		}
	}
	n4, n6 := len(x.v4), len(x.v6)
	if h.src.Is4() {
		n4++
	} else {
		n6++
	}
	if x.enc.size(n4, n6) > maxDatagram {
		if err := x.send(h.export); err != nil {
			return err
		}
	}
	if len(x.v4)+len(x.v6) == 0 {
		x.oldest = h.export
	}
	if h.src.Is4() {
		x.v4 = append(x.v4, *h)
	} else {
		x.v6 = append(x.v6, *h)
	}
	x.latest = h.export
	return nil
}

// send writes the datagram of what is collected.
func (x *exporter) send(now flow.Time) error {
	if len(x.v4)+len(x.v6) == 0 {
		return nil
	}
	x.payload = x.enc.datagram(x.payload[:0], x.boot, now, x.v4, x.v6, x.datagrams%templateEvery == 0)
	x.datagrams++
	x.v4, x.v6 = x.v4[:0], x.v6[:0]
	data := x.frame.datagram(x.addr, x.payload, x.enc.port())
	x.out.latest = max(x.out.latest, now) // the other router may have sent since
	return x.out.write(x.out.latest, data, len(data))
}

// datagram builds the frame that carries an export payload.
func (f *frame) datagram(from netip.Addr, payload []byte, port uint16) []byte {
	f.buf = f.buf[:0]
	f.ethernet(from, collectorAddr, 10)
	network := len(f.buf)
	f.ip(from, collectorAddr, flow.UDP, udpHeader+len(payload))
	transport := len(f.buf)
	f.buf = binary.BigEndian.AppendUint16(f.buf, routerPort)
	f.buf = binary.BigEndian.AppendUint16(f.buf, port)
	f.buf = binary.BigEndian.AppendUint16(f.buf, uint16(udpHeader+len(payload)))
	f.buf = append(f.buf, 0, 0)
	f.buf = append(f.buf, payload...)
	f.checksums(network, transport, flow.UDP)
	return f.buf
}
