package mapper

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// prioritise says what to protect first, and why: critical are directory servers
// and payment; high are stores of personal data and what administers others;
// medium are development, staging and test machines from which production can be
// reached, and data stores nothing more is known of.
func (w *work) prioritise() {
	m := w.m
	m.Priorities, m.PriorityWhys = make([]topology.Priority, len(w.nodes)), make([]string, len(w.nodes))
	crossing := w.crossings()
	for i := range w.nodes {
		if !w.nodes[i].Inside() {
			continue
		}
		m.Priorities[i], m.PriorityWhys[i] = w.priority(int32(i), crossing)
		if a := m.AppOf[i]; a >= 0 && m.Priorities[i] > m.Applications[a].Priority {
			m.Applications[a].Priority = m.Priorities[i]
			m.Applications[a].PriorityWhy = fmt.Sprintf("%s: %s", w.nodes[i].Name, m.PriorityWhys[i])
		}
	}
}

// infraPriority is what shared infrastructure is worth to an intruder.
var infraPriority = map[string]struct {
	priority topology.Priority
	why      string
}{
	KindDirectory:  {topology.PriorityCritical, "directory server: whoever holds it holds every account"},
	KindJump:       {topology.PriorityHigh, "administers many others"},
	KindConfig:     {topology.PriorityHigh, "hands out configuration to many others"},
	KindBackup:     {topology.PriorityHigh, "holds copies of many others' data"},
	KindPatch:      {topology.PriorityHigh, "hands out software to many others"},
	KindMonitoring: {topology.PriorityMedium, "reaches many others"},
	KindCollector:  {topology.PriorityMedium, "reaches many others"},
	KindProxy:      {topology.PriorityMedium, "carries many others' traffic to the outside"},
}

// Words that give a workload's worth away in its role or application.
var (
	paymentWords  = []string{"pay", "payment", "payments", "card", "cards", "cardholder", "hsm", "settlement"}
	personalWords = []string{"customer", "customers", "crm", "client", "clients", "patient", "patients", "member", "members", "loyalty", "hr", "people", "personnel",
		"user", "users", "account", "accounts", "identity", "payroll", "student", "students"}
	storeWords = []string{"db", "database", "sql", "postgres", "mysql", "oracle", "mongo", "store", "warehouse"}
	adminWords = []string{"admin", "bastion", "jump"}
)

func (w *work) priority(i int32, crossing map[int32]string) (topology.Priority, string) {
	if k := w.infra[i]; k >= 0 {
		if p, ok := infraPriority[w.m.Infrastructure[k].Kind]; ok {
			return p.priority, p.why
		}
		return topology.PriorityLow, "shared infrastructure of kind " + w.m.Infrastructure[k].Kind
	}
	l := w.m.Labels[i]
	store := mentions(l[topology.LabelRole], storeWords)
	switch {
	case preproduction[l[topology.LabelEnv]]:
		if why, ok := crossing[w.m.AppOf[i]]; ok && w.m.AppOf[i] >= 0 {
			return topology.PriorityMedium, why
		}
		return topology.PriorityLow, l[topology.LabelEnv] + ", with no path to production seen"
	case mentions(l[topology.LabelRole], paymentWords) || mentions(l[topology.LabelApp], paymentWords):
		return topology.PriorityCritical, "takes part in payment"
	case store && mentions(l[topology.LabelApp], personalWords):
		return topology.PriorityHigh, "data store of " + l[topology.LabelApp] + ": personal data"
	case mentions(l[topology.LabelRole], adminWords):
		return topology.PriorityHigh, "administers others"
	case store:
		return topology.PriorityMedium, "data store"
	}
	return topology.PriorityLow, "nothing says it matters more than others"
}

// preproduction are the environments that must not reach production.
var preproduction = map[string]bool{"dev": true, "development": true, "staging": true, "stg": true, "test": true, "qa": true, "uat": true}

// crossings finds the applications of development, staging or test that use
// something of another environment, infrastructure left out, with an example.
func (w *work) crossings() map[int32]string {
	out := map[int32]string{}
	for k := range w.deps {
		d := &w.deps[k]
		a := w.m.AppOf[d.Client]
		from, to := w.m.Labels[d.Client][topology.LabelEnv], w.m.Labels[d.Server][topology.LabelEnv]
		if a < 0 || w.infra[d.Server] >= 0 || w.infra[d.Client] >= 0 || !preproduction[from] || to == "" || preproduction[to] {
			continue
		}
		if _, ok := out[a]; !ok {
			out[a] = fmt.Sprintf("%s with a path to %s: %s uses %s of %s", from, to, w.nodes[d.Client].Name, d.Service, w.nodes[d.Server].Name)
		}
	}
	return out
}

// mentions reports whether a label is made of one of the words.
func mentions(label string, words []string) bool {
	return slices.ContainsFunc(parseHostName(cmp.Or(label, "-")).tokens, func(t string) bool { return slices.Contains(words, t) })
}
