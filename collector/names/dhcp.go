package names

import (
	"encoding/binary"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// leases remembers the host names that clients asked under until the server's
// answer says which address they got.
type leases struct {
	slots [1024]lease
}

type lease struct {
	xid  uint32
	name string
}

// dhcp reads options 12 and 81 of a DHCP message (RFC 2131 §2, RFC 2132 §3.14,
// RFC 4702 §2). A name is observed when a server acknowledges an address, or when
// a client renews the one it has.
func (o *Observer) dhcp(b []byte) bool {
	const fixed = 240
	if len(b) < fixed || binary.BigEndian.Uint32(b[236:]) != 0x63825363 {
		return len(b) == 0 || len(b) >= 236 // BOOTP without options
	}
	xid := binary.BigEndian.Uint32(b[4:])
	ciaddr, yiaddr := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	var host, fqdn string
	kind := byte(0)
	for r := (reader{b: b[fixed:]}); len(r.b) > 0; {
		code := r.u8()
		if code == 255 {
			break
		}
		if code == 0 {
			continue
		}
		v := r.take(int(r.u8()))
		if r.failed {
			return false
		}
		switch {
		case code == 53 && len(v) == 1:
			kind = v[0]
		case code == 12:
			host = string(v)
		case code == 81 && len(v) > 3 && v[0]&4 == 0: // ASCII form
			fqdn = string(v[3:])
		case code == 81 && len(v) > 3:
			fqdn = labels(v[3:])
		}
	}
	if fqdn != "" {
		host = fqdn
	}
	slot := &o.lease.slots[xid%uint32(len(o.lease.slots))]
	switch {
	case kind == 3 && host != "": // DHCPREQUEST
		*slot = lease{xid, host}
		if !ciaddr.IsUnspecified() {
			o.add(ciaddr, []byte(host), flow.NameDHCP)
		}
	case kind == 5 && !yiaddr.IsUnspecified(): // DHCPACK
		if slot.xid == xid && slot.name != "" {
			host = slot.name
		}
		if host != "" {
			o.add(yiaddr, []byte(host), flow.NameDHCP)
		}
	}
	return true
}

// labels reads a name in wire form without compression (RFC 1035 §3.1).
func labels(b []byte) string {
	var out []byte
	for len(b) > 0 && b[0] != 0 && int(b[0]) < len(b) {
		if out != nil {
			out = append(out, '.')
		}
		out = append(out, b[1:1+b[0]]...)
		b = b[1+b[0]:]
	}
	return string(out)
}
