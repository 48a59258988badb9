package netflow_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/collector/netflow/stitch"
	"github.com/bulkhead/bulkhead/flow"
)

var be = binary.BigEndian

// set makes one set.
func set(id uint16, body ...byte) []byte {
	b := be.AppendUint16(nil, id)
	b = be.AppendUint16(b, uint16(4+len(body)))
	return append(b, body...)
}

// words makes big-endian 16-bit words.
func words(ws ...uint16) (b []byte) {
	for _, w := range ws {
		b = be.AppendUint16(b, w)
	}
	return b
}

// ipfix makes a message.
func ipfix(sequence, domain uint32, sets ...[]byte) []byte {
	b := words(10, 0)
	b = be.AppendUint32(b, uint32(now/1e9))
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, domain)
	for _, s := range sets {
		b = append(b, s...)
	}
	be.PutUint16(b[2:], uint16(len(b)))
	return b
}

// v9 makes a datagram of an exporter that booted up seconds before sec.
func v9(sequence, up, sec uint32, sets ...[]byte) []byte {
	b := words(9, uint16(len(sets)))
	b = be.AppendUint32(b, up*1000)
	b = be.AppendUint32(b, sec)
	b = be.AppendUint32(b, sequence)
	b = be.AppendUint32(b, 0)
	for _, s := range sets {
		b = append(b, s...)
	}
	return b
}

const now = flow.Time(1_700_000_000 * 1e9)

// simple describes source, destination, ports, protocol, packets and bytes.
func simple(id uint16) []byte {
	return words(id, 7, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 2, 4, 1, 4)
}

// record is one record of simple: 10.0.0.host to 10.0.1.1:443.
func record(host byte, packets uint32) []byte {
	b := []byte{10, 0, 0, host, 10, 0, 1, 1}
	b = append(b, words(40000, 443)...)
	b = append(b, flow.TCP)
	b = be.AppendUint32(b, packets)
	return be.AppendUint32(b, packets*100)
}

type feeder struct {
	*netflow.Decoder
	*gather
	t  testing.TB
	at flow.Time
}

func newFeeder(t testing.TB, o netflow.Options) *feeder {
	g := &gather{}
	return &feeder{netflow.NewDecoder(o, g), g, t, now}
}

func (f *feeder) feed(datagrams ...[]byte) {
	f.t.Helper()
	for _, b := range datagrams {
		if err := f.Datagram(b, router, f.at); err != nil {
			f.t.Fatal(err)
		}
	}
}

// clients flushes and lists the last byte of each record's client and its packets.
func (f *feeder) clients() [][2]uint64 {
	f.t.Helper()
	if err := f.Flush(); err != nil {
		f.t.Fatal(err)
	}
	out := [][2]uint64{}
	for _, r := range f.records {
		a := r.Key.Client.As4()
		out = append(out, [2]uint64{uint64(a[3]), r.ClientPackets})
	}
	return out
}

func TestOneSetWithoutTemplateDoesNotLoseTheOthers(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	f.feed(ipfix(0, 1, set(2, simple(256)...), set(300, record(1, 1)...), set(256, record(2, 7)...), set(300), set(256, record(3, 9)...)))
	if diff := gocmp.Diff([][2]uint64{{2, 7}, {3, 9}}, f.clients()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := f.Stats().SetDrops[flow.DropNoTemplate]; n != 2 {
		t.Errorf("%d sets without template, want 2", n)
	}
}

func TestTemplatesAreOfOneDomain(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	f.feed(ipfix(0, 1, set(2, simple(256)...)), ipfix(0, 2, set(256, record(1, 1)...)))
	if n := f.Stats().SetDrops[flow.DropNoTemplate]; n != 1 {
		t.Errorf("a template of domain 1 was used in domain 2")
	}
}

func TestChangedTemplateReplaces(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	swapped := words(256, 7, 12, 4, 8, 4, 7, 2, 11, 2, 4, 1, 2, 4, 1, 4) // destination first
	f.feed(ipfix(0, 1, set(2, simple(256)...)), ipfix(0, 1, set(2, simple(256)...)), ipfix(0, 1, set(2, swapped...), set(256, record(1, 7)...)))
	s := f.Stats()
	if s.TemplatesLearned != 2 || s.TemplatesReplaced != 1 || s.TemplatesRefreshed != 1 {
		t.Errorf("%+v", s.Counts)
	}
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	want := netip.MustParseAddr("10.0.1.1")
	if len(f.records) != 1 || f.records[0].Key.Client != want && f.records[0].Key.Server != netip.MustParseAddr("10.0.0.1") {
		t.Errorf("read with the old template: %+v", f.records)
	}
}

func TestWithdrawals(t *testing.T) {
	for name, withdrawal := range map[string][]byte{"one": words(256, 0), "all": words(2, 0)} {
		f := newFeeder(t, netflow.Options{})
		f.feed(ipfix(0, 1, set(2, simple(256)...)), ipfix(0, 1, set(2, withdrawal...)), ipfix(0, 1, set(256, record(1, 1)...)))
		if s := f.Stats(); s.TemplatesWithdrawn != 1 || s.SetDrops[flow.DropNoTemplate] != 1 {
			t.Errorf("%s: %+v", name, s.Counts)
		}
	}
}

func TestTemplateLimits(t *testing.T) {
	var many [][]byte
	for id := range uint16(100) {
		many = append(many, set(2, simple(256+id)...))
	}
	wide := words(400, 600)
	for range 600 {
		wide = append(wide, words(1, 4)...)
	}
	for _, c := range []struct {
		name    string
		limits  netflow.TemplateLimits
		sets    [][]byte
		evicted uint64
		refused uint64
	}{
		{"number", netflow.TemplateLimits{Templates: 5}, many, 95, 0},
		{"bytes", netflow.TemplateLimits{Bytes: 160}, many, 95, 0},
		{"bytes, too large at all", netflow.TemplateLimits{Bytes: 16}, many[:2], 0, 2},
		{"fields", netflow.TemplateLimits{}, [][]byte{set(2, wide...)}, 0, 1},
	} {
		f := newFeeder(t, netflow.Options{Templates: c.limits})
		for _, s := range c.sets {
			f.feed(ipfix(0, 1, s))
		}
		s := f.Stats()
		if s.TemplatesEvicted != c.evicted || s.TemplateDrops[flow.DropTemplateCap] != c.refused {
			t.Errorf("%s: evicted %d, refused %d, want %d and %d", c.name, s.TemplatesEvicted, s.TemplateDrops[flow.DropTemplateCap], c.evicted, c.refused)
		}
	}
}

func TestReservedTemplateIdsAreRefused(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	f.feed(ipfix(0, 1, set(2, append(simple(255), simple(256)...)...), set(256, record(1, 5)...)))
	if s := f.Stats(); s.TemplateDrops[flow.DropBadTemplate] != 1 || s.TemplatesLearned != 1 {
		t.Errorf("%+v", s.Counts)
	}
}

func TestTemplatesExpire(t *testing.T) {
	f := newFeeder(t, netflow.Options{Templates: netflow.TemplateLimits{Lifetime: time.Hour}})
	f.feed(ipfix(0, 1, set(2, simple(256)...)))
	f.at += 50 * 60 * 1e9
	f.feed(ipfix(0, 1, set(256, record(1, 5)...))) // use keeps it
	f.at += 50 * 60 * 1e9
	f.feed(ipfix(1, 1, set(256, record(2, 5)...)))
	f.at += 61 * 60 * 1e9
	f.feed(ipfix(2, 1, set(256, record(3, 5)...)))
	if s := f.Stats(); s.TemplatesExpired != 1 || s.Flows != 2 {
		t.Errorf("%+v", s.Counts)
	}
}

// After a restart an exporter may use the same ids for other templates.
func TestRestartForgetsTemplates(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	f.feed(v9(1, 1000, 1_700_000_000, set(0, simple(256)...)),
		v9(2, 1010, 1_700_000_010, set(256, record(1, 5)...)),
		v9(0, 3, 1_700_000_300, set(256, record(2, 5)...)),
		v9(1, 4, 1_700_000_301, set(0, simple(256)...), set(256, record(3, 5)...)))
	s := f.Stats()
	if s.Restarts != 1 || s.SetDrops[flow.DropNoTemplate] != 1 || s.Flows != 2 || s.LostPackets != 0 {
		t.Errorf("%+v", s.Counts)
	}
}

func TestUptimeWrapIsNoRestart(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	const wrap = 1 << 32 / 1000 // seconds
	f.feed(v9(1, wrap-10, 1_700_000_000, set(0, simple(256)...)), v9(2, 20, 1_700_000_030, set(256, record(1, 5)...)))
	if s := f.Stats(); s.Restarts != 0 || s.Flows != 1 {
		t.Errorf("%+v", s.Counts)
	}
}

// Times that lie before the wrap of sysUptime, in a datagram sent after it.
func TestUptimeWrapKeepsTimes(t *testing.T) {
	f := newFeeder(t, netflow.Options{})
	body := append(record(1, 5), 0xff, 0xff, 0xd8, 0xf0, 0, 0, 0x03, 0xe8) // first 10 s before the wrap, last 1 s after it
	f.feed(v9(1, 2, 1_700_000_000, set(0, words(256, 9, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 2, 4, 1, 4, 22, 4, 21, 4)...), set(256, body...)))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	r := f.records[0]
	if first, last := now-12e9, now-1e9; r.First < first-1e9 || r.First > first+1e9 || r.Last != last {
		t.Errorf("from %v to %v, want about %v to %v", r.First.Std(), r.Last.Std(), first.Std(), last.Std())
	}
}

func TestWrongClocksArePutRight(t *testing.T) {
	for _, c := range []struct {
		name    string
		allowed time.Duration
		at      flow.Time
		want    flow.Time
		shifted uint64
	}{
		{"a year behind", time.Minute, now + 365*86400e9, now + 365*86400e9, 2},
		{"within bounds", time.Minute, now + 30e9, now, 0},
		{"believed whatever it says", 0, now + 365*86400e9, now, 0},
	} {
		f := newFeeder(t, netflow.Options{MaxSkew: c.allowed})
		f.at = c.at
		f.feed(ipfix(0, 1, set(2, simple(256)...), set(256, record(1, 5)...)))
		f.at += 2e8 // the way takes now longer, now shorter
		f.feed(ipfix(1, 1, set(256, record(2, 5)...)))
		if err := f.Flush(); err != nil {
			t.Fatal(err)
		}
		if a, b := f.records[0].First, f.records[1].First; a != c.want || b != c.want || f.Stats().Shifted != c.shifted {
			t.Errorf("%s: %v and %v, shifted %d; want %v", c.name, a.Std(), b.Std(), f.Stats().Shifted, c.want.Std())
		}
	}
}

func TestSequenceGapsAreLoss(t *testing.T) {
	templates, data := set(2, simple(256)...), set(256, append(record(1, 1), record(2, 1)...)...)
	for _, c := range []struct {
		name            string
		datagrams       [][]byte
		lost, overtaken uint64
	}{
		{"IPFIX counts records", [][]byte{ipfix(0, 1, templates, data), ipfix(2, 1, data), ipfix(9, 1, data)}, 5, 0},
		{"what comes late was not lost", [][]byte{ipfix(0, 1, templates, data), ipfix(4, 1, data), ipfix(2, 1, data), ipfix(6, 1, data)}, 0, 2},
		{"a counter that begins anew", [][]byte{ipfix(100_000, 1, templates, data), ipfix(0, 1, data), ipfix(2, 1, data)}, 0, 0},
		{"a counter that wraps", [][]byte{ipfix(1<<32-2, 1, templates, data), ipfix(0, 1, data), ipfix(3, 1, data)}, 1, 0},
		{"unknown number of records", [][]byte{ipfix(0, 1, data), ipfix(2, 1, templates, data), ipfix(4, 1, data)}, 0, 0},
		{"v9 counts datagrams", [][]byte{v9(7, 9, 1, set(0, simple(256)...)), v9(8, 9, 1, data), v9(12, 9, 1, data)}, 3, 0},
	} {
		f := newFeeder(t, netflow.Options{})
		f.feed(c.datagrams...)
		if s := f.Stats(); s.LostRecords+s.LostPackets != c.lost || s.Overtaken != c.overtaken {
			t.Errorf("%s: lost %d, overtaken %d, want %d and %d", c.name, s.LostRecords+s.LostPackets, s.Overtaken, c.lost, c.overtaken)
		}
	}
}

func TestSamplingIsLearned(t *testing.T) {
	sampled := words(256, 8, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 2, 4, 1, 4, 48, 1) // with a sampler id
	data := set(256, append(record(1, 5), 3)...)
	value := func(ns ...uint32) (b []byte) {
		for _, n := range ns {
			b = be.AppendUint32(b, n)
		}
		return b
	}
	config := netflow.Options{Exporters: []netflow.Exporter{{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Sampling: 7}}}
	for _, c := range []struct {
		name string
		o    netflow.Options
		sets [][]byte
		want uint64
	}{
		{"not at all", netflow.Options{}, nil, 5},
		{"IPFIX interval and space, for the domain", netflow.Options{},
			[][]byte{set(3, words(300, 3, 1, 143, 4, 305, 4, 306, 4)...), set(300, value(1, 1, 99)...)}, 500},
		{"by sampler", netflow.Options{},
			[][]byte{set(3, words(300, 2, 1, 302, 4, 50, 4)...), set(300, value(3, 50, 4, 60)...)}, 250},
		{"another sampler's", netflow.Options{},
			[][]byte{set(3, words(300, 2, 1, 302, 4, 50, 4)...), set(300, value(4, 60)...)}, 5},
		{"size of population", netflow.Options{},
			[][]byte{set(3, words(300, 3, 1, 143, 4, 309, 4, 310, 4)...), set(300, value(1, 1, 64)...)}, 320},
		{"the operator's word wins", config,
			[][]byte{set(3, words(300, 2, 1, 302, 4, 50, 4)...), set(300, value(3, 50)...)}, 35},
	} {
		f := newFeeder(t, c.o)
		f.feed(ipfix(0, 1, append(append([][]byte{set(2, sampled...)}, c.sets...), data)...))
		if diff := gocmp.Diff([][2]uint64{{1, c.want}}, f.clients()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestExporterAllowList(t *testing.T) {
	f := newFeeder(t, netflow.Options{OnlyListed: true})
	message := ipfix(0, 1, set(2, simple(256)...), set(256, record(1, 5)...))
	f.feed(message, message)
	s := f.Stats()
	if s.DatagramDrops[flow.DropUnknownExporter] != 2 || s.Flows != 0 || len(s.Unknown) != 1 || s.Unknown[0].Datagrams != 2 {
		t.Fatalf("%+v", s)
	}
	f.Admit(netflow.Exporter{Prefix: netip.PrefixFrom(s.Unknown[0].Addr, 32), Name: "edge-1"})
	f.feed(message)
	s = f.Stats()
	if s.Flows != 1 || len(s.Unknown) != 0 || s.Exporters[0].Name != "edge-1" {
		t.Errorf("not admitted: %+v", s)
	}
	if s.Datagrams != s.Decoded+s.DatagramDrops.Total() {
		t.Errorf("%d datagrams, %d decoded, %d dropped", s.Datagrams, s.Decoded, s.DatagramDrops.Total())
	}
}

// A flood of invented addresses does not push out an exporter that is alive.
func TestExportersAreBounded(t *testing.T) {
	f := newFeeder(t, netflow.Options{MaxExporters: 8})
	message := ipfix(0, 1, set(2, simple(256)...), set(256, record(1, 5)...))
	f.feed(message)
	for i := range 1000 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), 1)
		if err := f.Datagram(message, from, now); err != nil {
			t.Fatal(err)
		}
	}
	f.feed(ipfix(1, 1, set(256, record(1, 5)...)))
	s := f.Stats()
	f.at += 11 * 60 * 1e9 // all of them fall silent: now others may come
	if err := f.Datagram(message, netip.MustParseAddrPort("203.0.113.9:1"), f.at); err != nil {
		t.Fatal(err)
	}
	if n := f.Stats(); len(n.Exporters) != 8 || n.Flows != s.Flows+1 || n.Exporters[7].Name != "203.0.113.9" {
		t.Errorf("a silent exporter did not make room: %+v", n.Counts)
	}
	if len(s.Exporters) != 8 || s.DatagramDrops[flow.DropTableFull] != 993 || s.SetDrops[flow.DropNoTemplate] != 0 {
		t.Errorf("%d exporters, dropped %v", len(s.Exporters), s.DatagramDrops)
	}
}

func TestBiflowsOfRFC5103(t *testing.T) {
	b := words(256, 8, 8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 2, 4, 1, 4, 0x8002, 4)
	b = be.AppendUint32(b, 29305) // reversePacketDeltaCount
	f := newFeeder(t, netflow.Options{})
	f.feed(ipfix(0, 1, set(2, b...), set(256, append(record(1, 5), 0, 0, 0, 4)...)))
	if err := f.Flush(); err != nil {
		t.Fatal(err)
	}
	r := f.records[0]
	if r.ClientPackets != 5 || r.ServerPackets != 4 || r.Outcome != flow.Established || r.Evidence != flow.EvidenceExporter {
		t.Errorf("%+v", r)
	}
}

func TestFlushEmitsWaitingHalves(t *testing.T) {
	f := newFeeder(t, netflow.Options{Stitch: stitch.Options{Wait: time.Minute}})
	f.feed(ipfix(0, 1, set(2, simple(256)...), set(256, record(1, 5)...)))
	if err := f.Tick(now + 59e9); err != nil || len(f.records) != 0 {
		t.Fatalf("%d records before the wait was over: %v", len(f.records), err)
	}
	if err := f.Tick(now + 61e9); err != nil || len(f.records) != 1 {
		t.Fatalf("%d records after the wait: %v", len(f.records), err)
	}
}
