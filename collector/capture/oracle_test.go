package capture_test

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// headers are what both decoders can be compared in.
type headers struct {
	src, dst         netip.Addr
	srcPort, dstPort uint16
	proto            uint8
	bytes            uint32
}

// oracle decodes with gopacket, and reports whether the frame is one that the
// comparison is about: Ethernet, tags, one IP header, TCP, UDP or ICMP, not
// fragmented, no tunnel, and neither cut off nor contradicting itself.
func oracle(f *capture.Frame) (headers, bool) {
	if f.Link != capture.LinkEthernet {
		return headers{}, false
	}
	p := gopacket.NewPacket(f.Data, layers.LayerTypeEthernet, gopacket.DecodeOptions{Lazy: true, NoCopy: true})
	var h headers
	ip := 0
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet, *layers.Dot1Q, gopacket.ApplicationLayer:
		case *layers.IPv4:
			if l.FragOffset != 0 || l.Flags&layers.IPv4MoreFragments != 0 || l.Version != 4 || f.Length > 1<<16 {
				return h, false
			}
			ip++
			h.src, _ = netip.AddrFromSlice(l.SrcIP)
			h.dst, _ = netip.AddrFromSlice(l.DstIP)
			h.proto, h.bytes = uint8(l.Protocol), uint32(l.Length)
		case *layers.IPv6:
			if l.Version != 6 {
				return h, false
			}
			ip++
			h.src, _ = netip.AddrFromSlice(l.SrcIP)
			h.dst, _ = netip.AddrFromSlice(l.DstIP)
			h.proto, h.bytes = uint8(l.NextHeader), uint32(l.Length)+40
		case *layers.TCP:
			h.srcPort, h.dstPort = uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.UDP:
			h.srcPort, h.dstPort = uint16(l.SrcPort), uint16(l.DstPort)
		case *layers.ICMPv4:
			h.dstPort = uint16(l.TypeCode)
		case *layers.ICMPv6:
			h.dstPort = uint16(l.TypeCode)
		default:
			if ip == 0 || p.TransportLayer() == nil && p.Layer(layers.LayerTypeICMPv4) == nil && p.Layer(layers.LayerTypeICMPv6) == nil {
				return h, false
			}
		}
	}
	return h, ip == 1 && (h.proto == flow.TCP || h.proto == flow.UDP || h.proto == flow.ICMP || h.proto == flow.ICMPv6) && p.ErrorLayer() == nil
}

// The walk equals gopacket wherever both read a frame whole.
func TestWalkEqualsGopacketOverTheCorpus(t *testing.T) {
	testenv.Need(t, "corpus")
	compared := 0
	for _, path := range corpus(t) {
		r, err := capture.Open(path)
		if err != nil {
			continue
		}
		var w capture.Walker
		var f capture.Frame
		var p capture.Packet
		for n := 1; r.Next(&f) == nil; n++ {
			want, ok := oracle(&f)
			if !ok {
				continue
			}
			if why := w.Walk(&f, &p); why != flow.DropNone {
				t.Errorf("%s frame %d: %v, gopacket reads %+v", filepath.Base(path), n, why, want)
				continue
			}
			if p.Encap != flow.EncapNone {
				continue // gopacket does not know that tunnel
			}
			compared++
			got := headers{p.Src.Netip(), p.Dst.Netip(), p.SrcPort, p.DstPort, p.Proto, p.Bytes}
			if got != want {
				t.Errorf("%s frame %d: %+v, gopacket reads %+v", filepath.Base(path), n, got, want)
			}
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d packets compared", compared)
	if compared < 20_000 {
		t.Errorf("only %d packets were compared", compared)
	}
}

// corpus lists all captures.
func corpus(t testing.TB) (files []string) {
	t.Helper()
	for _, pattern := range []string{"*/*.pcap*", "*/*/*.pcap*", "*/*/*/*.pcap*", "*/*/*.trace", "*/*/*/*.trace"} {
		m, err := filepath.Glob(filepath.Join(testenv.Corpus(), pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, m...)
	}
	return files
}
