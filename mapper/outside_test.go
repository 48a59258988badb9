package mapper_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// A proxy that fetches from ten thousand domains makes as many nodes as are
// allowed: the busiest domains keep their names, the rest is the internet, and no
// flow is lost over it.
func TestTenThousandDomainsCollapse(t *testing.T) {
	const domains = 10_000
	var in mapper.Input
	flows := uint64(0)
	for i := range domains {
		addr := netip.AddrFrom4([4]byte{203, byte(i >> 16), byte(i >> 8), byte(i)})
		e := seen(ip("10.0.0.1"), addr, 0, 443)
		e.Flows = uint64(1 + i%977)
		flows += e.Flows
		in.Edges = append(in.Edges, e, seen(ip("10.0.1.%d", 1+i%200), ip("10.0.0.1"), 0, 3128))
		name := fmt.Sprintf("www.site%d.example", i)
		in.Names = append(in.Names, flow.Name{Addr: addr, Name: name, Kind: flow.NameDNS, Count: 1, First: e.First, Last: e.Last})
	}
	for _, limit := range []int{0, 5} {
		m, err := mapper.Build(in, mapper.Options{MaxDomains: limit})
		if err != nil {
			t.Fatal(err)
		}
		want := limit
		if limit == 0 {
			want = 200
		}
		named, kept, least := 0, uint64(0), uint64(1<<62)
		for i := range m.Graph.Deps {
			d := &m.Graph.Deps[i]
			switch n := &m.Graph.Nodes[d.Server]; n.Kind {
			case topology.NodeNetwork:
				named, kept, least = named+1, kept+d.Flows, min(least, d.Flows)
			case topology.NodeInternet:
				kept += d.Flows
				if len(n.Addrs) > 16 {
					t.Errorf("the internet remembers %d addresses", len(n.Addrs))
				}
			}
		}
		if named != want || kept != flows || least < 950 {
			t.Errorf("limit %d: %d domains named, want %d; %d of %d flows; the least busy has %d", limit, named, want, kept, flows, least)
		}
	}
}
