package collector_test

import (
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
)

func report(sensor string, first, last int64, outcome flow.Outcome) flow.Record {
	return flow.Record{ID: uint64(len(sensor))<<32 | uint64(first), First: flow.Time(first * 1e9), Last: flow.Time(last * 1e9), Outcome: outcome, Sensor: sensor,
		ClientPackets: 3, ServerPackets: 2, ClientBytes: 300, ServerBytes: 200,
		Key: flow.Key{Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("10.0.0.2"), ClientPort: 40000, ServerPort: 443, Proto: flow.TCP}}
}

func TestOnceCountsAFlowOnceAndNamesItsObservers(t *testing.T) {
	var k kept
	once := collector.NewOnce(&k)
	reversed := report("192.0.2.7", 101, 109, flow.Established)
	reversed.Key = reversed.Key.Reverse()
	probe := report("192.0.2.8", 100, 110, flow.Unanswered)
	for _, r := range []flow.Record{
		report("tap0", 100, 110, flow.Established),
		reversed, // an exporter that takes the server for the client
		report("192.0.2.7", 100, 110, flow.Established), // and says it again
		probe,
		report("tap0", 110, 400, flow.Established),      // the tap's next split
		report("192.0.2.7", 200, 300, flow.Established), // still the same flow
		report("192.0.2.7", 500, 510, flow.Established), // another, which the tap did not see
	} {
		if err := once.Records([]flow.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	var packets uint64
	for _, r := range k.records {
		packets += r.ClientPackets + r.ServerPackets
	}
	if len(k.records) != 4 || packets != 15 || once.Duplicates() != 3 {
		t.Fatalf("%d records, %d packets, %d duplicates", len(k.records), packets, once.Duplicates())
	}
	if s := k.records[1]; s.Sensor != "192.0.2.7" || s.ID != k.records[0].ID || s.Split == 0 || s.ClientBytes+s.ServerBytes != 0 {
		t.Errorf("the second observer: %+v", s)
	}
	if r := k.records[3]; r.First != 500e9 || r.ClientPackets != 3 {
		t.Errorf("the later flow: %+v", r)
	}
}

func TestOnceDoesNotAllocate(t *testing.T) {
	once := collector.NewOnce(&discard{})
	rs := []flow.Record{report("tap0", 1, 2, flow.Established)}
	if n := testing.AllocsPerRun(100, func() {
		if err := once.Records(rs); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Who saw no answer does not count for who saw one, and a flow stays its observer's
// when more interfaces see it.
func TestOnceCountsWhatSucceeded(t *testing.T) {
	var k kept
	once := collector.NewOnce(&k)
	later := report("eth0", 110, 120, flow.Established)
	later.ID, later.Split, later.Sensor = report("eth0", 100, 110, flow.Established).ID, 1, "eth0+eth1"
	other := func(r flow.Record) flow.Record { r.Key.ClientPort++; return r }
	if err := once.Records([]flow.Record{
		report("eth0", 100, 110, flow.Established), later,
		other(report("tap0", 100, 110, flow.Unanswered)), other(report("192.0.2.7", 100, 110, flow.Established)), other(report("tap0", 111, 112, flow.Unanswered)),
	}); err != nil {
		t.Fatal(err)
	}
	if len(k.records) != 4 || once.Duplicates() != 1 {
		t.Fatalf("%d records, %d duplicates: %+v", len(k.records), once.Duplicates(), k.records)
	}
	for _, r := range k.records {
		if r.ClientPackets != 3 {
			t.Errorf("%s split %d counts nothing", r.Sensor, r.Split)
		}
	}
}
