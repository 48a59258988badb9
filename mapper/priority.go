package mapper

import "github.com/bulkhead/bulkhead/topology"

// prioritise says what to protect first.
func (w *work) prioritise() {
	m := w.m
	m.Priorities = make([]topology.Priority, len(w.nodes))
	for i := range w.nodes {
		if !w.nodes[i].Inside() {
			continue
		}
		m.Priorities[i] = w.priority(int32(i))
		if a := m.AppOf[i]; a >= 0 {
			m.Applications[a].Priority = max(m.Applications[a].Priority, m.Priorities[i])
		}
	}
}

func (w *work) priority(i int32) topology.Priority {
	if k := w.infra[i]; k >= 0 {
		switch w.m.Infrastructure[k].Kind {
		case KindDirectory:
			return topology.PriorityCritical
		case KindJump, KindBackup, KindConfig:
			return topology.PriorityHigh
		}
		return topology.PriorityLow
	}
	labels := w.m.Labels[i]
	switch {
	case mentions(labels, "pay", "payment", "payments", "card", "cardholder"):
		return topology.PriorityCritical
	case mentions(labels, "db", "database", "sql") && labels[topology.LabelEnv] != "dev" && labels[topology.LabelEnv] != "test":
		return topology.PriorityHigh
	case labels[topology.LabelEnv] == "dev" || labels[topology.LabelEnv] == "staging" || labels[topology.LabelEnv] == "test":
		return topology.PriorityMedium
	}
	return topology.PriorityLow
}

// mentions reports whether role or application is made of one of the words.
func mentions(l topology.Labels, words ...string) bool {
	for _, key := range []string{topology.LabelRole, topology.LabelApp} {
		for _, t := range parseHostName(l[key]).tokens {
			for _, w := range words {
				if t == w {
					return true
				}
			}
		}
	}
	return false
}
