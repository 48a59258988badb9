package collector_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
)

// kept is a sink that keeps everything.
type kept struct {
	records []flow.Record
	names   []flow.Name
}

func (k *kept) Records(r []flow.Record) error { k.records = append(k.records, r...); return nil }
func (k *kept) Names(n []flow.Name) error     { k.names = append(k.names, n...); return nil }

// file writes frames, a millisecond apart, as a pcap file.
func file(t *testing.T, frames ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for i, f := range frames {
		ci := gopacket.CaptureInfo{Timestamp: flow.Time(1e18 + i*1e6).Std(), CaptureLength: len(f), Length: len(f)}
		if err := w.WritePacket(ci, f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// frame serializes layers with lengths and checksums filled in.
func frame(t *testing.T, ls ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ls...); err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(b.Bytes())
}

func segment(t *testing.T, src, dst string, srcPort, dstPort uint16, set func(*layers.TCP), payload string) []byte {
	t.Helper()
	tcp := &layers.TCP{SrcPort: layers.TCPPort(srcPort), DstPort: layers.TCPPort(dstPort)}
	set(tcp)
	return frame(t,
		&layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4},
		&layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: ip(src), DstIP: ip(dst)},
		tcp, gopacket.Payload(payload))
}

func connection(t *testing.T) [][]byte {
	c, s := "10.0.0.1", "10.0.0.2"
	return [][]byte{
		segment(t, c, s, 40000, 8081, func(t *layers.TCP) { t.SYN = true }, ""),
		segment(t, s, c, 8081, 40000, func(t *layers.TCP) { t.SYN, t.ACK = true, true }, ""),
		segment(t, c, s, 40000, 8081, func(t *layers.TCP) { t.ACK = true }, "GET / HTTP/1.1\r\nHost: Shop.Example:8081\r\n\r\n"),
		segment(t, s, c, 8081, 40000, func(t *layers.TCP) { t.ACK, t.FIN = true, true }, "HTTP/1.1 200 OK\r\n\r\n"),
		segment(t, c, s, 40000, 8081, func(t *layers.TCP) { t.ACK, t.FIN = true, true }, ""),
	}
}

func write(t *testing.T, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.pcap")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestImportMakesOneBiflowOfAConnection(t *testing.T) {
	var k kept
	s, err := collector.Import(context.Background(), write(t, file(t, connection(t)...)), collector.Options{}, &k)
	if err != nil {
		t.Fatal(err)
	}
	if len(k.records) != 1 {
		t.Fatalf("%d records: %+v", len(k.records), k.records)
	}
	r := k.records[0]
	if r.Key.ServerPort != 8081 || r.Outcome != flow.Established || r.Evidence != flow.EvidenceSYN || r.Confidence != 100 ||
		r.ClientPackets != 3 || r.ServerPackets != 2 || r.ClientBytes != 163 || r.ServerBytes != 99 || r.End != flow.EndOfFlow || r.Sensor != "t.pcap" {
		t.Errorf("record %+v", r)
	}
	if len(k.names) != 1 || k.names[0].Name != "shop.example" || k.names[0].Addr != r.Key.Server {
		t.Errorf("names %+v", k.names)
	}
	if s.Frames != 5 || s.Walked != 5 || s.Assemble.Counted != 5 || s.Records() != 1 {
		t.Errorf("stats %+v", s)
	}
}

func TestImportKeepsWhatCameBeforeTheDamage(t *testing.T) {
	whole := file(t, connection(t)...)
	var k kept
	_, err := collector.Import(context.Background(), write(t, whole[:len(whole)-3]), collector.Options{}, &k)
	var at *capture.FileError
	if !errors.As(err, &at) || !errors.Is(err, capture.ErrTruncated) || at.Offset == 0 {
		t.Errorf("error %v", err)
	}
	if len(k.records) != 1 || k.records[0].ClientPackets != 2 {
		t.Errorf("records %+v", k.records)
	}
}

func TestImportStopsWithTheContextAndFlushes(t *testing.T) {
	var frames [][]byte
	c := connection(t)
	for range 10_000 {
		frames = append(frames, c[1:4]...)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := errors.New("enough")
	o := collector.Options{Progress: func(int64, int64, uint64) { cancel(stop) }}
	var k kept
	s, err := collector.Import(ctx, write(t, file(t, frames...)), o, &k)
	if !errors.Is(err, stop) {
		t.Errorf("error %v", err)
	}
	if s.Frames >= uint64(len(frames)) || len(k.records) == 0 {
		t.Errorf("%d frames of %d, %d records", s.Frames, len(frames), len(k.records))
	}
	var packets uint64
	for _, r := range k.records {
		packets += r.ClientPackets + r.ServerPackets
	}
	if packets != s.Frames {
		t.Errorf("%d packets in records of %d read", packets, s.Frames)
	}
}

type failing struct{ kept }

var errSink = errors.New("no room")

func (failing) Records([]flow.Record) error { return errSink }

func TestImportReturnsTheSinksError(t *testing.T) {
	if _, err := collector.Import(context.Background(), write(t, file(t, connection(t)...)), collector.Options{}, &failing{}); !errors.Is(err, errSink) {
		t.Errorf("error %v", err)
	}
}

func ip(s string) []byte {
	var b [4]byte
	n := 0
	for i := range len(s) {
		if s[i] == '.' {
			n++
			continue
		}
		b[n] = b[n]*10 + s[i] - '0'
	}
	return b[:]
}

func TestImportIsTheSameWhateverTheSeed(t *testing.T) {
	var b bytes.Buffer
	if _, err := capturetest.Write(&b, capturetest.Options{Packets: 60_000, Flows: 20_000, Hosts: 300, Seed: 4}); err != nil {
		t.Fatal(err)
	}
	path := write(t, b.Bytes())
	var first kept
	for seed := range uint64(3) {
		var k kept
		o := collector.Options{Assemble: assemble.Options{Seed: seed + 1}}
		if _, err := collector.Import(context.Background(), path, o, &k); err != nil {
			t.Fatal(err)
		}
		if seed == 0 {
			first = k
			continue
		}
		if !slices.Equal(k.records, first.records) || !slices.Equal(k.names, first.names) {
			t.Fatalf("seed %d: %d records and %d names, not the same as %d and %d", seed+1, len(k.records), len(k.names), len(first.records), len(first.names))
		}
	}
}
