package mapper

import (
	"fmt"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// companions finds nodes that stand behind shared infrastructure: used by nobody
// but one kind of it, for a service that kind does not use of everybody. The store
// behind the log collectors is logging too; a machine that the monitor merely
// polls is not monitoring.
func (w *work) companions() []topology.Finding {
	var out []topology.Finding
	known := map[wide]bool{}
	for i := range w.nodes {
		if !w.nodes[i].Inside() || w.infra[i] >= 0 {
			continue
		}
		if f, ok := w.companion(int32(i), known); ok {
			out = append(out, f)
		}
	}
	return out
}

// hasCompanions are the kinds that keep what they gather somewhere else.
var hasCompanions = map[string]bool{KindMonitoring: true, KindBackup: true, KindLogging: true, KindConfig: true, KindPatch: true, KindDirectory: true}

func (w *work) companion(i int32, known map[wide]bool) (topology.Finding, bool) {
	from, to := w.adj.uses(i)
	for d := from; d < to; d++ {
		if !w.setAside(w.deps[d].Server) && !w.passing(d) && w.class[w.deps[d].Server] != w.class[i] {
			return topology.Finding{}, false
		}
	}
	found := topology.Finding{Node: i, Confidence: 0.75}
	for _, d := range w.adj.serves(i) {
		c := w.deps[d].Client
		if w.passing(d) || (w.infra[c] < 0 && w.class[c] == w.class[i]) {
			continue
		}
		if w.infra[c] < 0 {
			return topology.Finding{}, false
		}
		kind := w.m.Infrastructure[w.infra[c]].Kind
		if !hasCompanions[kind] || w.everywhere(c, d, known) {
			continue
		}
		if found.Kind != "" && found.Kind != kind {
			return topology.Finding{}, false
		}
		found.Kind = kind
		found.Why = fmt.Sprintf("used by nobody but %s (%s), with %s", w.nodes[c].Name, kind, w.deps[d].Service)
	}
	return found, found.Kind != ""
}

// wide is a client and a service it uses.
type wide struct {
	client  int32
	service flow.Service
}

// everywhere reports that client c uses dependency d's service of many kinds of
// nodes: polling, fetching, logging in. known remembers answers.
func (w *work) everywhere(c, d int32, known map[wide]bool) bool {
	key := wide{c, w.service[d]}
	if yes, ok := known[key]; ok {
		return yes
	}
	classes := map[int32]bool{}
	from, to := w.adj.uses(c)
	for k := from; k < to && len(classes) <= 2; k++ {
		if w.service[k] == key.service && w.nodes[w.deps[k].Server].Inside() {
			classes[w.class[w.deps[k].Server]] = true
		}
	}
	known[key] = len(classes) > 2
	return known[key]
}
