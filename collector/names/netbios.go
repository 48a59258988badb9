package names

import (
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// netbios reads a NetBIOS name service message (RFC 1002 §4.2): positive answers
// and registrations carry the address in a record of type NB.
func (o *Observer) netbios(b []byte) bool {
	if len(b) < 12 {
		return false
	}
	questions := int(binary.BigEndian.Uint16(b[4:]))
	records := int(binary.BigEndian.Uint16(b[6:])) + int(binary.BigEndian.Uint16(b[10:]))
	if questions > 1 || records != 1 {
		return true
	}
	r := reader{b: b[12:]}
	name := ""
	if questions == 1 {
		name = nbName(&r)
		r.skip(4)
	}
	if len(r.b) > 0 && r.b[0] >= 0xc0 { // a pointer to the question
		r.skip(2)
	} else {
		name = nbName(&r)
	}
	kind := r.u16()
	r.skip(2 + 4)
	data := r.take(int(r.u16()))
	if r.failed {
		return false
	}
	if kind == 0x20 && len(data) >= 6 && data[0]&0x80 == 0 && name != "" { // NB, and not a group's name
		o.add(netip.AddrFrom4([4]byte(data[2:6])), []byte(name), flow.NameNetBIOS)
	}
	return true
}

// datagram reads who sends a NetBIOS datagram (RFC 1002 §4.4.1).
func (o *Observer) datagram(p *capture.Packet) bool {
	b := p.Payload
	if len(b) < 14 || b[0] < 0x10 || b[0] > 0x12 {
		return true
	}
	r := reader{b: b[14:]}
	name := nbName(&r)
	if r.failed {
		return false
	}
	if src := netip.AddrFrom4([4]byte(b[4:8])); name != "" && src == p.Src.Netip() {
		o.add(src, []byte(name), flow.NameNetBIOS)
	}
	return true
}

// nbName decodes a first-level encoded name (RFC 1001 §14.1) of a machine or a
// service on it; other suffixes name groups and give "".
func nbName(r *reader) string {
	if r.u8() != 32 {
		r.failed = true
		return ""
	}
	v := r.take(32)
	for n := r.u8(); n != 0 && !r.failed; n = r.u8() { // a scope may follow
		r.skip(int(n))
	}
	if r.failed {
		return ""
	}
	var name [16]byte
	for i := range name {
		hi, lo := v[2*i]-'A', v[2*i+1]-'A'
		if hi > 15 || lo > 15 {
			r.failed = true
			return ""
		}
		name[i] = hi<<4 | lo
	}
	if suffix := name[15]; suffix != 0x00 && suffix != 0x20 {
		return ""
	}
	return strings.TrimRight(string(name[:15]), " \x00")
}
