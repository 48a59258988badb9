package httpapi

import (
	"net/http"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// tightened is what going from one level to the next changes.
type tightened struct {
	From    policy.Level `json:"from"`
	To      policy.Level `json:"to"`
	Rules   [2]int       `json:"rules"` // before and after
	Changes []change     `json:"changes"`
	Total   int          `json:"total"` // Changes has at most 300
}

// change is a policy.Change in words.
type change struct {
	Opens    bool     `json:"opens"` // else it closes
	Words    string   `json:"words"`
	From     []string `json:"clients"`
	To       []string `json:"servers"`
	Services []string `json:"services"`
}

// tightenChanges bounds the answer, and tightenParties the workloads that are
// compared one by one: above it the kinds that selectors can tell apart are.
const (
	tightenChanges = 300
	tightenParties = 2000
)

// getTighten says who can no longer reach what when a recommendation goes from
// one level to the next tighter one.
func (s *server) getTighten(w http.ResponseWriter, r *http.Request) error {
	p := &params{r: r}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	from := p.level("level")
	if p.err != nil {
		return p.err
	}
	if from == policy.WorkloadLevel {
		return Errorf(CodeInvalid, "level: nothing is tighter than workload")
	}
	x, err := s.index(r, win)
	if err != nil {
		return err
	}
	var sets [2]*policy.Set
	for i := range sets {
		rec, err := s.advise(r.Context(), x.Map, RecommendQuery{Window: win, Level: from + policy.Level(i)})
		if err != nil {
			return err
		}
		sets[i] = rec.Set.AtStage(policy.Enforce)
	}
	return reply(w, r, tighten(from, sets, partiesOf(x.Map)))
}

func tighten(from policy.Level, sets [2]*policy.Set, parties []policy.Party) tightened {
	changes := policy.Diff(sets[0], sets[1], parties)
	slices.SortStableFunc(changes, func(a, b policy.Change) int { return order(a.Opens(), b.Opens()) }) // what closes is what was asked about
	out := tightened{From: from, To: from + 1, Rules: [2]int{rulesOf(sets[0]), rulesOf(sets[1])}, Changes: []change{}, Total: len(changes)}
	for _, c := range changes[:min(len(changes), tightenChanges)] {
		out.Changes = append(out.Changes, change{c.Opens(), c.String(), orEmpty(c.From), orEmpty(c.To), servicesText(c.Services)})
	}
	return out
}

func rulesOf(s *policy.Set) (n int) {
	for i := range s.Policies {
		n += len(s.Policies[i].Rules)
	}
	return n
}

// partiesOf is the inside of a map as policies see it, one party for each address:
// rules from workload to workload are by address. nil when there are too many.
func partiesOf(m *topology.Map) []policy.Party {
	if len(m.Graph.Nodes) > tightenParties {
		return nil
	}
	var out []policy.Party
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		if !n.Inside() {
			continue
		}
		p := policy.PartyOf(m, int32(i))
		out = append(out, p)
		for _, a := range n.Addrs[min(1, len(n.Addrs)):] {
			p.Addr = a
			out = append(out, p)
		}
	}
	return out
}

// order sorts false before true.
func order(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}
