package plan_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

var be = binary.BigEndian

// export is when the datagrams of the tests were sent: uptime 10,000 s.
var export = plan.Context{Version: 9, Export: 1_700_000_000e9, Uptime: 10_000_000}

// value is one field of a record with its bytes.
type value struct {
	field plan.Field
	bytes []byte
}

func num(id, length uint16, n uint64) value {
	b := be.AppendUint64(nil, n)
	return value{plan.Field{ID: id, Length: length}, b[8-length:]}
}

func raw(id uint16, b ...byte) value {
	return value{plan.Field{ID: id, Length: uint16(len(b))}, b}
}

func of(pen uint32, v value) value { v.field.PEN = pen; return v }

// variable gives v in the encoding of RFC 7011 §7.
func variable(v value) value {
	v.field.Length = plan.Variable
	v.bytes = append([]byte{byte(len(v.bytes))}, v.bytes...)
	return v
}

var ends = []value{raw(8, 10, 0, 0, 1), raw(12, 10, 0, 0, 2)}

// decode compiles a template of values and decodes one record of them.
func decode(t *testing.T, c plan.Context, values ...value) plan.Row {
	t.Helper()
	var fields []plan.Field
	var set []byte
	for _, v := range append(append([]value(nil), ends...), values...) {
		fields, set = append(fields, v.field), append(set, v.bytes...)
	}
	p, err := plan.Compile(c.Version, fields)
	if err != nil {
		t.Fatal(err)
	}
	rows, rest := p.Decode(set, &c, make([]plan.Row, 0, 4))
	if len(rows) != 1 || rest != 0 || !p.Flow() || p.Count(set) != 1 {
		t.Fatalf("%d rows, %d bytes left over, %d counted", len(rows), rest, p.Count(set))
	}
	rows[0].Src, rows[0].Dst = plan.Addr{}, plan.Addr{}
	return rows[0]
}

func TestElements(t *testing.T) {
	ipfix := export
	ipfix.Version, ipfix.Uptime = 10, 0
	const at = flow.Time(1_699_999_990e9) // ten seconds before the export
	ntp := be.AppendUint32(be.AppendUint32(nil, 1_699_999_990+2208988800), 1<<31)
	for _, c := range []struct {
		name   string
		c      plan.Context
		values []value
		want   plan.Row
	}{
		{"counters", export, []value{num(1, 4, 700), num(2, 4, 7)}, plan.Row{Bytes: 700, Packets: 7}},
		{"reduced size", export, []value{num(1, 3, 70000), num(2, 1, 7)}, plan.Row{Bytes: 70000, Packets: 7}},
		{"variable length", ipfix, []value{variable(num(1, 3, 70000)), variable(raw(82, 'e', 't', 'h')), num(2, 8, 7)}, plan.Row{Bytes: 70000, Packets: 7}},
		{"egress counters alone", export, []value{num(23, 4, 700), num(24, 4, 7)}, plan.Row{Bytes: 700, Packets: 7}},
		{"nProbe's two directions in v9", export, []value{num(1, 4, 700), num(2, 4, 7), num(23, 4, 900), num(24, 4, 9)},
			plan.Row{Bytes: 700, Packets: 7, RevBytes: 900, RevPackets: 9, Biflow: true, Initiator: plan.InitiatorSource}},
		{"post counters in IPFIX are of the same packets", ipfix, []value{num(1, 4, 700), num(2, 4, 7), num(23, 4, 690), num(24, 4, 7)},
			plan.Row{Bytes: 700, Packets: 7}},
		{"totals", ipfix, []value{num(85, 8, 700), num(86, 8, 7)}, plan.Row{Bytes: 700, Packets: 7, Total: true}},
		{"deltas before totals", ipfix, []value{num(85, 8, 9999), num(1, 8, 700)}, plan.Row{Bytes: 700}},
		{"initiator and responder", ipfix, []value{num(231, 8, 700), num(298, 8, 7), num(232, 8, 900), num(299, 8, 9)},
			plan.Row{Bytes: 700, Packets: 7, RevBytes: 900, RevPackets: 9, Biflow: true, Initiator: plan.InitiatorSource}},
		{"reverse elements", ipfix, []value{num(1, 8, 700), of(29305, num(1, 8, 900)), of(29305, num(6, 1, 0x12))},
			plan.Row{Bytes: 700, RevBytes: 900, RevFlags: 0x12, Biflow: true, Initiator: plan.InitiatorSource}},
		{"who opened it", ipfix, []value{num(239, 1, 2)}, plan.Row{Initiator: plan.InitiatorDest}},
		{"uptime", export, []value{num(22, 4, 9_990_000), num(21, 4, 9_995_000)}, plan.Row{First: at, Last: at + 5e9}},
		{"milliseconds", ipfix, []value{num(152, 8, uint64(at/1e6)), num(153, 8, uint64(at/1e6)+5000)}, plan.Row{First: at, Last: at + 5e9}},
		{"seconds", ipfix, []value{num(150, 4, uint64(at/1e9)), num(151, 4, uint64(at/1e9)+5)}, plan.Row{First: at, Last: at + 5e9}},
		{"microseconds in NTP's format", ipfix, []value{raw(154, ntp...), raw(155, ntp...)}, plan.Row{First: at + 5e8, Last: at + 5e8}},
		{"microseconds before the export", ipfix, []value{num(158, 4, 10_000_000), num(159, 4, 5_000_000)}, plan.Row{First: at, Last: at + 5e9}},
		{"the best of three clocks", ipfix, []value{num(150, 4, 1), num(152, 8, uint64(at/1e6)), num(22, 4, 5), num(153, 8, uint64(at/1e6))}, plan.Row{First: at, Last: at}},
		{"start and duration", ipfix, []value{num(152, 8, uint64(at/1e6)), num(161, 4, 5000)}, plan.Row{First: at, Last: at + 5e9}},
		{"uptime and boot time", ipfix, []value{num(160, 8, uint64(at/1e6)-9000), num(22, 4, 9000), num(21, 4, 14000)}, plan.Row{First: at, Last: at + 5e9}},
		{"uptime without boot time", ipfix, []value{num(22, 4, 9000), num(21, 4, 14000)}, plan.Row{First: export.Export - 5e9, Last: export.Export}},
		{"flags of 16 bits", ipfix, []value{num(6, 2, 0x0112)}, plan.Row{Flags: 0x12}},
		{"flags of the first packet", ipfix, []value{of(6871, num(14, 1, 2)), of(6871, num(15, 1, 0x18)), of(6871, num(14|0x4000, 1, 0x12))},
			plan.Row{Flags: 0x1a, InitFlags: 2, RevFlags: 0x12, RevInitFlags: 0x12}},
		{"ICMP in one field", export, []value{num(4, 1, 1), num(32, 2, 0x0800)}, plan.Row{Proto: 1, DstPort: 0x0800}},
		{"ICMP in two", ipfix, []value{num(4, 1, 58), num(178, 1, 3), num(179, 1, 1), num(7, 2, 99)}, plan.Row{Proto: 58, DstPort: 0x0301}},
		{"ICMP in the port", export, []value{num(4, 1, 1), num(11, 2, 0x0303), num(32, 2, 0)}, plan.Row{Proto: 1, DstPort: 0x0303}},
		{"VLAN and VNI", ipfix, []value{num(58, 2, 0x3064), num(351, 8, 0x0200_0000_0001_86a0)}, plan.Row{VLAN: 0x64, VNI: 100000}},
		{"interfaces and direction", export, []value{num(10, 4, 3), num(14, 2, 4), num(61, 1, 1)}, plan.Row{InIf: 3, OutIf: 4, Egress: true}},
		{"sampling in the record", ipfix, []value{num(305, 4, 1), num(306, 4, 99), num(302, 8, 5)}, plan.Row{Sampling: 100, Sampler: 5}},
		{"denied", export, []value{num(233, 1, 3)}, plan.Row{Event: plan.EventDenied}},
		{"denied, ASA 9", export, []value{num(233, 1, 3), num(33002, 2, 1001)}, plan.Row{Event: plan.EventDenied, Initiator: plan.InitiatorSource}},
		{"denied, ASA 8", export, []value{num(40005, 1, 3)}, plan.Row{Event: plan.EventDenied, Initiator: plan.InitiatorSource}},
		{"dropped by an ACL", ipfix, []value{num(89, 1, 130)}, plan.Row{Dropped: true}},
		{"forwarded", ipfix, []value{num(89, 1, 64)}, plan.Row{}},
		{"end reason", ipfix, []value{num(136, 1, 2)}, plan.Row{End: flow.EndActive}},
		{"translated", ipfix, []value{raw(225, 198, 51, 100, 7), num(227, 2, 1025)},
			plan.Row{PostSrc: plan.AddrOf(netip.MustParseAddr("198.51.100.7")), PostSrcPort: 1025}},
		{"a field of the wrong length is skipped", ipfix, []value{raw(225, 1, 2, 3), raw(1, 1, 2, 3, 4, 5, 6, 7, 8, 9)}, plan.Row{}},
	} {
		if diff := cmp.Diff(c.want, decode(t, c.c, c.values...), cmp.AllowUnexported()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestCompileRefusesRecordsWithoutLength(t *testing.T) {
	for _, fields := range [][]plan.Field{nil, {{ID: 1}}, {{ID: 1}, {ID: 2}}} {
		if _, err := plan.Compile(10, fields); err == nil {
			t.Errorf("%v compiled", fields)
		}
	}
	if p, err := plan.Compile(10, []plan.Field{{ID: 82, Length: plan.Variable}}); err != nil || p.Size() != 1 {
		t.Errorf("a variable-length field takes at least its length byte: %v", err)
	}
}

func TestShortRecordsAreLeftOver(t *testing.T) {
	fields := []plan.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 82, Length: plan.Variable}}
	p, err := plan.Compile(10, fields)
	if err != nil {
		t.Fatal(err)
	}
	whole := []byte{1, 2, 3, 4, 5, 6, 7, 8, 2, 'a', 'b'}
	long := append([]byte{1, 2, 3, 4, 5, 6, 7, 8, 255, 1, 0}, make([]byte, 256)...)
	for _, c := range []struct {
		set        []byte
		rows, rest int
	}{
		{whole, 1, 0}, {long, 1, 0}, {append(whole, whole[:9]...), 1, 9}, {append(whole, whole[:10]...), 1, 10},
		{long[:200], 0, 200}, {[]byte{1, 2, 3, 4, 5, 6, 7, 8, 255, 1}, 0, 10}, {nil, 0, 0},
	} {
		rows, rest := p.Decode(c.set, &export, make([]plan.Row, 0, 4))
		if len(rows) != c.rows || rest != c.rest || p.Count(c.set) != c.rows {
			t.Errorf("%d bytes: %d rows, %d counted, %d left over; want %d and %d", len(c.set), len(rows), p.Count(c.set), rest, c.rows, c.rest)
		}
	}
}

func TestDecodeStopsWhenFull(t *testing.T) {
	for _, length := range []uint16{1, plan.Variable} {
		p, err := plan.Compile(10, []plan.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 82, Length: length}})
		if err != nil {
			t.Fatal(err)
		}
		set := make([]byte, 5*9) // five records, whose last field is empty where it may be
		rows, rest := p.Decode(set, &export, make([]plan.Row, 0, 3))
		if len(rows) != 3 || rest != 2*9 {
			t.Errorf("%d rows, %d bytes left over", len(rows), rest)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	for _, length := range []uint16{4, plan.Variable} {
		p, err := plan.Compile(10, []plan.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 1, Length: length}})
		if err != nil {
			t.Fatal(err)
		}
		set := []byte{10, 0, 0, 1, 10, 0, 0, 2, 3, 0, 0, 1}
		rows := make([]plan.Row, 0, 4)
		if n := testing.AllocsPerRun(100, func() { rows, _ = p.Decode(set, &export, rows[:0]) }); n != 0 || len(rows) != 1 {
			t.Errorf("%v allocations for %d rows", n, len(rows))
		}
	}
}

// FuzzPlan holds that any template that compiles decodes any data set in the end,
// counts what it decodes, and leaves over less than a record.
func FuzzPlan(f *testing.F) {
	f.Add(uint16(10), []byte{0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255}, []byte{1, 2, 3, 4, 5, 6, 7, 8, 2, 'a', 'b'})
	f.Add(uint16(9), []byte{0, 8, 0, 4, 0, 12, 0, 4, 0, 1, 0, 4}, make([]byte, 40))
	f.Fuzz(func(t *testing.T, version uint16, template, set []byte) {
		var fields []plan.Field
		for ; len(template) >= 4 && len(fields) < 512; template = template[4:] {
			fields = append(fields, plan.Field{ID: be.Uint16(template) & 0x7fff, Length: be.Uint16(template[2:])})
			if template[0]&0x80 != 0 {
				fields[len(fields)-1].PEN = 29305
			}
		}
		p, err := plan.Compile(version, fields)
		if err != nil {
			return
		}
		if len(set) > 65535 {
			set = set[:65535]
		}
		n := p.Count(set)
		rows, rest := p.Decode(set, &plan.Context{Version: version, Export: 1}, make([]plan.Row, 0, n+1))
		if n != len(rows) {
			t.Errorf("decoded %d, counted %d", len(rows), n)
		}
		if !p.Variable() && rest >= p.Size() || rest > len(set) {
			t.Errorf("%d bytes left over of records of %d", rest, p.Size())
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	fields := []plan.Field{{ID: 8, Length: 4}, {ID: 12, Length: 4}, {ID: 7, Length: 2}, {ID: 11, Length: 2}, {ID: 4, Length: 1}, {ID: 6, Length: 1},
		{ID: 5, Length: 1}, {ID: 10, Length: 2}, {ID: 14, Length: 2}, {ID: 2, Length: 8}, {ID: 1, Length: 8}, {ID: 22, Length: 4}, {ID: 21, Length: 4},
		{ID: 16, Length: 4}, {ID: 17, Length: 4}, {ID: 9, Length: 1}, {ID: 13, Length: 1}, {ID: 61, Length: 1}, {ID: 58, Length: 2}, {ID: 136, Length: 1}}
	p, err := plan.Compile(9, fields)
	if err != nil {
		b.Fatal(err)
	}
	const records = 24
	set := make([]byte, records*p.Size())
	rows := make([]plan.Row, 0, records)
	b.ReportAllocs()
	for b.Loop() {
		rows, _ = p.Decode(set, &export, rows[:0])
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
}
