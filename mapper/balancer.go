package mapper

import (
	"fmt"

	"github.com/bulkhead/bulkhead/topology"
)

// balancerWords are words in host names that say load balancer.
var balancerWords = []string{"lb", "nlb", "alb", "slb", "gslb", "haproxy", "vip", "ingress", "balancer", "traefik", "bigip"}

// balancers finds roles that pass requests on: all they use is one role of two or
// more machines, which nobody else uses, each of them uses several, and who comes
// to them comes from outside; or their names say so. A balancer is part of the
// application behind it, so unlike other findings it is not kept out of
// clustering.
func (w *work) balancers() []topology.Finding {
	members := make([][]int32, w.roles)
	for i, r := range w.role {
		if r >= 0 {
			members[r] = append(members[r], int32(i))
		}
	}
	var out []topology.Finding
	for r := range w.roles {
		if w.infra[members[r][0]] >= 0 || w.people[r] {
			continue
		}
		back, ok := w.onlyBackend(members[r])
		if !ok || len(members[back]) < 2 {
			continue
		}
		named := mentions(w.names[members[r][0]].stem, balancerWords)
		if !named && !(w.fromOutside(members[r]) && w.servesOnly(members[back], int32(r))) {
			continue
		}
		f := topology.Finding{Kind: KindBalancer, Confidence: 0.65,
			Why: fmt.Sprintf("passes what comes from outside on to %d equal machines that nobody else uses", len(members[back]))}
		if named {
			f.Confidence, f.Why = 0.9, fmt.Sprintf("named so, and uses nothing but %d equal machines", len(members[back]))
		}
		for _, i := range members[r] {
			f.Node = i
			out = append(out, f)
		}
	}
	return out
}

// onlyBackend is the one role that all members use, several machines each.
func (w *work) onlyBackend(members []int32) (int32, bool) {
	back := int32(-1)
	for _, i := range members {
		servers := map[int32]bool{}
		from, to := w.adj.uses(i)
		for d := from; d < to; d++ {
			s := w.deps[d].Server
			if w.setAside(s) || w.passing(d) {
				continue
			}
			if w.role[s] < 0 || (back >= 0 && w.role[s] != back) {
				return -1, false
			}
			back = w.role[s]
			servers[s] = true
		}
		if len(servers) < 2 {
			return -1, false
		}
	}
	return back, back >= 0
}

// fromOutside reports that clients come from the internet and, infrastructure
// left out, none from inside.
func (w *work) fromOutside(members []int32) bool {
	outside := false
	for _, i := range members {
		for _, d := range w.adj.serves(i) {
			c := w.deps[d].Client
			switch {
			case w.nodes[c].Kind == topology.NodeInternet:
				outside = true
			case !w.nodes[c].Inside():
			case w.infra[c] < 0 && !w.passing(d):
				return false
			}
		}
	}
	return outside
}

// servesOnly reports that nobody but role r and infrastructure uses members.
func (w *work) servesOnly(members []int32, r int32) bool {
	for _, i := range members {
		for _, d := range w.adj.serves(i) {
			c := w.deps[d].Client
			if w.infra[c] < 0 && !w.passing(d) && w.role[c] != r && w.role[c] != w.role[i] {
				return false
			}
		}
	}
	return true
}
