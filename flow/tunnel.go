package flow

import (
	"fmt"
	"net/netip"
	"strings"
)

// Tunnel are the two ends of the tunnel that carried a flow: the client's packets
// went From there To there, and the server's the other way. ERSPAN carries copies:
// From is the switch that made them and To the sensor, whoever sent the packets. The
// zero Tunnel is none, or not known, or an encapsulation without addresses (MPLS,
// PPPoE).
type Tunnel struct{ From, To netip.Addr }

// Reverse exchanges the ends.
func (t Tunnel) Reverse() Tunnel { return Tunnel{From: t.To, To: t.From} }

// Equal reports whether t and o are the same.
func (t Tunnel) Equal(o Tunnel) bool { return t == o }

// Via says in words by which networks and tunnels the flow was seen, as in "vlan 20,
// vxlan 5001 from 192.0.2.1 to 192.0.2.2"; "" when there were none.
func (r *Record) Via() string {
	var parts []string
	if r.VLAN != 0 {
		parts = append(parts, fmt.Sprintf("vlan %d", r.VLAN))
	}
	if r.Encap != EncapNone {
		s := r.Encap.String()
		if r.VNI != 0 {
			s += fmt.Sprintf(" %d", r.VNI)
		}
		if r.Tunnel.From.IsValid() {
			s += fmt.Sprintf(" from %s to %s", r.Tunnel.From, r.Tunnel.To)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}
