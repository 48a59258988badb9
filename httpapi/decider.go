package httpapi

import (
	"context"
	"net/http"

	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/topology"
)

// Decider takes a person's word on what the map found. The map that is read
// afterwards follows it.
type Decider interface {
	// InfrastructureKinds names what a finding may be.
	InfrastructureKinds() []string
	// Infrastructure returns every decision in force, newest word per node.
	Infrastructure(ctx context.Context) ([]topology.InfrastructureDecision, error)
	DecideInfrastructure(ctx context.Context, author string, list []topology.InfrastructureDecision) error
	DecideGroup(ctx context.Context, author string, d topology.GroupDecision) error
}

// Claimer makes workloads of addresses that nobody claims.
type Claimer interface {
	Claim(ctx context.Context, author string, c topology.Claim) error
}

// finding is shared infrastructure as people review it.
type finding struct {
	Node       view.Ref `json:"node"`
	Kind       string   `json:"kind"`
	Why        string   `json:"why"`
	Confidence float64  `json:"confidence"`
	Clients    int      `json:"clients"` // nodes that use it
	// Decided is "accepted" where a person said so, "" where the traffic did.
	Decided string `json:"decided"`
}

// refused is a word against a finding.
type refused struct {
	Node   view.Ref `json:"node"`
	Kind   string   `json:"kind"` // "": whatever it would be
	Reason string   `json:"reason"`
}

// getInfrastructure lists what is shared, why, and what people refused.
func (s *server) getInfrastructure(w http.ResponseWriter, r *http.Request) error {
	x, err := s.index(r, Window{})
	if err != nil {
		return err
	}
	out := struct {
		Kinds    []string  `json:"kinds"`
		Findings []finding `json:"findings"`
		Refused  []refused `json:"refused"`
	}{[]string{}, []finding{}, []refused{}}
	accepted := map[string]bool{}
	if s.Decider != nil {
		out.Kinds = s.Decider.InfrastructureKinds()
		said, err := s.Decider.Infrastructure(r.Context())
		if err != nil {
			return err
		}
		for _, d := range said {
			if d.Accept {
				accepted[d.Node] = true
			} else {
				out.Refused = append(out.Refused, refused{x.RefOf(&topology.Node{ID: d.Node}), d.Kind, d.Reason})
			}
		}
	}
	for i := range x.Map.Infrastructure {
		f := &x.Map.Infrastructure[i]
		d := finding{Node: x.Ref(f.Node), Kind: f.Kind, Why: f.Why, Confidence: f.Confidence, Clients: x.Clients(f.Node)}
		if accepted[x.Map.Graph.Nodes[f.Node].ID] {
			d.Decided = "accepted"
		}
		out.Findings = append(out.Findings, d)
	}
	return reply(w, r, out)
}

// postInfrastructure accepts, refuses or changes findings.
func (s *server) postInfrastructure(w http.ResponseWriter, r *http.Request) error {
	if s.Decider == nil {
		return Errorf(CodeUnsupported, "this server takes no decisions")
	}
	var in struct {
		Decisions []topology.InfrastructureDecision `json:"decisions"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.Decisions) == 0 {
		return Errorf(CodeInvalid, "decisions is empty")
	}
	if err := s.Decider.DecideInfrastructure(r.Context(), author(r), in.Decisions); err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, map[string]int{"decided": len(in.Decisions)})
}

// postApplication accepts an application as it is, names it, or lets it go.
func (s *server) postApplication(w http.ResponseWriter, r *http.Request) error {
	if s.Decider == nil {
		return Errorf(CodeUnsupported, "this server takes no decisions")
	}
	var in topology.GroupDecision
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if err := s.Decider.DecideGroup(r.Context(), author(r), in); err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, in)
}

// postClaim says whose address one is.
func (s *server) postClaim(w http.ResponseWriter, r *http.Request) error {
	if s.Claimer == nil {
		return Errorf(CodeUnsupported, "this server takes no claims")
	}
	var in topology.Claim
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.Node == "" {
		return Errorf(CodeInvalid, "node is missing: the address to claim")
	}
	in.Node = view.NodeID(in.Node)
	if err := s.Claimer.Claim(r.Context(), author(r), in); err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, in)
}
