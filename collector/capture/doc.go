// Package capture turns captured bytes into Packets: it reads pcap and pcapng
// files (compressed or not, or a pipe) and live interfaces, and walks each frame's
// headers down to the innermost IP packet.
//
// In come files, pipes and interfaces; out come Frames (bytes with a time, a link
// type and an interface) and, through a Walker, Packets (addresses, ports, flags,
// layer 3 length, payload). The next stage is assemble.
//
// The walk over Ethernet, 802.1Q, MPLS, PPPoE, IPv4, IPv6, TCP, UDP, ICMP and the
// tunnels is written by hand: it allocates nothing and takes about 30 ns a packet.
// gopacket decodes the link types that are met rarely (802.11 and its radio
// headers, PF log, FDDI) and is the oracle that the walk must equal over a
// corpus of captures.
//
// Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, the tcpdump group's
// link-layer header types, IEEE 802.1Q and 802.1ad, RFC 791, RFC 8200, RFC 9293,
// RFC 768, RFC 792, RFC 4443, and those named beside each tunnel.
package capture
