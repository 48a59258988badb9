package names

import (
	"bytes"
	"encoding/binary"
	"strings"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// Tags of the messages that a key distribution centre sends (RFC 4120 §5.10).
const (
	krbASReply  = 0x6b // [APPLICATION 11]
	krbTGSReply = 0x6d
	krbError    = 0x7e
)

// kerberos reads from the answer of a key distribution centre which realm it
// serves: that of the ticket it gives (RFC 4120 §5.4.2), or of the error (§5.9.1).
func (o *Observer) kerberos(p *capture.Packet) bool {
	b := p.Payload
	if p.Proto == flow.TCP {
		if len(b) < 4 || int(binary.BigEndian.Uint32(b)) < 16 {
			return true // the middle of an answer
		}
		b = b[4:] // RFC 4120 §7.2.2
	}
	if len(b) == 0 || b[0] != krbASReply && b[0] != krbTGSReply && b[0] != krbError {
		return true
	}
	// The end of a long answer may be in another segment; what is read stands first.
	r := reader{b: b}
	tag, message := r.open()
	_, sequence := (&reader{b: message}).open()
	realm := field(sequence, 0xa9) // of an error
	if tag != krbError {
		ticket := openField(sequence, 0xa5)
		_, ticket = (&reader{b: ticket}).open() // [APPLICATION 1]
		_, ticket = (&reader{b: ticket}).open()
		realm = field(ticket, 0xa1)
	}
	name := (&reader{b: realm}).element(0x1b) // GeneralString
	if len(name) == 0 {
		return false
	}
	o.add(p.Src.Netip(), bytes.Clone(name), flow.NameKerberos)
	return true
}

// open takes an element whose end may not be there.
func (r *reader) open() (tag byte, contents []byte) {
	if len(r.b) < 2 {
		r.failed = true
		return 0, nil
	}
	tag = r.b[0]
	head := 2
	if n := r.b[1]; n > 0x80 {
		head += int(n & 0x7f)
	}
	if len(r.b) < head {
		r.failed = true
		return 0, nil
	}
	return tag, r.b[head:]
}

// openField is field for an element whose end may not be there.
func openField(sequence []byte, tag byte) []byte {
	for r := (reader{b: sequence}); len(r.b) > 0 && !r.failed; {
		if r.b[0] == tag {
			_, v := r.open()
			return v
		}
		r.tlv()
	}
	return nil
}

// ldap reads what a directory server says about itself: the root of its tree (RFC
// 4512 §5.1) and the answer to a domain controller ping (MS-ADTS §6.3.3), both
// entries without a name of their own (RFC 4511 §4.5.2).
func (o *Observer) ldap(p *capture.Packet) bool {
	if len(p.Payload) == 0 || p.Payload[0] != 0x30 {
		return true
	}
	r := reader{b: p.Payload}
	_, message := r.open()
	m := reader{b: message}
	m.element(0x02)
	if tag, _ := m.open(); m.failed || tag != 0x64 { // SearchResultEntry
		return !m.failed
	}
	_, entry := m.open()
	e := reader{b: entry}
	if name := e.element(0x04); e.failed || len(name) > 0 {
		return !e.failed
	}
	tag, attributes := e.open()
	if tag != 0x30 {
		return false
	}
	for a := (reader{b: attributes}); len(a.b) > 0; {
		attribute := reader{b: a.element(0x30)}
		kind, values := attribute.element(0x04), attribute.element(0x31)
		if a.failed || attribute.failed {
			return len(p.Payload) > 1000 // the rest is in the next segment
		}
		o.attribute(p, string(kind), values)
	}
	return true
}

func (o *Observer) attribute(p *capture.Packet, kind string, values []byte) {
	v := (&reader{b: values}).element(0x04)
	switch strings.ToLower(kind) {
	case "dnshostname":
		o.add(p.Src.Netip(), bytes.Clone(v), flow.NameLDAP)
	case "defaultnamingcontext", "namingcontexts":
		if domain := domainOf(string(v)); domain != "" {
			o.add(p.Src.Netip(), []byte(domain), flow.NameDomain)
		}
	case "netlogon":
		o.netlogon(p, v)
	}
}

// netlogon reads NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS §6.3.1.9): operation,
// flags and the domain's GUID, then the names of forest, domain and host.
func (o *Observer) netlogon(p *capture.Packet, b []byte) {
	const fixed = 24
	if len(b) < fixed || binary.LittleEndian.Uint16(b) != 23 && binary.LittleEndian.Uint16(b) != 25 {
		return
	}
	m := message{b: b, off: fixed}
	var forest, zone, host domain
	if !m.name(&forest) || !m.name(&zone) || !m.name(&host) {
		return
	}
	o.add(p.Src.Netip(), zone.text(), flow.NameDomain)
	o.add(p.Src.Netip(), host.text(), flow.NameLDAP)
}

// domainOf turns DC=corp,DC=example into corp.example (RFC 2247 §3); other names
// give "".
func domainOf(dn string) string {
	var parts []string
	for _, rdn := range strings.Split(dn, ",") {
		kind, value, ok := strings.Cut(strings.TrimSpace(rdn), "=")
		if !ok || !strings.EqualFold(kind, "dc") {
			return ""
		}
		parts = append(parts, value)
	}
	return strings.Join(parts, ".")
}
