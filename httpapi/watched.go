package httpapi

import (
	"cmp"
	"net/http"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
)

const (
	watchedViolations = 100_000 // read of one watch
	watchedRows       = 50
)

// count sorts violations by whether the forecast of a change named their edge.
func (o *watched) count(x *view.Index, c *ChangeDetail, list []policy.Violation) {
	type edge struct {
		client, server string
		service        flow.Service
	}
	named := map[edge]bool{}
	for i := range c.Forecast.Violations {
		v := &c.Forecast.Violations[i]
		named[edge{v.Client, v.Server, v.Service}] = true
	}
	ours := map[string]bool{}
	for i := range c.Plan {
		ours[c.Plan[i].Policy] = true
	}
	at := map[edge]int{}
	for i := range list {
		v := &list[i]
		if !ours[v.Policy] {
			continue
		}
		client, server := x.RefOfParty(v.Client), x.RefOfParty(v.Server)
		e := edge{view.NodeID(client.ID), view.NodeID(server.ID), v.Service}
		n := 1 + v.Suppressed
		if named[e] {
			o.Foreseen += n
			continue
		}
		o.Unforeseen += n
		k, ok := at[e]
		if !ok {
			k = len(o.Rows)
			at[e] = k
			o.Rows = append(o.Rows, watchedEdge{Client: client, Server: server, Service: v.Service, Policy: v.Policy})
		}
		o.Rows[k].Count += n
		o.Rows[k].Last = max(o.Rows[k].Last, v.Time)
	}
	slices.SortStableFunc(o.Rows, func(a, b watchedEdge) int { return cmp.Compare(b.Count, a.Count) })
	o.Rows = o.Rows[:min(len(o.Rows), watchedRows)]
}

// proposedRule is a rule that violations speak for.
type proposedRule struct {
	Policy     string            `json:"policy"`
	Rule       ruleDoc           `json:"rule"`
	Origin     policy.RuleOrigin `json:"origin"`
	Why        string            `json:"why"`
	Violations uint64            `json:"violations"`
}

// getViolationProposals says what to do about what live policies stopped.
func (s *server) getViolationProposals(w http.ResponseWriter, r *http.Request) error {
	if s.Proposals == nil {
		return Errorf(CodeUnsupported, "this server proposes nothing from violations")
	}
	p := &params{r: r}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	found, err := s.Proposals.Proposals(r.Context(), win)
	if err != nil {
		return err
	}
	x, err := s.index(r, Window{})
	if err != nil {
		return err
	}
	out := struct {
		Rules     []proposedRule `json:"rules"`
		Decisions []decisionDoc  `json:"decisions"`
		Notes     []string       `json:"notes"`
	}{[]proposedRule{}, []decisionDoc{}, orEmpty(found.Notes)}
	for i := range found.Rules {
		c := &found.Rules[i]
		pr := proposedRule{c.Policy, ruleOf(&c.After), c.Origin, c.Why, c.Violations}
		if i < len(found.Evidence) {
			e := &found.Evidence[i]
			pr.Rule.Evidence = &evidenceDoc{EdgeStats: e.EdgeStats, Clients: e.Clients, Servers: e.Servers, Rhythm: flow.RhythmOf(&e.EdgeStats, x.Map.Since, x.Map.Until),
				Decided: e.Decided, Confidence: e.Confidence, Examples: rows(e.Examples, x)}
		}
		out.Rules = append(out.Rules, pr)
	}
	for i := range found.Decisions {
		out.Decisions = append(out.Decisions, decisionOf(&found.Decisions[i], x))
	}
	return reply(w, r, out)
}

// postViolationProposals puts proposed rules into the saved policies.
func (s *server) postViolationProposals(w http.ResponseWriter, r *http.Request) error {
	if s.Proposals == nil {
		return Errorf(CodeUnsupported, "this server proposes nothing from violations")
	}
	var in struct {
		Accept []string `json:"accept"` // "policy/rule"
		Reason string   `json:"reason"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.Accept) == 0 {
		return Errorf(CodeInvalid, "accept is empty: want POLICY/RULE of what is proposed")
	}
	saved, err := s.Proposals.AcceptProposals(r.Context(), author(r), in.Accept, in.Reason)
	if err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, map[string]any{"saved": orEmpty(saved)})
}
