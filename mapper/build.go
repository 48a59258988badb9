package mapper

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Input is everything a map is made of. Build keeps none of it and changes none
// of it; only Edges must not be empty for the map to say anything.
type Input struct {
	Since, Until flow.Time // the window; 0: taken from the edges
	Edges        []flow.Edge
	Probes       []flow.Probe
	Names        []flow.Name
	Index        *topology.Index // nil: nothing is known, every address stands for itself
	Previous     *topology.Map   // nil: first run; otherwise identities are carried over
	Decisions    Decisions
}

// Decisions are what an operator said about earlier maps. Nodes are named by
// their topology.Node.ID.
type Decisions struct {
	// Infrastructure accepts or refuses findings: an accepted one stands even if
	// the traffic no longer shows it, a refused one is never made again. An empty
	// kind refuses or accepts every kind.
	Infrastructure []InfrastructureDecision `json:"infrastructure,omitempty" yaml:"infrastructure,omitempty"`
	// Pins hold nodes in an application that was accepted as right, by its
	// identity: nodes with the same pin are never in two applications, nodes with
	// different pins never in one. The operator's labels win over pins.
	Pins map[string]string `json:"pins,omitempty" yaml:"pins,omitempty"`
	// RolePins do the same for roles inside it.
	RolePins map[string]string `json:"rolePins,omitempty" yaml:"rolePins,omitempty"`
	// Names are what accepted groups are called, by identity.
	Names map[string]string `json:"names,omitempty" yaml:"names,omitempty"`
	// Refused holds, by node and label key, a value that was proposed and that a
	// person refused: it is not proposed again.
	Refused map[string]map[string]string `json:"refused,omitempty" yaml:"refused,omitempty"`
}

// InfrastructureDecision accepts or refuses one finding.
type InfrastructureDecision = topology.InfrastructureDecision

// Options bound the work; the zero value is right for every network.
type Options struct {
	// Inside are address ranges of the organisation besides the private ones
	// (RFC 1918, RFC 4193, RFC 6598) and the inventory's inside networks.
	Inside []netip.Prefix
	// MaxDomains bounds the nodes made from domain names of outside addresses;
	// 0 means 200. What is beyond it is counted to the internet.
	MaxDomains int
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxDomains < 0 {
		return o, fmt.Errorf("map: MaxDomains %d is negative", o.MaxDomains)
	}
	o.MaxDomains = cmp.Or(o.MaxDomains, 200)
	return o, nil
}

// Build makes the map of a window of traffic.
func Build(in Input, opt Options) (*topology.Map, error) {
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	g := buildGraph(&in, opt)
	m := &topology.Map{Since: in.Since, Until: in.Until, Graph: g.graph}
	setWindow(m)
	w := newWork(m, &in, g)
	w.findInfrastructure()
	w.findRoles()
	w.findApplications()
	w.setFindings(append(w.m.Infrastructure, w.balancers()...))
	w.splitRoles()
	w.nameGroups()
	w.propose()
	w.prioritise()
	return m, nil
}

// setWindow fills the sides of a window that were not given from the
// dependencies.
func setWindow(m *topology.Map) {
	since, until := m.Since, m.Until
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		if since == 0 && d.First != 0 && (m.Since == 0 || d.First < m.Since) {
			m.Since = d.First
		}
		if until == 0 {
			m.Until = max(m.Until, d.Last)
		}
	}
}

// work is the state of one Build. Slices named by … Of run parallel to
// Graph.Nodes.
type work struct {
	m     *topology.Map
	in    *Input
	nodes []topology.Node
	deps  []topology.Dependency
	adj   adjacency
	// service is each dependency's service with dynamic ports folded into one.
	service []flow.Service
	probe   []probeStats // per node, as client
	brief   []bool       // per dependency, see passing
	names   []hostName   // per node, what its name says
	pins    map[string]bool
	realms  map[int32][]flow.Name // per node, see graphBuilder
	class   []int32               // per node, behaviour class
	classes int
	infra   []int32 // per node, index into m.Infrastructure, -1 for none
	role    []int32 // per node, role group, -1 for outside
	roles   int     // number of role groups
	people  []bool  // per role group: machines of people
	// Buffers that are used again.
	uses    []peerUse
	reached []int32
	scratch []end
	app     []int32 // per role group, application, -1 for none
	apps    int
}

func newWork(m *topology.Map, in *Input, g *graphBuilder) *work {
	w := &work{m: m, in: in, nodes: m.Graph.Nodes, deps: m.Graph.Deps, probe: g.probes, realms: g.realms}
	w.pins = map[string]bool{}
	for _, pin := range in.Decisions.Pins {
		w.pins[pin] = true
	}
	w.adj = newAdjacency(len(w.nodes), w.deps)
	w.service = w.effectiveServices()
	w.findPassing()
	w.names = make([]hostName, len(w.nodes))
	for i := range w.nodes {
		w.names[i] = parseHostName(w.nodes[i].Name)
	}
	return w
}
