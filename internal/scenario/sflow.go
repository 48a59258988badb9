package scenario

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/flow"
)

const (
	sflowPort   = 6343
	sflowHeader = 128 // bytes of each sampled frame that are exported
	sflowBatch  = 7   // samples in a datagram, as many as fit below maxDatagram
)

// WriteSFlow writes what the core switch exports of the traffic as sFlow version 5
// (sflow.org, "sFlow Version 5", §5): a packet capture of UDP datagrams to port
// 6343, with the first bytes of one frame in rate, chosen at random.
func (e *Estate) WriteSFlow(w io.Writer, rate int, c Capture) error {
	if rate < 1 {
		return fmt.Errorf("scenario: sampling rate %d, want at least 1", rate)
	}
	x := sampler{estate: e, out: newPcapWriter(w, 65535), rate: uint32(rate), boot: e.start.Add(-exporterAge), pick: derive(e.opts.Seed, tagSample)}
	x.skip()
	if err := e.packets(c, x.frame); err != nil {
		return err
	}
	if err := x.send(); err != nil {
		return err
	}
	return x.out.buf.Flush()
}

// sampler is the sFlow agent.
type sampler struct {
	estate    *Estate
	out       *pcapWriter
	rate      uint32
	boot      flow.Time
	pick      rng
	left      int    // frames to pass over before the next sample
	pool      uint32 // frames that could have been sampled so far
	sequence  uint32 // of samples
	datagrams uint32
	samples   []byte // of the datagram being made
	n         int
	last      flow.Time
	source    frame
	datagram  frame
	payload   []byte
}

// skip draws how many frames to pass over: uniform in 0..2·rate-2, whose mean
// is rate-1, as the specification's own pseudo code does (§3.1).
func (x *sampler) skip() { x.left = x.pick.below(2*int(x.rate) - 1) }

func (x *sampler) frame(at flow.Time, s *shape, p *packet) error {
	x.pool++
	if x.left > 0 {
		x.left--
		return nil
	}
	x.skip()
	if x.n > 0 && at.Sub(x.last) > exportPatience {
		if err := x.send(); err != nil {
			return err
		}
	}
	data, length := x.source.packet(x.estate, s, p, sflowHeader)
	x.append(data, length, uint32(x.estate.vlan(s.link.client)), uint32(x.estate.vlan(s.link.server)))
	x.last = at
	if x.n == sflowBatch {
		return x.send()
	}
	return nil
}

// append adds a flow sample with one raw packet header.
func (x *sampler) append(data []byte, length int, in, out uint32) {
	padded := (len(data) + 3) &^ 3
	b := x.samples
	for _, v := range []uint32{
		1, uint32(8*4 + 6*4 + padded), // flow_sample, its length
		x.sequence, in, x.rate, x.pool, 0, in, out, 1, // one record
		1, uint32(4*4 + padded), // sampled_header, its length
		1, uint32(length + 4), 4, uint32(len(data)), // Ethernet; frame with its checksum, which was stripped
	} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = append(b, data...)
	x.samples = append(b, zeroes[:padded-len(data)]...)
	x.sequence++
	x.n++
}

// send writes the datagram of the samples so far.
func (x *sampler) send() error {
	if x.n == 0 {
		return nil
	}
	b := x.payload[:0]
	b = binary.BigEndian.AppendUint32(b, 5)
	b = binary.BigEndian.AppendUint32(b, 1) // agent address is IPv4
	b = append(b, routers[0].AsSlice()...)
	for _, v := range []uint32{0, x.datagrams, uptime(x.boot, x.last), uint32(x.n)} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	x.payload = append(b, x.samples...)
	x.samples, x.n = x.samples[:0], 0
	x.datagrams++
	data := x.datagram.datagram(routers[0], x.payload, sflowPort)
	return x.out.write(x.last, data, len(data))
}
