package assemble

import (
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// maxTunnels bounds the tunnels that live flows are in, 120 bytes each.
const maxTunnels = 1 << 14

// plainTunnels are the numbers of encapsulations of which the ends are not known:
// number n stands for flow.Encap(n).
const plainTunnels = 16

// tunnels numbers the tunnels that live flows are in, so that an entry need not
// hold two more addresses. A number is given back when its last flow ends. The
// zero value is ready.
type tunnels struct {
	list    []tunnel // number plainTunnels and on
	free    []uint16
	numbers map[ends]uint16
	unknown uint64
}

// ends are those of a tunnel in the direction of the packet that opened the flow.
type ends struct {
	from, to capture.Addr
	encap    flow.Encap
}

type tunnel struct {
	ends
	flows uint32
}

// enter returns the number of the tunnel that p was found in, for one more flow.
func (t *tunnels) enter(p *capture.Packet) uint16 {
	if p.OuterSrc == (capture.Addr{}) {
		return uint16(p.Encap)
	}
	e := ends{p.OuterSrc, p.OuterDst, p.Encap}
	if n, ok := t.numbers[e]; ok {
		t.list[n-plainTunnels].flows++
		return n
	}
	if t.numbers == nil {
		t.numbers = map[ends]uint16{}
	}
	var n uint16
	switch {
	case len(t.free) > 0:
		n = t.free[len(t.free)-1]
		t.free = t.free[:len(t.free)-1]
	case len(t.list) < maxTunnels:
		t.list = append(t.list, tunnel{})
		n = uint16(plainTunnels + len(t.list) - 1)
	default:
		t.unknown++
		return uint16(p.Encap)
	}
	t.list[n-plainTunnels] = tunnel{e, 1}
	t.numbers[e] = n
	return n
}

// leave takes a flow out of tunnel n.
func (t *tunnels) leave(n uint16) {
	if n < plainTunnels {
		return
	}
	x := &t.list[n-plainTunnels]
	if x.flows--; x.flows == 0 {
		delete(t.numbers, x.ends)
		t.free = append(t.free, n)
	}
}

// name puts tunnel n into r; forward says that the client opened the flow.
func (t *tunnels) name(r *flow.Record, n uint16, forward bool) {
	if n < plainTunnels {
		r.Encap = flow.Encap(n)
		return
	}
	x := &t.list[n-plainTunnels].ends
	r.Encap, r.Tunnel = x.encap, flow.Tunnel{From: x.from.Netip(), To: x.to.Netip()}
	if !forward && x.encap != flow.EncapERSPAN {
		r.Tunnel = r.Tunnel.Reverse()
	}
}
