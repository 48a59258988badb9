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

// Kinds lists them, sorted.
func Kinds() []string {
	return []string{KindBackup, KindConfig, KindDHCP, KindDirectory, KindDNS, KindFiles, KindJump, KindBalancer, KindLogging, KindMail,
		KindMonitoring, KindNTP, KindPatch, KindPrinting, KindProxy, KindScanner, KindCollector, KindShared}
}

// reach is how widely one service of a node is shared: with how many nodes and
// with how many different classes of them.
type reach struct {
	node    int32
	dir     uint64 // asServer: the node serves them; asClient: it uses them
	service flow.Service
	peers   int
	classes int
	total   int   // classes there are, this node's own left out
	pooled  int   // classes that this node's whole class reaches so
	of, to  int32 // the classes reached are work.reached[of:to]
}

// share is the part of all classes reached, by the node's class together:
// clients spread over equal servers.
func (r *reach) share() float64 {
	if r.total == 0 {
		return 0
	}
	return float64(r.pooled) / float64(r.total)
}

// pool counts what all nodes of a class reach together. A node that reaches less
// than half of that is not one of the equals, and keeps its own count.
func (w *work) pool(rs []reach) {
	type key struct {
		class   int32
		dir     uint64
		service flow.Service
	}
	all := map[key]map[int32]bool{}
	for i := range rs {
		k := key{w.class[rs[i].node], rs[i].dir, rs[i].service}
		if all[k] == nil {
			all[k] = map[int32]bool{}
		}
		for _, c := range w.reached[rs[i].of:rs[i].to] {
			all[k][c] = true
		}
	}
	for i := range rs {
		r := &rs[i]
		r.pooled = len(all[key{w.class[r.node], r.dir, r.service}])
		if 2*r.classes < r.pooled {
			r.pooled = r.classes
		}
	}
	w.reached = nil
}

// findInfrastructure fills m.Infrastructure and w.infra from what nodes serve, how
// many unrelated others use it, and what the operator decided.
func (w *work) findInfrastructure() {
	w.class, w.classes = w.findClasses()
	var found []topology.Finding
	reaches := w.reaches()
	w.pool(reaches)
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
	found = w.realmServers(found)
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
	size := w.classSizes()
	for k, f := range w.m.Infrastructure {
		if f.Kind == KindScanner && size[w.class[f.Node]] > 2 {
			continue // it scans, and is otherwise one like many others: it stays with them
		}
		w.infra[f.Node] = int32(k)
	}
}

func (w *work) classSizes() []int {
	size := make([]int, w.classes)
	for i := range w.nodes {
		if w.nodes[i].Inside() {
			size[w.class[i]]++
		}
	}
	return size
}

// reaches measures every service of every inside node in both directions.
func (w *work) reaches() []reach {
	inside := 0
	for _, n := range w.classSizes() {
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

// peerUse is one use of a node's service, or of a service by it.
type peerUse struct {
	service flow.Service
	class   int32
	peer    int32
}

func (w *work) appendReaches(out []reach, i int32, dir uint64, total int) []reach {
	uses := w.uses[:0]
	add := func(d, peer int32) {
		if w.nodes[peer].Inside() && !w.passing(d) {
			uses = append(uses, peerUse{w.service[d], w.class[peer], peer})
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
	w.uses = uses
	slices.SortFunc(uses, func(a, b peerUse) int {
		return cmp.Or(a.service.Compare(b.service), cmp.Compare(a.class, b.class), cmp.Compare(a.peer, b.peer))
	})
	for k, u := range uses {
		if k == 0 || uses[k-1].service != u.service {
			out = append(out, reach{node: i, dir: dir, service: u.service, total: total, of: int32(len(w.reached)), to: int32(len(w.reached))})
		}
		r := &out[len(out)-1]
		if k == 0 || uses[k-1] != u {
			r.peers++
		}
		if (r.peers == 1 || uses[k-1].class != u.class) && u.class != w.class[i] {
			r.classes++
			w.reached = append(w.reached, u.class)
			r.to++
		}
	}
	return out
}

// Shares of classes beyond which a service is shared for structure alone, without
// a known port: more than this part of all classes, and at least minClasses.
const (
	sharedShare = 0.3
	minClasses  = 4
)

// judge decides whether one node's reaches make it shared infrastructure.
func (w *work) judge(rs []reach) (topology.Finding, bool) {
	if f, ok := judgeKnown(rs); ok {
		return f, true
	}
	best := -1
	for k := range rs {
		if rs[k].pooled >= minClasses && rs[k].classes >= minClasses/2 && rs[k].share() > sharedShare && (best < 0 || rs[k].classes > rs[best].classes) {
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
	f.Why = fmt.Sprintf("%s %s %s %d nodes of %d different kinds; its like reach %.0f %% of all kinds", verb, r.service, preposition(r.dir), r.peers, r.classes, 100*r.share())
	return f, true
}

func preposition(dir uint64) string {
	if dir == asServer {
		return "to"
	}
	return "of"
}

// scans reports a node of whose attempts many, at many targets, get no answer:
// what it reaches once may be a door it found open.
func (w *work) scans(i int32) bool { return w.unanswered(i) >= 0.25 }

// unanswered is how many targets never answered node i for each dependency it
// has; 0 for few targets.
func (w *work) unanswered(i int32) float64 {
	from, to := w.adj.uses(i)
	if p := &w.probe[i]; w.nodes[i].Inside() && p.targets >= 50 {
		return float64(p.targets) / float64(max(to-from, 1))
	}
	return 0
}

// scanners finds nodes whose probes went unanswered at more targets than they get
// service from.
func (w *work) scanners(found []topology.Finding) []topology.Finding {
	taken := map[int32]bool{}
	for _, f := range found {
		taken[f.Node] = true
	}
	var out []topology.Finding
	for i := range w.nodes {
		p := &w.probe[i]
		if taken[int32(i)] || w.unanswered(int32(i)) < 1 {
			continue
		}
		from, to := w.adj.uses(int32(i))
		out = append(out, topology.Finding{Node: int32(i), Kind: KindScanner,
			Confidence: min(0.6+float64(p.targets)/5000, 0.99),
			Why:        fmt.Sprintf("%d attempts at %d targets on %d services got no answer, %d did", p.attempts, p.targets, p.ports, to-from)})
	}
	return out
}
