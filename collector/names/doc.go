// Package names reads, from packets that go by, which names addresses have: DNS
// answers, TLS server names (over TCP and in QUIC), HTTP hosts, DHCP host names,
// NetBIOS and multicast DNS; and which realm or domain a directory server serves, by
// what Kerberos and LDAP answer.
//
// In come capture.Packets; out go flow.Names, one per address, name and kind, with
// the interval and the count of what was seen. It stands beside assemble. Only
// packets whose ports or first bytes promise a name are looked into, so that the
// rest cost a few comparisons.
//
// Everything here comes from the wire and is hostile: each parser checks lengths,
// names that are not printable ASCII or longer than 253 bytes are refused, and the
// number of names held is bounded.
//
// Sources: RFC 1035, RFC 6762, RFC 4795, RFC 6066 §3 with RFC 8446, RFC 9110 §7.2,
// RFC 2131, RFC 2132 §3.14, RFC 4702, RFC 1002, RFC 9000 with RFC 9001 and RFC 9369,
// RFC 4120, RFC 4511, MS-ADTS.
package names
