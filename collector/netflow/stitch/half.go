package stitch

import (
	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// keyOf gives the key of a row and its direction: 0 when the row's source is the
// key's end a.
func keyOf(r *plan.Row, scope flow.Scope) (key, int) {
	src, dst, sport, dport := r.Src, r.Dst, r.SrcPort, r.DstPort
	reply := false
	switch r.Proto {
	case flow.ICMP, flow.ICMPv6:
		sport, dport, reply = icmpPorts(r.Proto, r.DstPort)
	default:
		if !flow.HasPorts(r.Proto) {
			sport, dport = 0, 0
		}
	}
	if reply {
		sport, dport = dport, sport
	}
	if dst.Less(src) || dst == src && dport < sport {
		return key{dst, src, dport, sport, r.Proto, scope}, 1
	}
	return key{src, dst, sport, dport, r.Proto, scope}, 0
}

// icmpPorts gives an ICMP message the ports of its exchange: 0 for the end that
// asks, type<<8|code of the question for the end that answers, and says whether
// this message is the answer (RFC 792, RFC 950, RFC 1256, RFC 4443, RFC 4861,
// RFC 4620).
func icmpPorts(proto uint8, typeCode uint16) (asks, answers uint16, reply bool) {
	t := typeCode >> 8
	if proto == flow.ICMP {
		switch t {
		case 0: // echo reply
			return 0, 8 << 8, true
		case 9: // router advertisement
			return 0, 10 << 8, true
		case 14, 16, 18: // timestamp, information, address mask reply
			return 0, (t - 1) << 8, true
		}
		return 0, typeCode, false
	}
	switch t {
	case 129, 134, 136, 140: // echo reply; router, neighbour advertisement; node information
		return 0, (t - 1) << 8, true
	case 128, 133, 135, 139:
		return 0, t << 8, false
	}
	return 0, typeCode, false
}

// count adds r to entry i. dir is the direction of r's source.
func (s *Stitcher) count(i uint32, dir int, pt uint64, src *Source, r *plan.Row) {
	e := &s.t.slab[i]
	n := uint64(max(r.Sampling, 1))
	e.sampling = max(e.sampling, r.Sampling)
	fwd := &e.half[dir]
	pk, by := r.Packets, r.Bytes
	if r.Total {
		pk, by = s.t.rareOf(i).totals[dir].delta(r)
	}
	fwd.add(pt, r, pk*n, by*n)
	fwd.flags |= r.Flags
	fwd.initFlags |= r.InitFlags
	fwd.rows++
	rev := &e.half[1-dir]
	if r.RevPackets|r.RevBytes != 0 {
		rev.add(pt, r, r.RevPackets*n, r.RevBytes*n)
		rev.flags |= r.RevFlags
		rev.initFlags |= r.RevInitFlags
	}
	e.note(dir, r)
	if r.PostSrc != (plan.Addr{}) || r.PostDst != (plan.Addr{}) {
		s.translated(i, dir, r)
	}
	if e.half[0].seen && e.half[1].seen {
		s.exporters[src.Exporter].paired = true
	}
}

// note takes what r says about the flow as a whole.
func (e *entry) note(dir int, r *plan.Row) {
	e.biflow = e.biflow || r.Biflow
	e.dropped = e.dropped || r.Dropped
	if r.Event != plan.EventNone && e.event != plan.EventDenied {
		e.event = r.Event
	}
	if r.End != flow.EndUnknown {
		e.end = r.End
	}
	if r.VLAN != 0 {
		e.vlan = r.VLAN
	}
	if r.VNI != 0 {
		e.vni = r.VNI
	}
	if r.Encap != flow.EncapNone {
		e.encap = r.Encap
	}
	if r.Initiator != plan.InitiatorUnknown {
		e.initiator = 1
		if (r.Initiator == plan.InitiatorSource) != (dir == 0) {
			e.initiator = -1
		}
	}
}

// translated keeps what a NAT made of the tuple.
func (s *Stitcher) translated(i uint32, dir int, r *plan.Row) {
	x := s.t.rareOf(i)
	x.postA, x.postB, x.postPortA, x.postPortB = r.PostSrc, r.PostDst, r.PostSrcPort, r.PostDstPort
	if dir == 1 {
		x.postA, x.postB, x.postPortA, x.postPortB = r.PostDst, r.PostSrc, r.PostDstPort, r.PostSrcPort
	}
}

func (h *half) add(pt uint64, r *plan.Row, packets, bytes uint64) {
	h.packets += packets
	h.bytes += bytes
	if h.first == 0 || r.First < h.first {
		h.first = r.First
	}
	h.last = max(h.last, r.Last)
	h.covered = max(h.covered, r.Last, r.First)
	h.point, h.seen = pt, true
}

// delta turns cumulative counters (IE 85 and 86: totals since the flow began)
// into what is new since the flow's previous record. A record that begins anew, or
// whose totals went down, is taken as it is.
func (t *totals) delta(r *plan.Row) (packets, bytes uint64) {
	packets, bytes = r.Packets, r.Bytes
	if t.began == r.First && packets >= t.packets && bytes >= t.bytes {
		packets, bytes = packets-t.packets, bytes-t.bytes
	}
	t.began, t.packets, t.bytes = r.First, r.Packets, r.Bytes
	return packets, bytes
}

// complete reports whether e has all that can be expected of it for now. A
// firewall that says who opened a connection has both directions in its events;
// one that does not sends each direction by itself.
func (e *entry) complete() bool {
	switch {
	case e.source == flow.SourceSFlow:
		return false // single packets: gather them
	case e.event == plan.EventDenied:
		return true
	case e.event != plan.EventNone && e.initiator != 0:
		return e.event == plan.EventDeleted
	}
	return e.biflow || e.half[0].rows > 0 && e.half[1].rows > 0
}
