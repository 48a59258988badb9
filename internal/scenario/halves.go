package scenario

import (
	"cmp"
	"container/heap"
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// half is one direction of a flow as a router exports it (RFC 3954 §2).
type half struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	proto, flags     uint8
	packets, bytes   uint64 // layer 3
	first, last      flow.Time
	export           flow.Time // when the router's timer or the flow's end sends it
	vlan             uint16
	in, out          uint32 // interface indexes
	serial           uint64 // order of making, decides between equal times
}

// Router timers: a flow that goes on is exported each activeTimeout, one that
// paused idleTimeout after its last packet (the defaults of Cisco IOS are 30 min
// and 15 s; operators shorten the first).
const (
	activeTimeout = 5 * time.Minute
	idleTimeout   = 15 * time.Second
)

// halves calls f with every record that routers export, in order of export.
func (e *Estate) halves(c Capture, f func(*half) error) error {
	var pending halfHeap
	var serial uint64
	push := func(h half) {
		serial++
		h.serial = serial
		heap.Push(&pending, h)
	}
	drain := func(until flow.Time) error {
		for len(pending) > 0 && (until == 0 || pending[0].export < until) {
			h := heap.Pop(&pending).(half)
			if err := f(&h); err != nil {
				return err
			}
		}
		return nil
	}
	err := e.days(func(events []event) error {
		for i := range events {
			if err := drain(events[i].at); err != nil {
				return err
			}
			x := cursor{shape: e.shapeOf(events[i].link, events[i].at, events[i].r), index: -1}
			x.begun(c)
			e.meter(&x, push)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return drain(0)
}

// meter adds up the packets of one flow as a router does.
func (e *Estate) meter(x *cursor, emit func(half)) {
	var open [3]half // client to server, server to client, ICMP errors
	for x.advance() {
		if !x.visible() {
			continue
		}
		way := 0
		switch {
		case x.next.unreach:
			way = 2
		case x.next.fromServer:
			way = 1
		}
		h := &open[way]
		if h.packets > 0 && (x.at.Sub(h.first) >= activeTimeout || x.at.Sub(h.last) >= idleTimeout) {
			h.export = min(h.last.Add(idleTimeout), x.at)
			emit(*h)
			*h = half{}
		}
		if h.packets == 0 {
			*h = e.newHalf(x, way)
		}
		h.packets++
		h.bytes += x.networkLength()
		h.flags |= x.next.flags
		h.last = x.at
	}
	for i := range open {
		if h := &open[i]; h.packets > 0 {
			h.export = h.last.Add(idleTimeout)
			if h.flags&(flow.FIN|flow.RST) != 0 {
				h.export = h.last.Add(time.Second)
			}
			emit(*h)
		}
	}
}

// newHalf begins the record of one direction.
func (e *Estate) newHalf(x *cursor, way int) half {
	k := x.link
	h := half{
		src: e.clientParty(k, x.v6).Addr, dst: e.hosts[k.server].addr(x.v6), srcPort: x.port, dstPort: k.svc.Port,
		proto: k.svc.Proto, first: x.at, vlan: e.vlan(k.server), in: uint32(e.vlan(k.client)), out: uint32(e.vlan(k.server)),
	}
	if !flow.HasPorts(h.proto) {
		h.srcPort = 0
	}
	if way == 0 {
		return h
	}
	h.src, h.dst, h.in, h.out = h.dst, h.src, h.out, h.in
	h.srcPort, h.dstPort = h.dstPort, h.srcPort
	switch {
	case way == 2:
		h.proto, h.srcPort, h.dstPort = flow.ICMP, 0, 3<<8|3
	case !flow.HasPorts(h.proto):
		h.srcPort, h.dstPort = 0, 0 // echo reply: type 0, code 0
	}
	return h
}

// networkLength is the IP length of the cursor's packet.
func (x *cursor) networkLength() uint64 {
	var f frame
	n := f.transportLength(&x.shape, &x.next) + ipv4Header
	if x.v6 {
		n += ipv6Header - ipv4Header
	}
	return uint64(n)
}

// halfHeap is a heap by time of export (container/heap).
type halfHeap []half

func (h halfHeap) Len() int { return len(h) }
func (h halfHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].export, h[j].export), cmp.Compare(h[i].serial, h[j].serial)) < 0
}
func (h halfHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *halfHeap) Push(x any)   { *h = append(*h, x.(half)) }
func (h *halfHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}
