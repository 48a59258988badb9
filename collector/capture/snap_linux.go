package capture

import "golang.org/x/sys/unix"

// wholeInitial is how much is kept of what may be the beginning of a QUIC
// connection: a datagram of Ethernet's size. Its server name can be read from the
// whole datagram only (RFC 9001 §5.3).
const wholeInitial = 1600

// minInitialFrame is the shortest frame of a client's first datagrams: 1200 octets
// (RFC 9000 §14.1) after Ethernet, IPv4 and UDP.
const minInitialFrame = 14 + 20 + 8 + 1200

// snap is a filter that keeps the first octets of each frame, and of a UDP datagram
// that starts with a QUIC long header (RFC 8999 §5.1) the whole. Loads beyond a
// frame's end would drop it, so the length is asked first. It is for Ethernet; a VLAN
// tag that is still in the frame makes it one like any other.
func snap(octets uint32, link LinkType) []unix.SockFilter {
	if link != LinkEthernet || octets >= wholeInitial {
		return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: octets}}
	}
	const (
		load8  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		load16 = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	)
	return []unix.SockFilter{
		0:  {Code: unix.BPF_LD | unix.BPF_W | unix.BPF_LEN},
		1:  {Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: minInitialFrame, Jf: 15},
		2:  {Code: load16, K: 12},
		3:  {Code: equal, K: etherIPv6, Jt: 7},
		4:  {Code: equal, K: etherIPv4, Jf: 12},
		5:  {Code: load8, K: 14 + 9},
		6:  {Code: equal, K: unix.IPPROTO_UDP, Jf: 10},
		7:  {Code: load16, K: 14 + 6},
		8:  {Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x3fff, Jt: 8}, // fragments
		9:  {Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 14},
		10: {Code: unix.BPF_JMP | unix.BPF_JA, K: 3},
		11: {Code: load8, K: 14 + 6},
		12: {Code: equal, K: unix.IPPROTO_UDP, Jf: 4},
		13: {Code: unix.BPF_LDX | unix.BPF_IMM, K: 40},
		14: {Code: unix.BPF_LD | unix.BPF_B | unix.BPF_IND, K: 14 + 8}, // after the UDP header
		15: {Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: 0xc0, Jf: 1},
		16: {Code: unix.BPF_RET | unix.BPF_K, K: wholeInitial},
		17: {Code: unix.BPF_RET | unix.BPF_K, K: octets},
	}
}
