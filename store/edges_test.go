package store_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func at(hours float64) flow.Time {
	return flow.TimeOf(day.Add(time.Duration(hours * float64(time.Hour))))
}

func edgesOf(t *testing.T, s *store.Store, q store.Query) []flow.Edge {
	t.Helper()
	edges, err := s.Edges(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	return edges
}

// Whole days come from the daily rollup and the rest from the hourly one; however
// a window is cut, its hours are counted once.
func TestAnyWindowCountsItsHoursOnce(t *testing.T) {
	s := open(t)
	var rs []flow.Record
	for h := range 72 {
		rs = append(rs, record(uint64(h+1), h))
	}
	write(t, s, rs[:40]...)
	write(t, s, rs[40:]...)
	for _, c := range []struct{ since, until, want float64 }{
		{0, 72, 72}, {0, 24, 24}, {24, 48, 24}, {5, 7, 2}, {5, 29, 24}, {23, 25, 2}, {5, 70, 65}, {12, 48, 36},
		{24, 60, 36}, {5.5, 6.5, 2}, {71, 100, 1}, {80, 90, 0}, {23.9, 24, 1}, {30, 30.5, 1},
	} {
		edges := edgesOf(t, s, store.Query{Since: at(c.since), Until: at(c.until)})
		var flows, hours float64
		for _, e := range edges {
			flows, hours = flows+float64(e.Flows), hours+float64(e.Hours)
		}
		if flows != c.want || hours != c.want {
			t.Errorf("[%v, %v): %v flows in %v hours, want %v", c.since, c.until, flows, hours, c.want)
		}
	}
	if e := edgesOf(t, s, store.Query{Since: at(50)}); len(e) != 1 || e[0].Flows != 22 || e[0].Days != 1 {
		t.Errorf("open end: %+v", e)
	}
	if e := edgesOf(t, s, store.Query{Until: at(50)}); len(e) != 1 || e[0].Flows != 50 || e[0].Days != 3 {
		t.Errorf("open begin: %+v", e)
	}
}

// What two sensors saw counts once, what one of them alone saw counts too, and
// which they were is known.
func TestSeveralSensorsCountOnce(t *testing.T) {
	s := open(t)
	var rs []flow.Record
	for i := range 10 { // ten flows of one hour, all seen by the tap, six by the router
		r := record(uint64(i+1), 3)
		rs = append(rs, r)
		if i < 6 {
			r.Sensor = "router"
			rs = append(rs, r)
		}
	}
	next := record(11, 27) // the day after the router alone
	next.Sensor = "router"
	probe := record(12, 3)
	probe.Outcome = flow.Unanswered
	probe2 := probe
	probe2.Sensor = "router"
	write(t, s, append(rs, next, probe, probe2)...)
	edges := edgesOf(t, s, store.Query{})
	if len(edges) != 1 || edges[0].Flows != 11 || edges[0].Sensors != 2 || edges[0].Days != 2 || edges[0].Hours != 2 || edges[0].Bytes != 11*4300 {
		t.Errorf("edges %+v, want 11 flows by 2 sensors", edges)
	}
	if only := edgesOf(t, s, store.Query{Sensors: []string{"router"}}); len(only) != 1 || only[0].Flows != 7 || only[0].Sensors != 1 {
		t.Errorf("the router's edges %+v, want 7 flows", only)
	}
	probes, err := s.Probes(t.Context(), store.Query{})
	if err != nil || len(probes) != 1 || probes[0].Attempts != 1 {
		t.Errorf("probes %+v, %v; want one attempt", probes, err)
	}
}

// An edge decided on nothing but the order of packets is read the other way round
// once better evidence shows who serves, or the operator says so.
func TestWeakEdgesAreTurnedRound(t *testing.T) {
	s := open(t)
	strong := record(1, 1) // 10.0.0.1 → 10.0.0.2:443, decided by its SYN
	reversed := record(2, 1)
	reversed.Key = flow.Key{Client: ip("10.0.0.2"), Server: ip("10.0.0.7"), ClientPort: 443, ServerPort: 51234, Proto: flow.TCP}
	reversed.ClientWorkload, reversed.ServerWorkload = 1002, 1007
	reversed.Evidence, reversed.Confidence = flow.EvidenceFirstSeen, 40
	unknown := reversed // the same of a port nobody is known to serve
	unknown.ID, unknown.Key.ClientPort = 3, 7777
	unknown.Key.Server, unknown.ServerWorkload = ip("10.0.0.8"), 1008
	many := record(4, 1) // weak, but from many ports of a true client
	many.Key = flow.Key{Client: ip("10.0.0.2"), Server: ip("10.0.0.9"), ClientPort: 443, ServerPort: 9000, Proto: flow.TCP}
	many.Evidence = flow.EvidenceFirstSeen
	many2 := many
	many2.ID, many2.Key.ClientPort = 5, 444
	write(t, s, strong, reversed, unknown, many, many2)

	find := func(edges []flow.Edge, client, server string, port uint16) *flow.Edge {
		for i, e := range edges {
			if e.Client.Addr == ip(client) && e.Server.Addr == ip(server) && e.Service.Port == port {
				return &edges[i]
			}
		}
		return nil
	}
	edges := edgesOf(t, s, store.Query{})
	turned := find(edges, "10.0.0.7", "10.0.0.2", 443)
	if turned == nil || turned.Evidence != flow.EvidenceKnownPort || turned.Client.Workload != 1007 || turned.Server.Workload != 1002 {
		t.Errorf("reversed edge reads %+v in %+v", turned, edges)
	}
	if find(edges, "10.0.0.2", "10.0.0.8", 51234) == nil || find(edges, "10.0.0.2", "10.0.0.9", 9000) == nil {
		t.Errorf("edges that should stand were turned: %+v", edges)
	}
	edges = edgesOf(t, s, store.Query{Servers: []store.Server{{Addr: ip("10.0.0.2"), Service: flow.Service{Proto: flow.TCP, Port: 7777}}}})
	if e := find(edges, "10.0.0.8", "10.0.0.2", 7777); e == nil || e.Evidence != flow.EvidenceOverride {
		t.Errorf("the operator's word gives %+v in %+v", e, edges)
	}
	if find(edges, "10.0.0.7", "10.0.0.2", 443) == nil {
		t.Errorf("with an override, what was learned is forgotten: %+v", edges)
	}
	// A question about the server finds what was turned to it.
	if e := edgesOf(t, s, store.Query{Server: ip("10.0.0.2"), Client: ip("10.0.0.7")}); len(e) != 1 {
		t.Errorf("filter on turned ends: %+v", e)
	}
}

func TestRhythmAndIncidence(t *testing.T) {
	s := open(t)
	write(t, s, record(1, 2), record(2, 3), record(3, 24+2), record(4, 72+5))
	write(t, s, record(5, 2))
	rhythms, err := s.Rhythms(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	client, server := flow.Party{Addr: ip("10.0.0.1"), Workload: 1001}, flow.Party{Addr: ip("10.0.0.2"), Workload: 1002}
	service := flow.Service{Proto: flow.TCP, Port: 443}
	d := uint32(day.Unix() / 86400)
	want := []store.Rhythm{{Client: client, Server: server, Service: service,
		Hours: 1<<2 | 1<<3 | 1<<5, Days: []uint32{d, d + 1, d + 3}, PerDay: []uint8{2, 1, 1}}}
	if diff := cmp.Diff(want, rhythms, sameAddr); diff != "" {
		t.Errorf("rhythms (-want +got):\n%s", diff)
	}
	for _, c := range []struct {
		q    store.Query
		want uint64
	}{{store.Query{}, 0b1011}, {store.Query{Since: at(24)}, 0b101}, {store.Query{Since: at(-24), Until: at(48)}, 0b110}} {
		inc, err := s.Incidence(t.Context(), c.q)
		if err != nil {
			t.Fatal(err)
		}
		wantInc := []flow.Incidence{{Client: client, Server: server, Service: service, Days: c.want}}
		if diff := cmp.Diff(wantInc, inc, sameAddr); diff != "" {
			t.Errorf("incidence of %+v (-want +got):\n%s", c.q, diff)
		}
	}
}

// The daily rollup is filled by a view of a view: it must count what the hourly
// one counts.
func TestRollupsAgree(t *testing.T) {
	s := open(t)
	write(t, s, traffic(5000, 200, 60)...)
	daily := edgesOf(t, s, store.Query{})
	hourly := map[flow.Edge]bool{}
	var a, b uint64
	for h := 0; h < 60; h += 7 { // windows that begin and end inside days
		for _, e := range edgesOf(t, s, store.Query{Since: at(float64(h)), Until: at(float64(min(h+7, 60)))}) {
			b += e.Flows
			hourly[flow.Edge{Client: e.Client, Server: e.Server, Service: e.Service}] = true
		}
	}
	for _, e := range daily {
		a += e.Flows
	}
	if a != b || len(daily) != len(hourly) || a == 0 {
		t.Errorf("daily: %d edges, %d flows; hourly: %d edges, %d flows", len(daily), a, len(hourly), b)
	}
}

// seenBy is flows of one edge from the client ports given, as one sensor reports
// them.
func seenBy(sensor string, ports ...uint16) []flow.Record {
	rs := make([]flow.Record, 0, len(ports))
	for _, p := range ports {
		r := record(uint64(p), 1)
		r.Sensor, r.Key.ClientPort = sensor, p
		rs = append(rs, r)
	}
	return rs
}

func ports(from, to uint16) (list []uint16) {
	for p := from; p < to; p++ {
		list = append(list, p)
	}
	return list
}

// What sensors saw together counts once, what only one of them saw counts, too,
// whether they are two taps on a link, two routers that balance packets, or a sampled
// exporter beside a tap.
func TestSensorsTogetherCountOnce(t *testing.T) {
	for _, c := range []struct {
		name     string
		rs       [][]flow.Record
		from, to uint64 // flows
		sensors  uint32
	}{
		{"two taps on one link", [][]flow.Record{seenBy("a", ports(40000, 40020)...), seenBy("b", ports(40000, 40020)...)}, 20, 20, 2},
		{"three, busy", [][]flow.Record{seenBy("a", ports(30000, 33000)...), seenBy("b", ports(30000, 33000)...), seenBy("c", ports(30000, 33000)...)}, 3000, 3000, 3},
		{"one saw some of it", [][]flow.Record{seenBy("a", ports(40000, 40020)...), seenBy("b", ports(40003, 40008)...)}, 20, 20, 2},
		{"two halves", [][]flow.Record{seenBy("a", ports(40000, 40010)...), seenBy("b", ports(40010, 40020)...)}, 18, 20, 2},
		{"two halves, busy", [][]flow.Record{seenBy("a", ports(30000, 32000)...), seenBy("b", ports(32000, 34000)...)}, 3200, 4000, 2},
		{"halves that overlap by half", [][]flow.Record{seenBy("a", ports(30000, 30400)...), seenBy("b", ports(30200, 30600)...)}, 550, 650, 2},
		{"one sensor", [][]flow.Record{seenBy("a", ports(30000, 30100)...)}, 100, 100, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			for _, rs := range c.rs {
				write(t, s, rs...)
			}
			for _, q := range []store.Query{{}, {Since: at(0.5), Until: at(2)}} { // by the day and by the hour
				edges := edgesOf(t, s, q)
				if len(edges) != 1 || edges[0].Sensors != c.sensors {
					t.Fatalf("%+v", edges)
				}
				e := edges[0]
				if e.Flows < c.from || e.Flows > c.to {
					t.Errorf("%d flows, want %d to %d", e.Flows, c.from, c.to)
				}
				if per := float64(e.Packets) / float64(e.Flows); per < 6.9 || per > 7.1 {
					t.Errorf("%d packets of %d flows of 7", e.Packets, e.Flows)
				}
			}
		})
	}
}

// Sensors that differ in who the client is have seen the same flows.
func TestSensorsThatDifferInDirectionCountOnce(t *testing.T) {
	s := open(t)
	write(t, s, seenBy("a", ports(40000, 40005)...)...)
	rs := seenBy("b", ports(40000, 40005)...)
	for i := range rs {
		rs[i].Reverse(flow.EvidenceFirstSeen, 40)
	}
	write(t, s, rs...)
	edges := edgesOf(t, s, store.Query{})
	if len(edges) != 1 || edges[0].Flows != 5 || edges[0].Sensors != 2 {
		t.Errorf("%+v", edges)
	}
}
