package netflow

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gonetflow "github.com/netsampler/goflow2/v2/decoders/netflow"
	golegacy "github.com/netsampler/goflow2/v2/decoders/netflowlegacy"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// known is goflow2's reading of one record: the values by element.
type known map[uint64][]byte

func elem(pen uint32, id uint16) uint64 { return uint64(pen)<<16 | uint64(id) }

func (k known) num(pen uint32, ids ...uint16) (uint64, bool) {
	for _, id := range ids {
		if b, ok := k[elem(pen, id)]; ok && len(b) <= 8 {
			var w [8]byte
			copy(w[8-len(b):], b)
			return binary.BigEndian.Uint64(w[:]), true
		}
	}
	return 0, false
}

func (k known) addr(v4, v6 uint16) netip.Addr {
	a, _ := netip.AddrFromSlice(k[elem(0, v4)])
	b, _ := netip.AddrFromSlice(k[elem(0, v6)])
	if b.IsValid() && (!a.IsValid() || !b.IsUnspecified()) {
		return b
	}
	return a
}

// row works out slowly, element by element, what a plan should have made of the
// record. Times are compared where they are absolute.
func (k known) row(version uint16) (seen, bool) {
	s := seen{src: k.addr(8, 27), dst: k.addr(12, 28)}
	if !s.src.IsValid() || !s.dst.IsValid() || s.src.IsUnspecified() && s.dst.IsUnspecified() {
		return s, false
	}
	n, _ := k.num(0, 4)
	s.proto = uint8(n)
	n, _ = k.num(0, 7, 180, 182)
	s.sport = uint16(n)
	n, _ = k.num(0, 11, 181, 183)
	s.dport = uint16(n)
	s.packets, _ = k.num(0, 2, 298, 86, 24)
	s.bytes, _ = k.num(0, 1, 231, 85, 23)
	switch s.proto {
	case flow.ICMP, flow.ICMPv6:
		s.sport, s.dport = 0, 0 // compared with tshark and nfdump instead
	}
	if n, ok := k.num(0, 152); ok {
		s.first = int64(n)
	}
	return s, true
}

// oracle decodes datagrams with goflow2 alone.
func oracle(t testing.TB, ds []datagram) (out []seen) {
	t.Helper()
	templates := map[netip.AddrPort]gonetflow.NetFlowTemplateSystem{}
	for _, d := range ds {
		version := binary.BigEndian.Uint16(d.payload)
		if version == 5 {
			out = append(out, oracleV5(t, d.payload)...)
			continue
		}
		ts := templates[d.from]
		if ts == nil {
			ts = gonetflow.CreateTemplateSystem()
			templates[d.from] = ts
		}
		payload := bytes.Clone(d.payload)
		if version == 9 { // goflow2 believes the header's count, which softflowd gets wrong
			binary.BigEndian.PutUint16(payload[2:], 0xffff)
		}
		var v9 gonetflow.NFv9Packet
		var ipfix gonetflow.IPFIXPacket
		_ = gonetflow.DecodeMessageVersion(bytes.NewBuffer(payload), ts, &v9, &ipfix) // sets before an error are kept
		for _, set := range append(v9.FlowSets, ipfix.FlowSets...) {
			data, ok := set.(gonetflow.DataFlowSet)
			if !ok {
				continue
			}
			for _, r := range data.Records {
				k := known{}
				for _, f := range r.Values {
					b, _ := f.Value.([]byte)
					if _, twice := k[elem(f.Pen, f.Type)]; !twice {
						k[elem(f.Pen, f.Type)] = b
					}
				}
				if s, ok := k.row(version); ok {
					out = append(out, s)
				}
			}
		}
	}
	return out
}

func oracleV5(t testing.TB, b []byte) (out []seen) {
	var p golegacy.PacketNetFlowV5
	if binary.BigEndian.Uint16(b[2:]) > plan.V5MaxRecords || golegacy.DecodeMessageVersion(bytes.NewBuffer(b), &p) != nil {
		return nil
	}
	addr := func(a golegacy.IPAddress) netip.Addr {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(a))
		return netip.AddrFrom4(b)
	}
	for _, r := range p.Records {
		if r.Proto == uint8(flow.ICMP) {
			r.DstPort = 0
		}
		out = append(out, seen{addr(r.SrcAddr), addr(r.DstAddr), r.SrcPort, r.DstPort, r.Proto, uint64(r.DPkts), uint64(r.DOctets), 0})
	}
	return out
}

// corpusExports lists the folder's captures and datagrams, each as one exporter's
// sequence.
func corpusExports(t testing.TB) map[string][]datagram {
	t.Helper()
	out := map[string][]datagram{}
	from := netip.MustParseAddrPort("192.0.2.1:40000")
	for _, pattern := range []string{"logstash-vendor-sampler/pcap/*.pcap", "softflowd-replay/*.pcap"} {
		files, _ := filepath.Glob(filepath.Join(testenv.Corpus(), pattern))
		for _, f := range files {
			out[filepath.Base(f)] = readDatagrams(t, f)
		}
	}
	files, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "telegraf-netflow", "*", "*.bin"))
	loose, _ := filepath.Glob(filepath.Join(testenv.Corpus(), "fluent-plugin-netflow", "*.dump"))
	for _, f := range append(files, loose...) {
		if strings.Contains(f, "sflow") {
			continue
		}
		key := filepath.Base(filepath.Dir(f))
		out[key] = append(out[key], datagram{readFile(t, f), from, flow.Time(1e9)})
	}
	return out
}

// TestPlansEqualTheLibrary holds the compiled plans against goflow2 on every
// export of the corpus, record by record and in order.
func TestPlansEqualTheLibrary(t *testing.T) {
	testenv.Need(t, "corpus")
	total := 0
	for name, ds := range corpusExports(t) {
		want := oracle(t, ds)
		rows, _ := decodeAll(t, ds)
		var got []seen
		for i := range rows {
			s := seenOf(&rows[i])
			if s.proto == flow.ICMP || s.proto == flow.ICMPv6 {
				s.sport, s.dport = 0, 0
			}
			got = append(got, s)
		}
		for i := range got { // where the oracle has no absolute time, compare the rest
			if i < len(want) && want[i].first == 0 {
				got[i].first = 0
			}
		}
		total += len(want)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(seen{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-goflow2 +plan):\n%.2000s", name, diff)
		}
	}
	t.Logf("%d records equal", total)
	if total < 400 {
		t.Errorf("only %d records compared", total)
	}
}
