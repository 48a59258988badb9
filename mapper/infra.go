package mapper

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Kinds of shared infrastructure, as they stand in topology.Finding.Kind.
const (
	KindDNS        = "dns"
	KindDHCP       = "dhcp"
	KindNTP        = "ntp"
	KindDirectory  = "directory"
	KindMonitoring = "monitoring"
	KindBackup     = "backup"
	KindLogging    = "logging"
	KindConfig     = "config"
	KindJump       = "jump"
	KindProxy      = "proxy"
	KindBalancer   = "load-balancer"
	KindScanner    = "scanner"
	KindMail       = "mail"
	KindFiles      = "files"
	KindPrinting   = "printing"
	KindPatch      = "patch"
	KindShared     = "shared-service" // used by many unrelated, no known port says for what
	KindCollector  = "shared-client"  // uses many unrelated, no known port says for what
)

// reach is how widely one service of a node is shared: with how many nodes and
// with how many different classes of them.
type reach struct {
	node    int32
	dir     uint64 // asServer: the node serves them; asClient: it uses them
	service flow.Service
	peers   int
	classes int
	total   int // classes there are, this node's own left out
}

func (r *reach) share() float64 {
	if r.total == 0 {
		return 0
	}
	return float64(r.classes) / float64(r.total)
}

// findInfrastructure fills m.Infrastructure and w.infra from what nodes serve, how
// many unrelated others use it, and what the operator decided.
func (w *work) findInfrastructure() {
	w.class, w.classes = w.findClasses()
	var found []topology.Finding
	reaches := w.reaches()
	for start := 0; start < len(reaches); {
		end := start + 1
		for end < len(reaches) && reaches[end].node == reaches[start].node {
			end++
		}
		if f, ok := w.judge(reaches[start:end]); ok {
			found = append(found, f)
		}
		start = end
	}
	found = append(found, w.scanners(found)...)
	w.setFindings(found)
	w.setFindings(append(w.m.Infrastructure, w.companions()...))
}

// setFindings applies the operator's decisions to found and makes it the map's
// infrastructure.
func (w *work) setFindings(found []topology.Finding) {
	w.m.Infrastructure = w.decide(found)
	w.infra = make([]int32, len(w.nodes))
	for i := range w.infra {
		w.infra[i] = -1
	}
	for k, f := range w.m.Infrastructure {
		w.infra[f.Node] = int32(k)
	}
}

// reaches measures every service of every inside node in both directions.
func (w *work) reaches() []reach {
	size := make([]int32, w.classes)
	inside := 0
	for i := range w.nodes {
		if w.nodes[i].Inside() {
			size[w.class[i]]++
		}
	}
	for _, n := range size {
		if n > 0 {
			inside++
		}
	}
	var out []reach
	for i := range w.nodes {
		if !w.nodes[i].Inside() {
			continue
		}
		out = w.appendReaches(out, int32(i), asServer, inside-1)
		out = w.appendReaches(out, int32(i), asClient, inside-1)
	}
	return out
}

func (w *work) appendReaches(out []reach, i int32, dir uint64, total int) []reach {
	type use struct {
		service flow.Service
		class   int32
		peer    int32
	}
	var uses []use
	add := func(d, peer int32) {
		if w.nodes[peer].Inside() && !w.passing(d) {
			uses = append(uses, use{w.service[d], w.class[peer], peer})
		}
	}
	if dir == asServer {
		for _, d := range w.adj.serves(i) {
			add(d, w.deps[d].Client)
		}
	} else {
		from, to := w.adj.uses(i)
		for d := from; d < to; d++ {
			add(d, w.deps[d].Server)
		}
	}
	slices.SortFunc(uses, func(a, b use) int {
		return cmp.Or(a.service.Compare(b.service), cmp.Compare(a.class, b.class), cmp.Compare(a.peer, b.peer))
	})
	for k, u := range uses {
		if k == 0 || uses[k-1].service != u.service {
			out = append(out, reach{node: i, dir: dir, service: u.service, total: total})
		}
		r := &out[len(out)-1]
		if k == 0 || uses[k-1] != u {
			r.peers++
		}
		if (r.peers == 1 || uses[k-1].class != u.class) && u.class != w.class[i] {
			r.classes++
		}
	}
	return out
}

// Shares of classes beyond which a service is shared for structure alone, without
// a known port: more than this part of all classes, and at least minClasses.
const (
	sharedShare = 0.4
	minClasses  = 4
)

// judge decides whether one node's reaches make it shared infrastructure.
func (w *work) judge(rs []reach) (topology.Finding, bool) {
	if f, ok := judgeKnown(rs); ok {
		return f, true
	}
	best := -1
	for k := range rs {
		if rs[k].classes >= minClasses && rs[k].share() > sharedShare && (best < 0 || rs[k].classes > rs[best].classes) {
			best = k
		}
	}
	if best < 0 {
		return topology.Finding{}, false
	}
	r := &rs[best]
	f := topology.Finding{Node: r.node, Kind: KindShared, Confidence: min(0.5+r.share()/2, 0.95)}
	verb := "serves"
	if r.dir == asClient {
		f.Kind, verb = KindCollector, "uses"
	}
	f.Why = fmt.Sprintf("%s %s %s %d nodes of %d different kinds (%.0f %% of all kinds)", verb, r.service, preposition(r.dir), r.peers, r.classes, 100*r.share())
	return f, true
}

func preposition(dir uint64) string {
	if dir == asServer {
		return "to"
	}
	return "of"
}

// scanners finds nodes whose probes went unanswered at far more targets than they
// get service from.
func (w *work) scanners(found []topology.Finding) []topology.Finding {
	taken := map[int32]bool{}
	for _, f := range found {
		taken[f.Node] = true
	}
	var out []topology.Finding
	for i := range w.nodes {
		p := &w.probe[i]
		from, to := w.adj.uses(int32(i))
		served := uint64(to - from)
		if taken[int32(i)] || !w.nodes[i].Inside() || p.targets < 50 || p.targets < 3*served {
			continue
		}
		out = append(out, topology.Finding{Node: int32(i), Kind: KindScanner,
			Confidence: min(0.6+float64(p.targets)/5000, 0.99),
			Why:        fmt.Sprintf("%d attempts at %d targets on %d services got no answer, %d did", p.attempts, p.targets, p.ports, served)})
	}
	return out
}

// decide applies the operator's word and sorts by node.
func (w *work) decide(found []topology.Finding) []topology.Finding {
	at := make(map[string]int32, len(w.nodes))
	for i := range w.nodes {
		at[w.nodes[i].ID] = int32(i)
	}
	for _, d := range w.in.Decisions.Infrastructure {
		i, ok := at[d.Node]
		if !ok {
			continue
		}
		found = slices.DeleteFunc(found, func(f topology.Finding) bool {
			return f.Node == i && (d.Accept || d.Kind == "" || f.Kind == d.Kind)
		})
		if d.Accept {
			found = append(found, topology.Finding{Node: i, Kind: cmp.Or(d.Kind, KindShared), Confidence: 1, Why: "accepted by the operator"})
		}
	}
	slices.SortStableFunc(found, func(a, b topology.Finding) int { return cmp.Compare(a.Node, b.Node) })
	return slices.CompactFunc(found, func(a, b topology.Finding) bool { return a.Node == b.Node })
}
