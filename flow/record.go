package flow

import "net/netip"

// TCP control bits as they stand in Record.ClientFlags and ServerFlags
// (RFC 9293 §3.1; IPFIX tcpControlBits, IE 6).
const (
	FIN uint8 = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// IANA protocol numbers the code names.
const (
	ICMP   uint8 = 1
	IGMP   uint8 = 2
	TCP    uint8 = 6
	UDP    uint8 = 17
	GRE    uint8 = 47
	ICMPv6 uint8 = 58
	SCTP   uint8 = 132
)

// Key identifies a biflow: who asked, who answered, over what. Addresses are
// never IPv4-mapped IPv6 (call Unmap). For ICMP and ICMPv6 the client port is 0
// and the server port is type<<8|code of the request, as NetFlow has it.
type Key struct {
	Client, Server         netip.Addr
	ClientPort, ServerPort uint16
	Proto                  uint8
	Scope                  Scope
}

// Reverse returns the key with client and server exchanged.
func (k Key) Reverse() Key {
	k.Client, k.Server = k.Server, k.Client
	k.ClientPort, k.ServerPort = k.ServerPort, k.ClientPort
	return k
}

// Service returns what the server offered.
func (k Key) Service() Service { return Service{Proto: k.Proto, Port: k.ServerPort} }

// Record is a biflow (RFC 5103): one client, one server, both directions'
// counters. A long flow is reported as several Records with the same ID. Records
// are values; nothing in them is shared.
type Record struct {
	ID  uint64 // identity of the flow across its splits; never 0
	Key Key

	First, Last Time // of the packets this record covers

	ClientPackets, ServerPackets uint64 // sent by the client, by the server
	ClientBytes, ServerBytes     uint64 // layer 3 (IP total length), RFC 5102 octetDeltaCount
	ClientFlags, ServerFlags     uint8  // union of TCP control bits; 0 for other protocols

	Outcome    Outcome
	Evidence   Evidence // why Key.Client is the client
	Confidence uint8    // 0..100, that Key.Client is the client
	End        EndReason

	// Split is the number of this record within its flow: 0 for the first, so
	// that counting Records with Split==0 counts flows.
	Split uint32
	// Folded counts flows that this record stands for beyond itself: refused or
	// unanswered attempts of one client folded into one. 0 usually.
	Folded uint32
	// SamplingRate is N for 1-in-N packet sampling; 0 or 1 means unsampled.
	// Counters are already scaled by it.
	SamplingRate uint32

	VLAN  uint16 // outermost 802.1Q VLAN id; 0 when untagged
	VNI   uint32 // VXLAN/Geneve/GRE key; 0 when not encapsulated
	Encap Encap
	// Tunnel are the ends of the outermost tunnel the flow was seen in.
	Tunnel Tunnel

	// NAT is the tuple after address translation, where an exporter says it.
	NAT NAT

	// ClientWorkload and ServerWorkload are the keys (topology.WorkloadKey) of
	// the workloads that held the addresses when the flow was seen; 0 when the
	// inventory knew none.
	ClientWorkload, ServerWorkload uint64

	// Sensor names what saw the flow: a sensor's name, or an exporter's address.
	Sensor string
	// Source says how it was seen.
	Source Source

	// ClientProcess and ServerProcess name the program at that end where the host
	// itself told: its unit ("nginx.service") or its command; "" usually.
	ClientProcess, ServerProcess string
}

// Established reports whether the record stands for a dependency rather than an
// attempt.
func (r *Record) Established() bool { return r.Outcome == Established }

// Reverse exchanges client and server with all their counters, and records why.
func (r *Record) Reverse(why Evidence, confidence uint8) {
	r.Key, r.NAT = r.Key.Reverse(), r.NAT.Reverse()
	if r.Encap != EncapERSPAN {
		r.Tunnel = r.Tunnel.Reverse()
	}
	r.ClientPackets, r.ServerPackets = r.ServerPackets, r.ClientPackets
	r.ClientBytes, r.ServerBytes = r.ServerBytes, r.ClientBytes
	r.ClientFlags, r.ServerFlags = r.ServerFlags, r.ClientFlags
	r.ClientWorkload, r.ServerWorkload = r.ServerWorkload, r.ClientWorkload
	r.ClientProcess, r.ServerProcess = r.ServerProcess, r.ClientProcess
	r.Evidence, r.Confidence = why, confidence
}
