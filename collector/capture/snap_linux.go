package capture

import "golang.org/x/sys/unix"

const (
	// wholeHello is how much is kept of what may open a TLS or QUIC connection: a
	// frame of Ethernet's size. A ClientHello may have the server's name anywhere, and
	// QUIC's is read from the whole datagram only (RFC 9001 §5.3).
	wholeHello = 1600
	// minInitialFrame is the shortest frame of a QUIC client's first datagrams: 1200
	// octets (RFC 9000 §14.1) after Ethernet, IPv4 and UDP.
	minInitialFrame = 14 + 20 + 8 + 1200
	// allHeaders is more than Ethernet, IP and TCP take with all their options.
	allHeaders = 200
)

// snap is a filter that keeps the first octets of each frame, and the whole of those
// that start with a TLS handshake record (RFC 8446 §5.1) or a QUIC long header (RFC
// 8999 §5.1). Loads beyond a frame's end would drop it, so its length is asked first.
// It is for Ethernet; a VLAN tag that is still in the frame makes it one like any
// other.
func snap(octets uint32, link LinkType) []unix.SockFilter {
	if link != LinkEthernet || octets >= wholeHello {
		return []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: octets}}
	}
	const (
		length = unix.BPF_LD | unix.BPF_W | unix.BPF_LEN
		load8  = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		load16 = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadX8 = unix.BPF_LD | unix.BPF_B | unix.BPF_IND
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		least  = unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K
	)
	return []unix.SockFilter{
		0: {Code: length},
		1: {Code: least, K: max(octets+1, allHeaders), Jf: 24},
		2: {Code: load16, K: 12},
		3: {Code: equal, K: etherIPv6, Jt: 6},
		4: {Code: equal, K: etherIPv4, Jf: 21},
		5: {Code: load16, K: 14 + 6},
		6: {Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, K: 0x3fff, Jt: 19}, // fragments
		7: {Code: unix.BPF_LDX | unix.BPF_B | unix.BPF_MSH, K: 14},              // X: the IP header's length
		8: {Code: load8, K: 14 + 9},
		9: {Code: unix.BPF_JMP | unix.BPF_JA, K: 2},
		// IPv6.
		10: {Code: unix.BPF_LDX | unix.BPF_IMM, K: 40},
		11: {Code: load8, K: 14 + 6},
		// Both, with the protocol in A.
		12: {Code: equal, K: unix.IPPROTO_TCP, Jt: 5},
		13: {Code: equal, K: unix.IPPROTO_UDP, Jf: 12},
		14: {Code: length},
		15: {Code: least, K: minInitialFrame, Jf: 10},
		16: {Code: loadX8, K: 14 + 8},
		17: {Code: least, K: 0xc0, Jt: 7, Jf: 8},
		// TCP: its header's length goes to X, too.
		18: {Code: loadX8, K: 14 + 12},
		19: {Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 2},
		20: {Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x3c},
		21: {Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X},
		22: {Code: unix.BPF_MISC | unix.BPF_TAX},
		23: {Code: loadX8, K: 14},
		24: {Code: equal, K: 0x16, Jf: 1},
		25: {Code: unix.BPF_RET | unix.BPF_K, K: wholeHello},
		26: {Code: unix.BPF_RET | unix.BPF_K, K: octets},
	}
}
