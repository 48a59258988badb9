// Package capturetest writes capture files for tests and benchmarks: plausible
// mixed traffic of a chosen size, the same bytes for the same seed.
//
// The default is the input that capture tools were measured with: 2,000,000
// packets of 100,000 flows between 2,000 hosts in 300 seconds, 70 % TCP, 28 % UDP
// and 2 % ICMP flows, 20 % over IPv6, 40 % tagged with 802.1Q of which 5 % with
// 802.1ad outside, 395 bytes a packet in the mean. Connections have handshakes and
// ends, DNS flows real messages, TLS and HTTP connections a first packet that names
// the server.
package capturetest

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
)

// Options say what to write; zero fields take the defaults above.
type Options struct {
	Packets, Flows, Hosts int
	Seconds               int
	Seed                  uint64
	// SnapLength cuts frames; 0 keeps them whole.
	SnapLength int
}

// Summary says what was written.
type Summary struct {
	Packets, Flows int
	Bytes          int64 // of the file
}

func (o Options) withDefaults() Options {
	or := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	or(&o.Packets, 2_000_000)
	or(&o.Flows, 100_000)
	or(&o.Hosts, 2_000)
	or(&o.Seconds, 300)
	or(&o.SnapLength, 1<<16)
	o.Flows = min(o.Flows, o.Packets)
	return o
}

// conversation is one flow to be written.
type conversation struct {
	proto            uint8
	six              bool
	client, server   uint16 // host numbers
	port, serverPort uint16
	vlan, outer      uint16 // 0: none
	packets          int32
	clientSeq        uint32
	serverSeq        uint32
}

// event is one packet to come.
type event struct {
	at   uint32 // microseconds from the start
	flow int32
	nth  int32
}

// Write writes a classic pcap file of microseconds to w.
func Write(w io.Writer, o Options) (Summary, error) {
	o = o.withDefaults()
	rng := rand.New(rand.NewPCG(o.Seed, 0x42756c6b68656164))
	flows := conversations(o, rng)
	events := schedule(o, flows, rng)
	out := bufio.NewWriterSize(w, 1<<20)
	header := make([]byte, 24)
	le := binary.LittleEndian
	le.PutUint32(header, 0xa1b2c3d4)
	le.PutUint16(header[4:], 2)
	le.PutUint16(header[6:], 4)
	le.PutUint32(header[16:], uint32(o.SnapLength))
	le.PutUint32(header[20:], 1)
	s := Summary{Packets: len(events), Flows: len(flows), Bytes: int64(len(header))}
	_, err := out.Write(header)
	var b builder
	for _, e := range events {
		if err != nil {
			break
		}
		frame := b.packet(&flows[e.flow], int(e.nth), rng)
		kept := frame[:min(len(frame), o.SnapLength)]
		record := header[:16]
		le.PutUint32(record, 1_700_000_000+e.at/1_000_000)
		le.PutUint32(record[4:], e.at%1_000_000)
		le.PutUint32(record[8:], uint32(len(kept)))
		le.PutUint32(record[12:], uint32(len(frame)))
		if _, err = out.Write(record); err == nil {
			_, err = out.Write(kept)
		}
		s.Bytes += int64(16 + len(kept))
	}
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		return s, fmt.Errorf("write test traffic: %w", err)
	}
	return s, nil
}

var tcpPorts = []uint16{443, 443, 443, 80, 80, 5432, 3306, 6379, 22, 389, 445, 8080, 9092, 27017, 636, 5671}
var udpPorts = []uint16{53, 53, 53, 53, 123, 161, 443, 514, 4500, 8125, 88, 1812}

func conversations(o Options, rng *rand.Rand) []conversation {
	flows := make([]conversation, o.Flows)
	servers := max(1, o.Hosts/10)
	spare := o.Packets - o.Flows
	mean := float64(spare) / float64(o.Flows)
	total := 0
	for i := range flows {
		c := &flows[i]
		c.server = uint16(rng.IntN(servers))
		c.client = uint16(servers + rng.IntN(max(1, o.Hosts-servers)))
		c.port = uint16(32768 + rng.IntN(28232))
		c.clientSeq, c.serverSeq = rng.Uint32(), rng.Uint32()
		c.six = rng.IntN(100) < 20
		if rng.IntN(100) < 40 {
			c.vlan = uint16(10 + c.server%40)
			if rng.IntN(100) < 5 {
				c.outer = 4000
			}
		}
		switch n := rng.IntN(100); {
		case n < 70:
			c.proto, c.serverPort = 6, tcpPorts[int(c.server)%len(tcpPorts)]
		case n < 98:
			c.proto, c.serverPort = 17, udpPorts[int(c.server)%len(udpPorts)]
		default:
			c.proto = 1
		}
		c.packets = 1 + int32(min(rng.ExpFloat64()*mean, 50*mean))
		total += int(c.packets)
	}
	for i := 0; total < o.Packets; i = (i + 1) % len(flows) {
		flows[i].packets++
		total++
	}
	for i := 0; total > o.Packets; i = (i + 1) % len(flows) {
		if flows[i].packets > 1 {
			flows[i].packets--
			total--
		}
	}
	return flows
}

// schedule spreads each flow's packets over up to 40 % of the time, and puts all
// into order.
func schedule(o Options, flows []conversation, rng *rand.Rand) []event {
	events := make([]event, 0, o.Packets)
	span := uint32(o.Seconds) * 1_000_000
	var times []uint32
	for i := range flows {
		length := 1 + rng.Uint32N(span/5*2)
		start := rng.Uint32N(span - length)
		times = times[:0]
		for range flows[i].packets {
			times = append(times, start+rng.Uint32N(length))
		}
		slices.Sort(times)
		for n, at := range times {
			events = append(events, event{at, int32(i), int32(n)})
		}
	}
	slices.SortFunc(events, func(a, b event) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.flow, b.flow), cmp.Compare(a.nth, b.nth))
	})
	return events
}
