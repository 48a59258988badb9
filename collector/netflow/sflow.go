package netflow

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	gosflow "github.com/netsampler/goflow2/v2/decoders/sflow"
	"github.com/netsampler/goflow2/v2/decoders/utils"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// goflow2 v2.2.6 makes room for as many records as an expanded flow sample
// announces, up to 2³² (the class of CVE-2022-2529), and gives up a sample for one
// record it cannot read. So samples and their records are walked here, and only
// the contents of one record at a time are given to goflow2.

// words is a reader of XDR's four-byte words; what lies beyond the end reads as 0
// and is noted.
type words struct {
	b     []byte
	short bool
}

func (w *words) next() uint32 {
	if len(w.b) < 4 {
		w.b, w.short = nil, true
		return 0
	}
	v := binary.BigEndian.Uint32(w.b)
	w.b = w.b[4:]
	return v
}

func (w *words) take(n uint32) []byte {
	if uint64(n) > uint64(len(w.b)) {
		w.b, w.short = nil, true
		return nil
	}
	b := w.b[:n]
	w.b = w.b[n:]
	return b
}

// sflow takes a version 5 datagram (sflow.org/sflow_version_5.txt).
func (d *Decoder) sflow(x *exporter, b []byte) (flow.DropReason, error) {
	w := &words{b: b}
	w.next() // version
	switch kind := w.next(); kind {
	case 1:
		w.take(4)
	case 2:
		w.take(16)
	default:
		return flow.DropMalformed, fmt.Errorf("sflow agent address of kind %d", kind)
	}
	agent, number := w.next(), w.next()
	w.next() // uptime
	count := w.next()
	if w.short {
		return flow.DropTruncated, errShort
	}
	m := d.domainOf(x, 0, agent)
	if m == nil {
		return flow.DropTemplateCap, errDomains
	}
	x.gap(m, number, 1, &x.stats.LostDatagrams)
	for ; count > 0 && len(w.b) >= 8; count-- {
		format, length := w.next(), w.next()
		x.stats.Sets++
		sample := w.take(length)
		if w.short {
			x.stats.dropSet(flow.DropTruncated, fmt.Errorf("sflow sample of %d bytes", length))
			return flow.DropNone, nil
		}
		d.sample(x, m, format, sample)
	}
	if n := uint64(min(count, uint32(len(b)))); n > 0 { // announced and not there
		x.stats.Sets += n
		x.stats.SetDrops.Add(flow.DropTruncated, n)
	}
	return flow.DropNone, nil
}

// sample takes one sample; anything but a flow sample is counted as no flow.
func (d *Decoder) sample(x *exporter, m *domain, format uint32, b []byte) {
	w := &words{b: b}
	w.next() // sequence
	var source, in, out, rate uint32
	switch format {
	case gosflow.SAMPLE_FORMAT_FLOW:
		source = w.next() & 0xffffff
		rate = w.next()
		w.take(8) // pool and drops
		in, out = w.next()&0x3fffffff, w.next()&0x3fffffff
	case gosflow.SAMPLE_FORMAT_EXPANDED_FLOW:
		w.next()
		source = w.next()
		rate = w.next()
		w.take(8)
		w.next()
		in = w.next()
		w.next()
		out = w.next()
	case gosflow.SAMPLE_FORMAT_COUNTER, gosflow.SAMPLE_FORMAT_EXPANDED_COUNTER, gosflow.SAMPLE_FORMAT_DROP:
		x.stats.dropSet(flow.DropNoFlow, nil)
		return
	default:
		x.stats.dropSet(flow.DropNoFlow, fmt.Errorf("sflow sample format %d", format))
		return
	}
	count := w.next()
	if w.short {
		x.stats.dropSet(flow.DropTruncated, fmt.Errorf("sflow flow sample of %d bytes", len(b)))
		return
	}
	x.stats.DataSets++
	r := plan.Row{InIf: in, OutIf: out, Sampling: rate, Egress: source == out && source != in, Packets: 1, First: d.now, Last: d.now}
	if why, err := d.readSample(&r, w, count); why != flow.DropNone {
		x.stats.Rows++
		x.stats.RowDrops.Add(why, 1)
		x.stats.LastError = err.Error()
		return
	}
	d.take(x, m, &plan.Context{Export: d.now}, append(d.rows[:0], r))
}

var errNoHeader = errors.New("sflow flow sample without an IP header")

// readSample reads the records of a flow sample until one has described the
// packet; the switch's VLAN is taken from wherever it stands.
func (d *Decoder) readSample(r *plan.Row, w *words, count uint32) (flow.DropReason, error) {
	why, last := flow.DropNotIP, errNoHeader
	found := false
	for ; count > 0 && len(w.b) >= 8; count-- {
		h := gosflow.RecordHeader{DataFormat: w.next(), Length: w.next()}
		body := w.take(h.Length)
		if w.short {
			why, last = flow.DropTruncated, fmt.Errorf("sflow record of %d bytes", h.Length)
			break
		}
		switch h.DataFormat {
		case gosflow.FLOW_TYPE_RAW, gosflow.FLOW_TYPE_IPV4, gosflow.FLOW_TYPE_IPV6, gosflow.FLOW_TYPE_EXT_SWITCH:
		default:
			continue
		}
		record, err := gosflow.DecodeFlowRecord(&h, bytes.NewBuffer(body))
		if err != nil {
			why, last = flow.DropMalformed, err
			continue
		}
		switch data := record.Data.(type) {
		case gosflow.SampledHeader:
			if !found {
				why, last = d.sampledFrame(r, &data)
				found = why == flow.DropNone
			}
		case gosflow.SampledIPv4:
			found = found || sampledIP(r, &data.SampledIPBase)
		case gosflow.SampledIPv6:
			found = found || sampledIP(r, &data.SampledIPBase)
		case gosflow.ExtendedSwitch:
			if v := uint16(data.SrcVlan); r.VLAN == 0 && v < 0xfff {
				r.VLAN = v
			}
		}
	}
	if found {
		return flow.DropNone, nil
	}
	return why, last
}

// sampledIP takes the fields a switch has read for us.
func sampledIP(r *plan.Row, p *gosflow.SampledIPBase) bool {
	r.Src, r.Dst = addrOf(p.SrcIP), addrOf(p.DstIP)
	r.Proto, r.Bytes = uint8(p.Protocol), uint64(p.Length)
	r.SrcPort, r.DstPort = uint16(p.SrcPort), uint16(p.DstPort)
	r.Flags, r.InitFlags = uint8(p.TcpFlags), opening(uint8(p.TcpFlags))
	return true
}

func addrOf(a utils.IPAddress) plan.Addr {
	switch len(a) {
	case 4:
		return plan.Addr4(a)
	case 16:
		return plan.Addr16(a)
	}
	return plan.Addr{}
}

// opening gives the flags of a single packet if it opens a connection: those
// prove who is the client.
func opening(flags uint8) uint8 {
	if flags&flow.SYN != 0 {
		return flags
	}
	return 0
}
