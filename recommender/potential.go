package recommender

import (
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// PotentialRadius follows what set, taken as enforced, lets happen rather than
// what happened: from one place to every workload with a service, seen in use by
// anybody, that the set allows from there; and so on. It is an upper bound of what
// an intruder could do by those services, where BlastRadius is a lower one. A nil
// set is a flat network.
func PotentialRadius(m *topology.Map, set *policy.Set, from string) (*policy.Reach, error) {
	start, err := startNodes(m, from)
	if err != nil {
		return nil, err
	}
	if set == nil {
		set = &policy.Set{}
	}
	w := newWalk(m, policy.NewEvaluator(set.AtStage(policy.Enforce)))
	hops := w.run(start)
	out := &policy.Reach{From: from, ByHop: []int{}, Paths: []policy.AttackPath{}}
	for i, h := range hops {
		if !m.Graph.Nodes[i].Inside() {
			continue
		}
		out.Inside++
		if h <= 0 {
			continue
		}
		out.Reachable++
		for len(out.ByHop) < int(h) {
			out.ByHop = append(out.ByHop, 0)
		}
		out.ByHop[h-1]++
	}
	return out, nil
}

// servers are nodes that policies cannot tell apart and that serve the same.
type servers struct {
	identity policy.Identity
	services []flow.Service
	nodes    []int32
	reached  bool
}

type walk struct {
	m     *topology.Map
	e     *policy.Evaluator
	ids   []policy.Identity
	kinds []*servers
}

func newWalk(m *topology.Map, e *policy.Evaluator) *walk {
	w := &walk{m: m, e: e, ids: identify(e, m)}
	served := make([][]flow.Service, len(m.Graph.Nodes))
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		served[d.Server] = append(served[d.Server], d.Service)
	}
	at := map[string]*servers{}
	for i := range served {
		if len(served[i]) == 0 || !m.Graph.Nodes[i].Inside() {
			continue
		}
		slices.SortFunc(served[i], flow.Service.Compare)
		list := slices.Compact(served[i])
		key := []byte{byte(w.ids[i]), byte(w.ids[i] >> 8), byte(w.ids[i] >> 16), byte(w.ids[i] >> 24)}
		for _, s := range list {
			key = append(key, s.Proto, byte(s.Port), byte(s.Port>>8))
		}
		k := at[string(key)]
		if k == nil {
			k = &servers{identity: w.ids[i], services: list}
			at[string(key)] = k
			w.kinds = append(w.kinds, k)
		}
		k.nodes = append(k.nodes, int32(i))
	}
	return w
}

// run walks breadth first, once per identity: who is alike reaches the same.
func (w *walk) run(start []int32) []int32 {
	hops := make([]int32, len(w.m.Graph.Nodes))
	for i := range hops {
		hops[i] = -1
	}
	done := map[policy.Identity]bool{}
	queue := slices.Clone(start)
	for _, s := range start {
		hops[s] = 0
	}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		if done[w.ids[at]] {
			continue
		}
		done[w.ids[at]] = true
		for _, k := range w.kinds {
			if k.reached || !w.opens(w.ids[at], k) {
				continue
			}
			k.reached = true
			for _, n := range k.nodes {
				if hops[n] < 0 {
					hops[n] = hops[at] + 1
					queue = append(queue, n)
				}
			}
		}
	}
	return hops
}

func (w *walk) opens(client policy.Identity, k *servers) bool {
	return slices.ContainsFunc(k.services, func(s flow.Service) bool {
		o := w.e.Judge(client, k.identity, s, "", "").Outcome
		return o == policy.Allowed || o == policy.Untouched
	})
}
