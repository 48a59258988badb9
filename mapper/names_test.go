package mapper_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// A directory server is known by the tickets it gives out, on ports nobody knows.
func TestTicketsMakeADirectoryServer(t *testing.T) {
	in := mapper.Input{
		Edges: []flow.Edge{seen(ip("10.0.0.1"), ip("10.0.0.9"), 0, 40088), seen(ip("10.0.0.2"), ip("10.0.0.8"), 0, 443)},
		Names: []flow.Name{
			{Addr: ip("10.0.0.9"), Name: "corp.example", Kind: flow.NameKerberos, Count: 3},
			{Addr: ip("10.0.0.9"), Name: "dc7", Kind: flow.NameLDAP, Count: 1},
			{Addr: ip("192.0.2.1"), Name: "corp.example", Kind: flow.NameDomain, Count: 1}, // not on the map
		},
	}
	m := build(t, in)
	got := findings(m)
	if f := got["10.0.0.9"]; len(got) != 1 || f.Kind != mapper.KindDirectory || f.Why != "gives out tickets of the realm corp.example" {
		t.Errorf("found %+v", got)
	}
	if n, _ := nodeOf(t, m, "10.0.0.9"); n.Name != "dc7" {
		t.Errorf("the server is called %q; a realm is no name of a machine", n.Name)
	}
	in.Edges = append(in.Edges, seen(ip("10.0.0.1"), ip("10.0.0.9"), 0, 88), seen(ip("10.0.0.1"), ip("10.0.0.9"), 0, 389))
	if f := findings(build(t, in))["10.0.0.9"]; !strings.HasPrefix(f.Why, "authenticates ") || !strings.HasSuffix(f.Why, "; gives out tickets of the realm corp.example") {
		t.Errorf("by ports and tickets: %+v", f)
	}
}

// The names of an address that was handed on are those of whoever held it then.
func TestNamesGoToWhoHeldTheAddress(t *testing.T) {
	noon := time.Date(2026, 11, 4, 12, 0, 0, 0, time.UTC)
	a := topology.Address{Addr: ip("10.0.0.1"), To: noon}
	b := topology.Address{Addr: ip("10.0.0.1"), From: noon}
	x, err := topology.NewIndex(&topology.Inventory{Workloads: []topology.Workload{{ID: "a", Addresses: []topology.Address{a}}, {ID: "b", Addresses: []topology.Address{b}}}})
	if err != nil {
		t.Fatal(err)
	}
	early, late := seen(ip("10.0.0.1"), ip("10.0.0.9"), 0, 443), seen(ip("10.0.0.1"), ip("10.0.0.9"), 0, 443)
	early.Last, late.Last = flow.TimeOf(noon.Add(-time.Hour)), flow.TimeOf(noon.Add(time.Hour))
	m := build(t, mapper.Input{Index: x, Edges: []flow.Edge{early, late}, Names: []flow.Name{
		{Addr: ip("10.0.0.1"), Name: "till-a", Kind: flow.NameDHCP, Last: early.Last, Count: 9},
		{Addr: ip("10.0.0.1"), Name: "till-b", Kind: flow.NameDHCP, Last: late.Last, Count: 1},
	}})
	for id, want := range map[string]string{"a": "till-a", "b": "till-b"} {
		if n, _ := nodeOf(t, m, id); len(n.Names) != 1 || n.Names[0] != want {
			t.Errorf("%s went by %v, want %s alone", id, n.Names, want)
		}
	}
}
