package netflow_test

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
)

// gather is a sink that keeps everything.
type gather struct{ records []flow.Record }

func (g *gather) Records(rs []flow.Record) error {
	g.records = append(g.records, rs...)
	return nil
}

var router = netip.MustParseAddrPort("192.0.2.1:40000")

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hanging are sequences of datagrams on which goflow2 v2.2.6 never returns: data
// of a template whose records have no length.
var hanging = map[string][]string{
	"ipfix, no fields": {"000a0020 00000001 00000000 00000001 0002 0008 0100 0000 0100 0008 01020304"},
	"ipfix, a field without length": {
		"000a001c 00000001 00000000 00000001 0002 000c 0100 0001 0001 0000",
		"000a0018 00000001 00000000 00000001 0100 0008 01020304"},
	"ipfix, options without length": {
		"000a001e 00000001 00000000 00000001 0003 000e 0100 0001 0001 0001 0000",
		"000a0018 00000001 00000000 00000001 0100 0008 01020304"},
	"v9, no fields":              {"0009 0002 00000001 00000001 00000000 00000001 0000 0008 0100 0000 0100 0008 01020304"},
	"v9, a field without length": {"0009 0002 00000001 00000001 00000000 00000001 0000 000c 0100 0001 0001 0000 0100 0008 01020304"},
	"v9, options without length": {"0009 0002 00000001 00000001 00000000 00000001 0001 000e 0100 0004 0000 0001 0000 0100 0008 01020304"},
}

func TestTemplatesWithoutLengthAreRefused(t *testing.T) {
	for name, datagrams := range hanging {
		d := netflow.NewDecoder(netflow.Options{}, &gather{})
		start := busy()
		for _, h := range datagrams {
			if err := d.Datagram(unhex(t, h), router, 1); err != nil {
				t.Fatal(err)
			}
		}
		if took := busy() - start; took > promised {
			t.Errorf("%s: took %v", name, took)
		}
		s := d.Stats()
		if s.SetDrops[flow.DropNoTemplate] != 1 || s.TemplatesLearned != 0 {
			t.Errorf("%s: template accepted: %+v", name, s.Counts)
		}
	}
}
