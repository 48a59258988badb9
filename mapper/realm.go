package mapper

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// realmServers makes directory servers of the nodes that gave out tickets of a realm
// or answered for a domain: their own word, whatever their ports and however few
// were seen to ask. Those found already have it added to their reason.
func (w *work) realmServers(found []topology.Finding) []topology.Finding {
	for i, names := range w.realms {
		says := realmWords(names)
		k := slices.IndexFunc(found, func(f topology.Finding) bool { return f.Node == i })
		switch {
		case k >= 0 && found[k].Kind == KindDirectory:
			found[k].Why += "; " + says
			found[k].Confidence = max(found[k].Confidence, 0.99)
			continue
		case k >= 0:
			found = slices.Delete(found, k, k+1)
		}
		found = append(found, topology.Finding{Node: i, Kind: KindDirectory, Confidence: 0.95, Why: says})
	}
	slices.SortStableFunc(found, func(a, b topology.Finding) int { return cmp.Compare(a.Node, b.Node) })
	return found
}

// realmWords names the realm or domain seen most often, and how it was known.
func realmWords(names []flow.Name) string {
	best := slices.MaxFunc(names, func(a, b flow.Name) int {
		return cmp.Or(cmp.Compare(a.Count, b.Count), cmp.Compare(b.Name, a.Name))
	})
	if best.Kind == flow.NameKerberos {
		return fmt.Sprintf("gives out tickets of the realm %s", best.Name)
	}
	return fmt.Sprintf("answers for the domain %s", best.Name)
}
