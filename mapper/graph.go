package mapper

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Node ids of what is not a workload.
const (
	internetID  = "internet"
	multicastID = "multicast"
	networkID   = "net:"    // followed by the network's name
	domainID    = "domain:" // followed by the registered domain
)

// graphBuilder turns parties into nodes and edges into dependencies.
type graphBuilder struct {
	in      *Input
	opt     Options
	domains map[netip.Addr]string // outside address → registered domain
	ids     map[string]int32
	parties map[partyKey]int32
	nodes   []topology.Node
	deps    []topology.Dependency
	probes  []probeStats
	realms  map[int32][]flow.Name // per node, realms and domains that it serves by its own word
	graph   topology.Graph
}

type partyKey struct {
	addr     netip.Addr
	scope    flow.Scope
	workload uint64
}

// probeStats sums the probes a node sent: attempts without service are what
// scanners are known by.
type probeStats struct {
	attempts uint64
	targets  uint64 // distinct server address and port pairs
	ports    int    // distinct services
}

func buildGraph(in *Input, opt Options) *graphBuilder {
	b := &graphBuilder{
		in: in, opt: opt,
		ids:     make(map[string]int32, 1024),
		realms:  map[int32][]flow.Name{},
		parties: make(map[partyKey]int32, 1024),
		deps:    make([]topology.Dependency, 0, len(in.Edges)),
	}
	b.domains = domainsOf(in, opt, func(a netip.Addr) bool { return b.isInside(flow.Party{Addr: a}) })
	var last flow.Party // edges come sorted by client: most have the one before
	c, known := int32(0), false
	for i := range in.Edges {
		e := &in.Edges[i]
		if !known || e.Client != last || e.Client.Workload == 0 {
			c, last, known = b.node(e.Client, e.Last), e.Client, true
		}
		s := b.node(e.Server, e.Last)
		if c != s {
			b.deps = append(b.deps, topology.Dependency{Client: c, Server: s, Service: e.Service, EdgeStats: e.EdgeStats})
		}
	}
	pairs := b.probePairs()
	order := b.sortNodes()
	b.attachNames()
	b.sumProbes(pairs, order)
	b.graph = topology.Graph{Nodes: b.nodes, Deps: mergeDeps(b.deps, order)}
	return b
}

// node returns the index of the node p belongs to at time t.
func (b *graphBuilder) node(p flow.Party, t flow.Time) int32 {
	p.Workload = b.holder(p, t)
	k := partyKey{p.Addr, p.Scope, p.Workload}
	if i, ok := b.parties[k]; ok {
		return i
	}
	n := b.describe(p)
	i, ok := b.ids[n.ID]
	if !ok {
		i = int32(len(b.nodes))
		b.ids[n.ID] = i
		b.nodes = append(b.nodes, n)
	} else {
		b.addAddr(i, p.Addr)
	}
	b.parties[k] = i
	return i
}

// holder returns the key of the workload p is: the stamped one if the inventory
// still knows it, else whoever held the address at t, else 0.
func (b *graphBuilder) holder(p flow.Party, t flow.Time) uint64 {
	if b.in.Index == nil {
		return 0
	}
	if p.Workload != 0 {
		if _, ok := b.in.Index.ByKey(p.Workload); ok {
			return p.Workload
		}
	}
	return b.in.Index.KeyAt(p.Addr, p.Scope, t)
}

// maxOutsideAddrs caps the addresses remembered for a node that stands for many.
const maxOutsideAddrs = 16

func (b *graphBuilder) addAddr(i int32, a netip.Addr) {
	n := &b.nodes[i]
	if n.Claimed() && len(n.Addrs) > 0 {
		return // the inventory's own list
	}
	at, found := slices.BinarySearchFunc(n.Addrs, a, netip.Addr.Compare)
	if found || (len(n.Addrs) >= maxOutsideAddrs && at == len(n.Addrs)) {
		return
	}
	n.Addrs = slices.Insert(n.Addrs, at, a)
	if len(n.Addrs) > maxOutsideAddrs {
		n.Addrs = n.Addrs[:maxOutsideAddrs]
	}
}

// describe makes the node p would be, in order: its workload, a multicast group,
// a named network, an inside address, a domain, the internet.
func (b *graphBuilder) describe(p flow.Party) topology.Node {
	if p.Workload != 0 {
		if w, ok := b.in.Index.ByKey(p.Workload); ok {
			return workloadNode(w)
		}
	}
	addrs := []netip.Addr{p.Addr}
	if p.Addr.IsMulticast() || isBroadcast(p.Addr) {
		return topology.Node{ID: multicastID, Name: multicastID, Kind: topology.NodeMulticast, Addrs: addrs}
	}
	net, named := b.network(p)
	switch {
	case named && net.NAT:
		return topology.Node{ID: networkID + net.Name, Name: net.Name, Kind: topology.NodeNAT, Addrs: addrs, Labels: net.Labels, Scope: net.Scope}
	case named && !net.Inside:
		return topology.Node{ID: networkID + net.Name, Name: net.Name, Kind: topology.NodeNetwork, Addrs: addrs, Labels: net.Labels, Scope: net.Scope}
	case b.isInside(p):
		n := topology.Node{ID: addressID(p), Name: addressID(p), Kind: topology.NodeAddress, Addrs: addrs, Scope: p.Scope}
		if named {
			n.Labels = net.Labels
		}
		return n
	}
	if d, ok := b.domains[p.Addr]; ok {
		return topology.Node{ID: domainID + d, Name: d, Kind: topology.NodeNetwork, Addrs: addrs}
	}
	return topology.Node{ID: internetID, Name: internetID, Kind: topology.NodeInternet, Addrs: addrs}
}

func workloadNode(w *topology.Workload) topology.Node {
	n := topology.Node{ID: w.ID, Name: cmp.Or(w.Name, w.ID), Kind: topology.NodeWorkload, Labels: w.Labels}
	if w.Kind == topology.KindVIP {
		n.Kind, n.Backends = topology.NodeVIP, w.Backends
	}
	current := slices.Clone(w.Addresses)
	slices.SortStableFunc(current, func(a, b topology.Address) int { // open intervals first, then the latest
		if a.To.IsZero() != b.To.IsZero() {
			if a.To.IsZero() {
				return -1
			}
			return 1
		}
		return b.To.Compare(a.To)
	})
	for i, a := range current {
		if n.Addrs = append(n.Addrs, a.Addr); i == 0 {
			n.Scope = a.Scope
		}
	}
	return n
}

func addressID(p flow.Party) string {
	if p.Scope == 0 {
		return p.Addr.String()
	}
	return p.Addr.String() + "@" + p.Scope.String()
}

func (b *graphBuilder) network(p flow.Party) (*topology.Network, bool) {
	if b.in.Index == nil {
		return nil, false
	}
	return b.in.Index.NetworkIn(p.Addr, p.Scope)
}

// isInside reports whether an address nobody claims is taken to be one of ours.
func (b *graphBuilder) isInside(party flow.Party) bool {
	if net, ok := b.network(party); ok {
		return net.Inside
	}
	a := party.Addr
	for _, p := range b.opt.Inside {
		if p.Contains(a) {
			return true
		}
	}
	return a.IsPrivate() || a.IsLinkLocalUnicast() || a.IsLoopback() || sharedSpace.Contains(a)
}

// sharedSpace is carrier-grade NAT space, used inside by many (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isBroadcast(a netip.Addr) bool {
	return a.Is4() && a.As4() == [4]byte{255, 255, 255, 255}
}

// sortNodes orders the nodes by id and returns old index → new index.
func (b *graphBuilder) sortNodes() []int32 {
	byID := make([]int32, len(b.nodes))
	for i := range byID {
		byID[i] = int32(i)
	}
	slices.SortFunc(byID, func(x, y int32) int { return cmp.Compare(b.nodes[x].ID, b.nodes[y].ID) })
	order := make([]int32, len(b.nodes))
	sorted := make([]topology.Node, len(b.nodes))
	for at, old := range byID {
		order[old] = int32(at)
		sorted[at] = b.nodes[old]
	}
	b.nodes = sorted
	return order
}

// depKey is a dependency's place in the order: its triple packed, and where it is.
type depKey struct {
	ends    uint64 // client, server
	service uint32 // protocol, port
	at      int32
}

// mergeDeps renumbers, sorts and unites dependencies of the same triple.
func mergeDeps(deps []topology.Dependency, order []int32) []topology.Dependency {
	keys := make([]depKey, len(deps))
	for i := range deps {
		d := &deps[i]
		d.Client, d.Server = order[d.Client], order[d.Server]
		keys[i] = depKey{uint64(d.Client)<<32 | uint64(d.Server), uint32(d.Service.Proto)<<16 | uint32(d.Service.Port), int32(i)}
	}
	slices.SortFunc(keys, func(a, b depKey) int {
		if a.ends != b.ends {
			return cmp.Compare(a.ends, b.ends)
		}
		if a.service != b.service {
			return cmp.Compare(a.service, b.service)
		}
		return compareDeps(deps[a.at], deps[b.at])
	})
	out := make([]topology.Dependency, 0, len(deps))
	for k, key := range keys {
		if k > 0 && keys[k-1].ends == key.ends && keys[k-1].service == key.service {
			out[len(out)-1].Merge(deps[key.at].EdgeStats)
			continue
		}
		out = append(out, deps[key.at])
	}
	return out
}

// compareDeps orders dependencies of one triple by their statistics, so that
// merging does not depend on the order in which edges arrived.
func compareDeps(a, b topology.Dependency) int {
	return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last),
		cmp.Compare(a.Flows, b.Flows), cmp.Compare(a.Bytes, b.Bytes), cmp.Compare(a.Packets, b.Packets),
		cmp.Compare(a.Confidence, b.Confidence))
}
