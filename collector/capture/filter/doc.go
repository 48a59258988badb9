// Package filter compiles the part of tcpdump's filter language that sensors are
// given in practice to a program the kernel runs before it copies a packet (classic
// BPF), without libpcap:
//
//	[not] primitive  { and | or  [not] primitive }   with ( ) ! && ||
//
//	ip  ip6  arp  tcp  udp  icmp  icmp6  sctp  gre  esp  ah
//	[src|dst] host ADDRESS      [src|dst] net PREFIX
//	[tcp|udp|sctp] [src|dst] port N      [src|dst] portrange N-M
//	proto N        vlan [ID]
//
// As in pcap-filter(7), "and" and "or" bind alike and from left to right, and a
// second port or host may follow "or" without its keyword repeated. Two things
// differ: "vlan" asks for the tag that the kernel has taken off the frame and does
// not change what follows; and only IPv6 packets without extension headers match
// ports. Whoever needs more gives the output of "tcpdump -ddd EXPRESSION", which
// Load takes.
package filter
