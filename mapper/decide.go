package mapper

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// acceptedWhy begins the reason of what the operator decided.
const acceptedWhy = "accepted by the operator"

// decide applies the operator's word and sorts by node.
func (w *work) decide(found []topology.Finding) []topology.Finding {
	for _, d := range w.in.Decisions.Infrastructure {
		if i, ok := w.nodeAt(d.Node); ok {
			found = decideOne(found, i, d)
		}
	}
	slices.SortStableFunc(found, func(a, b topology.Finding) int { return cmp.Compare(a.Node, b.Node) })
	return slices.CompactFunc(found, func(a, b topology.Finding) bool { return a.Node == b.Node })
}

// decideOne takes the findings a decision is about out, and puts what it accepts
// in: with the reason that was found, where one was.
func decideOne(found []topology.Finding, i int32, d topology.InfrastructureDecision) []topology.Finding {
	accepted := topology.Finding{Node: i, Kind: cmp.Or(d.Kind, KindShared), Confidence: 1, Why: acceptedWhy}
	if d.Reason != "" {
		accepted.Why += " (" + d.Reason + ")"
	}
	found = slices.DeleteFunc(found, func(f topology.Finding) bool {
		same := d.Kind == "" || f.Kind == d.Kind
		if f.Node == i && d.Accept && same {
			accepted.Kind = f.Kind
			if strings.HasPrefix(f.Why, acceptedWhy) {
				accepted.Why = f.Why // decided in an earlier step of this run
			} else {
				accepted.Why += ": " + f.Why
			}
		}
		return f.Node == i && (d.Accept || same)
	})
	if d.Accept {
		found = append(found, accepted)
	}
	return found
}

// nodeAt finds a node by its id; nodes are sorted by it.
func (w *work) nodeAt(id string) (int32, bool) {
	i, ok := slices.BinarySearchFunc(w.nodes, id, func(n topology.Node, id string) int { return cmp.Compare(n.ID, id) })
	return int32(i), ok
}
