package recommender

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// MaxPaths is how many paths to critical workloads a Reach lists.
const MaxPaths = 20

// ErrNoSuchNode says that a reach starts nowhere.
var ErrNoSuchNode = errors.New("no such node")

// BlastRadius follows the dependencies seen from one place: what whoever holds it
// could use, from there onwards, and so on. With a set, taken as enforced, only
// the dependencies it allows are followed; nil means today. from is a node's id,
// or labels such as "app=payments,env=prod".
//
// It is a lower bound of what an intruder could do: open ports nobody used in the
// window are not in the map.
func BlastRadius(m *topology.Map, set *policy.Set, from string) (*policy.Reach, error) {
	start, err := startNodes(m, from)
	if err != nil {
		return nil, err
	}
	next := steps(m, set)
	hops, via := spread(m, next, start)
	out := &policy.Reach{From: from, ByHop: []int{}, Paths: []policy.AttackPath{}}
	var critical []int32
	for i := range m.Graph.Nodes {
		if !m.Graph.Nodes[i].Inside() {
			continue
		}
		out.Inside++
		h := hops[i]
		if h <= 0 {
			continue
		}
		out.Reachable++
		for len(out.ByHop) < int(h) {
			out.ByHop = append(out.ByHop, 0)
		}
		out.ByHop[h-1]++
		if i < len(m.Priorities) && m.Priorities[i] == topology.PriorityCritical {
			critical = append(critical, int32(i))
		}
	}
	slices.SortStableFunc(critical, func(a, b int32) int { return int(hops[a] - hops[b]) })
	for _, c := range critical[:min(len(critical), MaxPaths)] {
		out.Paths = append(out.Paths, pathTo(m, via, c))
	}
	return out, nil
}

// startNodes resolves a node id or labels.
func startNodes(m *topology.Map, from string) ([]int32, error) {
	i, ok := slices.BinarySearchFunc(m.Graph.Nodes, from, func(n topology.Node, id string) int { return strings.Compare(n.ID, id) })
	if ok {
		return []int32{int32(i)}, nil
	}
	labels := topology.Labels{}
	for _, part := range strings.Split(from, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("blast radius from %q: %w", from, ErrNoSuchNode)
		}
		labels[k] = v
	}
	s := policy.Select(labels)
	var out []int32
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].Inside() && s.Matches(labelsOf(m, int32(i))) {
			out = append(out, int32(i))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("blast radius from %q: %w", from, ErrNoSuchNode)
	}
	return out, nil
}

// edges is a graph in compressed rows: the dependencies of node i are
// deps[start[i]:start[i+1]], indexes into Map.Graph.Deps.
type edges struct {
	start []int32
	deps  []int32
}

// steps keeps the dependencies between two nodes that set allows.
func steps(m *topology.Map, set *policy.Set) edges {
	keep := func(*topology.Dependency) bool { return true }
	if set != nil {
		e := policy.NewEvaluator(set.AtStage(policy.Enforce))
		ids := identify(e, m)
		keep = func(d *topology.Dependency) bool {
			o := e.Judge(ids[d.Client], ids[d.Server], d.Service, "", "").Outcome
			return o == policy.Allowed || o == policy.Untouched
		}
	}
	out := edges{start: make([]int32, len(m.Graph.Nodes)+1)}
	for i := range m.Graph.Deps { // sorted by client, so rows are in order
		if d := &m.Graph.Deps[i]; keep(d) {
			out.deps = append(out.deps, int32(i))
			out.start[d.Client+1]++
		}
	}
	for i := 1; i < len(out.start); i++ {
		out.start[i] += out.start[i-1]
	}
	return out
}

func (e *edges) of(node int32) []int32 { return e.deps[e.start[node]:e.start[node+1]] }

// spread walks breadth first: hops per node, -1 where it does not come; via is the
// dependency by which a node was first reached. Outside nodes are reached but not
// walked through: the internet does not lead back in. A start outside is walked.
func spread(m *topology.Map, next edges, start []int32) (hops, via []int32) {
	hops, via = make([]int32, len(m.Graph.Nodes)), make([]int32, len(m.Graph.Nodes))
	for i := range hops {
		hops[i], via[i] = -1, -1
	}
	queue := slices.Clone(start)
	for _, s := range start {
		hops[s] = 0
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if hops[at] > 0 && !m.Graph.Nodes[at].Inside() {
			continue
		}
		for _, i := range next.of(at) {
			if to := m.Graph.Deps[i].Server; hops[to] < 0 {
				hops[to], via[to] = hops[at]+1, i
				queue = append(queue, to)
			}
		}
	}
	return hops, via
}

func pathTo(m *topology.Map, via []int32, to int32) policy.AttackPath {
	p := policy.AttackPath{Nodes: []int32{to}}
	for via[to] >= 0 {
		d := &m.Graph.Deps[via[to]]
		p.Nodes, p.Services = append(p.Nodes, d.Client), append(p.Services, d.Service)
		to = d.Client
	}
	slices.Reverse(p.Nodes)
	slices.Reverse(p.Services)
	return p
}
