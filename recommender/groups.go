package recommender

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// estate is a map seen as groups: all workloads with the same role, application
// and environment are one group, every other node is its own.
type estate struct {
	m       *topology.Map
	groups  []group
	groupOf []int32 // per node
	apps    []app   // sorted by name, then environment
	infra   []string
	// rolesOf counts the groups of each application and environment, which is how
	// a selector without a role is known to be exact.
	rolesOf map[appKey]int
	envsOf  map[string]int // per application
	listed  bool           // most inside nodes are workloads somebody listed
	// inside and byApp are made when first asked for.
	inside []int32
	byApp  map[string][]int32
	passed map[netip.Addr]bool
}

// appKey names an application in one environment; env may be empty.
type appKey struct{ app, env string }

func (k appKey) String() string {
	if k.env == "" {
		return k.app
	}
	return k.app + " (" + k.env + ")"
}

// app is what one policy protects.
type app struct {
	appKey
	nodes []int32
}

// groupKey is what makes a group: labels of a workload, or a node of its own.
type groupKey struct {
	role string
	appKey
	node string // topology.Node.ID when the labels do not say enough
}

// group is the unit rules are written about.
type group struct {
	groupKey
	nodes  []int32
	inside bool
	app    int32 // index into estate.apps, -1 for none
}

func (k groupKey) compare(o groupKey) int {
	return cmp.Or(cmp.Compare(k.node, o.node), cmp.Compare(k.app, o.app), cmp.Compare(k.env, o.env), cmp.Compare(k.role, o.role))
}

// newEstate groups the nodes of m.
func newEstate(m *topology.Map) *estate {
	e := &estate{m: m, groupOf: make([]int32, len(m.Graph.Nodes)), infra: make([]string, len(m.Graph.Nodes)), rolesOf: map[appKey]int{}, envsOf: map[string]int{}}
	e.listed = mostlyListed(m)
	for _, f := range m.Infrastructure {
		e.infra[f.Node] = f.Kind
	}
	keys := make([]groupKey, len(m.Graph.Nodes))
	members := map[groupKey][]int32{}
	for i := range m.Graph.Nodes {
		keys[i] = e.keyOf(int32(i))
		members[keys[i]] = append(members[keys[i]], int32(i))
	}
	order := make([]groupKey, 0, len(members))
	for k := range members {
		order = append(order, k)
	}
	slices.SortFunc(order, groupKey.compare)
	at := make(map[groupKey]int32, len(order))
	apps := map[appKey]int32{}
	for _, k := range order {
		at[k] = int32(len(e.groups))
		g := group{groupKey: k, nodes: members[k], inside: m.Graph.Nodes[members[k][0]].Inside(), app: -1}
		if k.app != "" {
			a, ok := apps[k.appKey]
			if !ok {
				a = int32(len(e.apps))
				apps[k.appKey] = a
				e.apps = append(e.apps, app{appKey: k.appKey})
				e.envsOf[k.app]++
			}
			g.app = a
			e.apps[a].nodes = append(e.apps[a].nodes, g.nodes...)
			e.rolesOf[k.appKey]++
		}
		e.groups = append(e.groups, g)
	}
	for i := range keys {
		e.groupOf[i] = at[keys[i]]
	}
	return e
}

// keyOf gives the group of a node. Labels make a group only of inside nodes that
// have an application.
func (e *estate) keyOf(i int32) groupKey {
	n := &e.m.Graph.Nodes[i]
	l := e.labels(i)
	if !n.Inside() || l[topology.LabelApp] == "" || e.unclaimed(i) {
		return groupKey{node: n.ID}
	}
	for _, key := range []string{topology.LabelRole, topology.LabelApp, topology.LabelEnv} {
		if !policy.ValidLabelValue(l[key]) && l[key] != "" {
			return groupKey{node: n.ID} // a name from the wire that no document may hold
		}
	}
	k := groupKey{role: l[topology.LabelRole], appKey: appKey{l[topology.LabelApp], l[topology.LabelEnv]}}
	if serves(e.infra[i]) && mentions(k.role, workstationWords) {
		return groupKey{node: n.ID, appKey: k.appKey} // a server among machines people sit at: no rule for it may open them
	}
	return k
}

// unclaimed reports whether a node is an address that an estate with an inventory
// does not know: its proposed labels are a guess about a stranger.
func (e *estate) unclaimed(i int32) bool {
	n := &e.m.Graph.Nodes[i]
	return e.listed && n.Kind == topology.NodeAddress && n.Labels[topology.LabelApp] == ""
}

func mostlyListed(m *topology.Map) bool {
	listed, inside := 0, 0
	for i := range m.Graph.Nodes {
		if n := &m.Graph.Nodes[i]; n.Inside() {
			inside++
			if n.Claimed() {
				listed++
			}
		}
	}
	return 2*listed > inside
}

// labels are the effective ones of a node.
func (e *estate) labels(i int32) topology.Labels { return labelsOf(e.m, i) }

func labelsOf(m *topology.Map, i int32) topology.Labels {
	if int(i) < len(m.Labels) && m.Labels[i] != nil {
		return m.Labels[i]
	}
	return m.Graph.Nodes[i].Labels
}

func (e *estate) priority(i int32) topology.Priority {
	if int(i) < len(e.m.Priorities) {
		return e.m.Priorities[i]
	}
	return topology.PriorityLow
}

// PartyOf is a node of the map as a policy sees it.
func PartyOf(m *topology.Map, i int32) policy.Party { return policy.PartyOf(m, i) }

// Prefixes of the ids of nodes that are not workloads (topology.Node.ID).
const (
	networkPrefix = "net:"
	domainPrefix  = "domain:"
)

// addrPrefixes are the host prefixes of a node's addresses, sorted.
func (e *estate) addrPrefixes(i int32) []netip.Prefix {
	var out []netip.Prefix
	for at, a := range e.m.Graph.Nodes[i].Addrs {
		if at > 0 && e.passedOn()[a] {
			continue // held once; a rule for it would be its next holder's
		}
		out = append(out, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}
