package mapper_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// seen is an edge that was used every hour of seven days.
func seen(client, server netip.Addr, scope flow.Scope, port uint16) flow.Edge {
	from := flow.TimeOf(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC))
	return flow.Edge{Client: flow.Party{Addr: client, Scope: scope}, Server: flow.Party{Addr: server, Scope: scope}, Service: flow.Service{Proto: flow.TCP, Port: port},
		EdgeStats: flow.EdgeStats{Flows: 168, Packets: 1680, Bytes: 168000, First: from, Last: from.Add(7 * 24 * time.Hour), Days: 7, Hours: 168, Confidence: 100}}
}

func ip(format string, args ...any) netip.Addr {
	return netip.MustParseAddr(fmt.Sprintf(format, args...))
}

func nodeOf(t *testing.T, m *topology.Map, id string) (*topology.Node, int32) {
	t.Helper()
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == id {
			return &m.Graph.Nodes[i], int32(i)
		}
	}
	t.Fatalf("%s is not on the map", id)
	return nil, 0
}

// Clients use a virtual address; what is behind it uses a database. The address
// stands with its backends, and its clients' dependencies are with their
// application. The office behind one NAT address is no workload.
func TestVirtualAddressStandsWithItsBackends(t *testing.T) {
	inv := &topology.Inventory{
		Workloads: []topology.Workload{{ID: "shop-vip", Kind: topology.KindVIP, Backends: []string{"web1", "web2", "web3"}, Addresses: []topology.Address{{Addr: ip("10.0.0.100")}}}},
		Networks:  []topology.Network{{Name: "office", NAT: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/29")}, Behind: []netip.Prefix{netip.MustParsePrefix("10.8.0.0/16")}}},
	}
	var edges []flow.Edge
	for i := 1; i <= 3; i++ {
		inv.Workloads = append(inv.Workloads, topology.Workload{ID: fmt.Sprintf("web%d", i), Addresses: []topology.Address{{Addr: ip("10.0.0.%d", i)}}})
		edges = append(edges, seen(ip("10.0.0.%d", i), ip("10.0.1.1"), 0, 5432), seen(ip("10.0.0.200"), ip("10.0.0.%d", i), 0, 8080))
	}
	for i := range 4 {
		edges = append(edges, seen(ip("10.0.2.%d", 1+i), ip("10.0.0.100"), 0, 443), seen(ip("10.9.0.%d", 1+i), ip("10.0.0.100"), 0, 443))
	}
	x, err := topology.NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	m := build(t, mapper.Input{Edges: edges, Index: x})
	vip, v := nodeOf(t, m, "shop-vip")
	_, web := nodeOf(t, m, "web2")
	if vip.Kind != topology.NodeVIP || !vip.Inside() || len(vip.Backends) != 3 {
		t.Errorf("the virtual address is %+v", vip)
	}
	if m.RoleOf[v] != m.RoleOf[web] || m.AppOf[v] != m.AppOf[web] || m.AppOf[v] < 0 {
		t.Errorf("role and application of the address %d, %d, of its backend %d, %d", m.RoleOf[v], m.AppOf[v], m.RoleOf[web], m.AppOf[web])
	}
	nat, n := nodeOf(t, m, "net:office")
	if nat.Kind != topology.NodeNAT || nat.Inside() || m.RoleOf[n] >= 0 || len(nat.Addrs) != 4 {
		t.Errorf("the NAT is %+v with role %d", nat, m.RoleOf[n])
	}
	for _, member := range m.Snapshot(x, m.Until) {
		if member.ID == "shop-vip" && len(member.Backends) != 3 || member.ID == "net:office" {
			t.Errorf("enforcement points are told %+v", member)
		}
	}
}

// The same addresses in two spaces are two of everything: nodes, names, networks
// and what they depend on.
func TestOverlappingNetworksAreToldApart(t *testing.T) {
	a, b := flow.VLANScope(100, 0), flow.VNIScope(5001)
	inv := &topology.Inventory{
		Workloads: []topology.Workload{{ID: "db", Labels: topology.Labels{"app": "ledger"}, Addresses: []topology.Address{{Addr: ip("10.0.0.5"), Scope: b}}}},
		Networks: []topology.Network{
			{Name: "everywhere", Inside: true, Labels: topology.Labels{"env": "prod"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
			{Name: "tenant", Inside: true, Scope: a, Labels: topology.Labels{"env": "dev"}, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
		},
	}
	x, err := topology.NewIndex(inv)
	if err != nil {
		t.Fatal(err)
	}
	m := build(t, mapper.Input{Index: x,
		Edges: []flow.Edge{seen(ip("10.0.0.9"), ip("10.0.0.5"), a, 443), seen(ip("10.0.0.9"), ip("10.0.0.5"), b, 5432), seen(ip("10.0.0.9"), ip("10.0.0.5"), 0, 22)},
		Names: []flow.Name{{Addr: ip("10.0.0.5"), Scope: a, Name: "front", Kind: flow.NameDHCP, Count: 1}}})
	if len(m.Graph.Nodes) != 6 || len(m.Graph.Deps) != 3 {
		t.Errorf("%d nodes, %d dependencies; want 6 and 3", len(m.Graph.Nodes), len(m.Graph.Deps))
	}
	front, f := nodeOf(t, m, "10.0.0.5@vlan100")
	if front.Name != "front" || front.Scope != a || m.Labels[f]["env"] != "dev" {
		t.Errorf("in VLAN 100: %+v labelled %s", front, m.Labels[f])
	}
	db, d := nodeOf(t, m, "db")
	if db.Scope != b || len(db.Names) != 0 || m.Labels[d]["app"] != "ledger" {
		t.Errorf("in VNI 5001: %+v labelled %s", db, m.Labels[d])
	}
	if n, i := nodeOf(t, m, "10.0.0.5"); n.Name != "10.0.0.5" || m.Labels[i]["env"] != "prod" {
		t.Errorf("in the common space: %+v labelled %s", n, m.Labels[i])
	}
}
