package names_test

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/names"
	"github.com/bulkhead/bulkhead/flow"
)

// tlv is a BER element; long writes the length in four octets, as Active Directory
// does.
func tlv(long bool, tag byte, parts ...[]byte) []byte {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	switch {
	case long:
		return append(binary.BigEndian.AppendUint32([]byte{tag, 0x84}, uint32(len(body))), body...)
	case len(body) >= 128:
		return append(binary.BigEndian.AppendUint16([]byte{tag, 0x82}, uint16(len(body))), body...)
	}
	return append([]byte{tag, byte(len(body))}, body...)
}

func text(tag byte, s string) []byte { return tlv(false, tag, []byte(s)) }

// ticket is [5] Ticket of a reply (RFC 4120 §5.3) for the realm.
func ticket(realm string) []byte {
	return tlv(false, 0xa5, tlv(false, 0x61, tlv(false, 0x30,
		tlv(false, 0xa0, []byte{2, 1, 5}), tlv(false, 0xa1, text(0x1b, realm)), tlv(false, 0xa2, make([]byte, 30)))))
}

// kerberosAnswer is an AS-REP to a client of another realm.
func kerberosAnswer(realm string) []byte {
	return tlv(false, 0x6b, tlv(false, 0x30,
		tlv(false, 0xa0, []byte{2, 1, 5}), tlv(false, 0xa1, []byte{2, 1, 11}),
		tlv(false, 0xa3, text(0x1b, "CLIENTS.EXAMPLE")), tlv(false, 0xa4, make([]byte, 20)),
		ticket(realm), tlv(false, 0xa6, make([]byte, 200))))
}

func TestKerberosAnswersNameTheRealm(t *testing.T) {
	reply := kerberosAnswer("CORP.EXAMPLE")
	failure := tlv(false, 0x7e, tlv(false, 0x30, tlv(false, 0xa0, []byte{2, 1, 5}), tlv(false, 0xa1, []byte{2, 1, 30}),
		tlv(false, 0xa6, []byte{2, 1, 25}), tlv(false, 0xa9, text(0x1b, "Corp.Example"))))
	request := tlv(false, 0x6a, tlv(false, 0x30, tlv(false, 0xa9, text(0x1b, "EVIL.EXAMPLE"))))
	want := []string{"10.0.0.1 corp.example kerberos ×1"}
	overTCP := tcp(append(binary.BigEndian.AppendUint32(nil, uint32(len(reply))), reply...))
	overTCP.SrcPort, overTCP.DstPort = 88, 50000
	cut := overTCP
	cut.Payload = cut.Payload[:150] // the rest is in the next segment
	for name, p := range map[string]struct {
		got, want []string
	}{
		"reply":          {observed(t, names.Options{}, udp(88, 50000, reply)), want},
		"error":          {observed(t, names.Options{}, udp(88, 50000, failure)), want},
		"over TCP":       {observed(t, names.Options{}, overTCP), want},
		"its beginning":  {observed(t, names.Options{}, cut), want},
		"a request":      {observed(t, names.Options{}, udp(50000, 88, request)), nil},
		"a false answer": {observed(t, names.Options{}, udp(88, 50000, reply[:20])), nil},
	} {
		if d := cmp.Diff(p.want, p.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func attribute(long bool, kind string, value []byte) []byte {
	return tlv(long, 0x30, text(0x04, kind), tlv(long, 0x31, tlv(long, 0x04, value)))
}

func searchEntry(long bool, name string, attributes ...[]byte) []byte {
	return tlv(long, 0x30, []byte{2, 1, 1}, tlv(long, 0x64, text(0x04, name), tlv(long, 0x30, attributes...)))
}

// rootDSE is what a directory server says of itself.
func rootDSE(long bool) []byte {
	return searchEntry(long, "", attribute(long, "defaultNamingContext", []byte("DC=corp,DC=example")),
		attribute(long, "namingContexts", []byte("CN=Schema,CN=Configuration,DC=corp,DC=example")),
		attribute(long, "dnsHostName", []byte("DC1.corp.example")))
}

// netlogonAnswer answers a domain controller ping (MS-ADTS §6.3.1.9).
func netlogonAnswer() []byte {
	v := make([]byte, 24)
	v[0] = 23
	v = append(v, "\x04corp\x07example\x00"...) // forest
	v = append(v, 0xc0, 24)                     // the domain is the forest
	v = append(v, "\x03dc7\xc0\x18"...)
	v = append(v, "\x04CORP\x00\x03DC7\x00"...)
	return searchEntry(true, "", attribute(true, "Netlogon", v))
}

func TestDirectoryServersNameThemselves(t *testing.T) {
	from := func(payload []byte) []string {
		p := tcp(payload)
		p.SrcPort, p.DstPort = 389, 50000
		return observed(t, names.Options{}, p)
	}
	root := []string{"10.0.0.1 corp.example domain ×1", "10.0.0.1 dc1.corp.example ldap ×1"}
	for name, tt := range map[string]struct{ got, want []string }{
		"root":                           {from(rootDSE(false)), root},
		"root, Active Directory":         {from(rootDSE(true)), root},
		"controller ping":                {observed(t, names.Options{}, udp(389, 50000, netlogonAnswer())), []string{"10.0.0.1 corp.example domain ×1", "10.0.0.1 dc7.corp.example ldap ×1"}},
		"a computer's entry in the tree": {from(searchEntry(false, "CN=pc1,DC=corp,DC=example", attribute(false, "dNSHostName", []byte("pc1.corp.example")))), nil},
		"a search":                       {observed(t, names.Options{}, udp(50000, 389, rootDSE(false))), nil},
		"cut off":                        {from(rootDSE(false)[:40]), nil},
	} {
		if d := cmp.Diff(tt.want, tt.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// Where networks overlap, names are kept apart as flows are.
func TestNamesHaveTheScopeOfTheirPacket(t *testing.T) {
	for _, scoped := range []bool{false, true} {
		scopes := map[flow.Scope]bool{}
		obs := names.New(names.Options{ScopeVLAN: scoped}, func(ns []flow.Name) error {
			for _, n := range ns {
				scopes[n.Scope] = true
			}
			return nil
		})
		for vlan := range uint16(3) {
			p := udp(88, 50000, kerberosAnswer("A.EXAMPLE"))
			p.Time, p.VLAN = start, vlan+10
			obs.Packet(&p, 1)
		}
		if err := obs.Flush(); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]int{false: 1, true: 3}[scoped]; len(scopes) != want || scoped != scopes[flow.VLANScope(11, 0)] {
			t.Errorf("scoped %v: %v", scoped, scopes)
		}
	}
}
