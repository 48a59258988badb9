package httpapi

import (
	"context"
	"net/http"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// ViolationSource reads what enforcement points reported. A server without one
// says so.
type ViolationSource interface {
	// Violations returns the newest that match, newest first, at most q.Limit.
	Violations(ctx context.Context, q ViolationQuery) ([]policy.Violation, error)
}

// ViolationQuery selects violations.
type ViolationQuery struct {
	Window
	Policy      string // "": of every policy
	BlockedOnly bool   // leave out what would have been blocked
	Limit       int    // 1..1000
}

// ReadinessSource estimates whether traffic was watched long enough.
type ReadinessSource interface {
	// Readiness answers for the whole estate first, then per policy.
	Readiness(ctx context.Context, w Window) ([]policy.Readiness, error)
}

// ProposalSource turns violations back into policy.
type ProposalSource interface {
	// Proposals says what to do about the violations of a window of the saved
	// policies: rules with their evidence, and decisions.
	Proposals(ctx context.Context, w Window) (*policy.Proposals, error)
	// AcceptProposals saves the named rules ("policy/rule") of Proposals into their
	// policies, and returns the names of the policies that have a new version.
	AcceptProposals(ctx context.Context, author string, names []string, reason string) ([]string, error)
}

// violation is a policy.Violation with its ends named.
type violation struct {
	Time       flow.Time      `json:"time"`
	Client     view.Ref       `json:"client"`
	ClientAddr string         `json:"clientAddr"` // with port when known
	Server     view.Ref       `json:"server"`
	ServerAddr string         `json:"serverAddr"`
	Service    flow.Service   `json:"service"`
	Outcome    policy.Outcome `json:"outcome"`
	Inbound    bool           `json:"inbound"`
	Policy     string         `json:"policy"`
	Rule       string         `json:"rule"`
	Host       string         `json:"host"`
	Process    string         `json:"process"`
	Suppressed uint64         `json:"suppressed"`
}

// getViolations lists what live policies forbade, or would have.
func (s *server) getViolations(w http.ResponseWriter, r *http.Request) error {
	p := &params{r: r}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	q := ViolationQuery{Window: win, Policy: p.text("policy"), BlockedOnly: p.oneOf("outcome", "all", "blocked") == "blocked", Limit: p.number("limit", 1, 1000, 200)}
	if p.err != nil {
		return p.err
	}
	if s.Violations == nil {
		return Errorf(CodeUnsupported, "this server reads no violations")
	}
	list, err := s.Violations.Violations(r.Context(), q)
	if err != nil {
		return err
	}
	x, err := s.index(r, Window{})
	if err != nil { // violations can be read without a map; only names are missing then
		x = view.NewIndex(&topology.Map{})
	}
	out := make([]violation, len(list))
	for i := range list {
		out[i] = violationOf(&list[i], x)
	}
	return reply(w, r, map[string]any{"violations": out})
}

func violationOf(v *policy.Violation, x *view.Index) violation {
	return violation{
		Time: v.Time, Service: v.Service, Outcome: v.Outcome, Inbound: v.Inbound, Policy: v.Policy, Rule: v.Rule, Host: v.Host, Process: v.Process, Suppressed: v.Suppressed,
		Client: x.RefOfParty(v.Client), ClientAddr: endpoint(v.Client.Addr, v.ClientPort, v.Service.Proto),
		Server: x.RefOfParty(v.Server), ServerAddr: endpoint(v.Server.Addr, v.Service.Port, v.Service.Proto),
	}
}

// readiness is a policy.Readiness whose rare dependencies are named.
type readiness struct {
	policy.Readiness
	Rare []rare `json:"rare"`
}

type rare struct {
	From     string    `json:"from"`
	To       string    `json:"to"`
	Service  string    `json:"service"`
	Day      flow.Time `json:"day"`
	MonthEnd bool      `json:"monthEnd"`
}

// getReadiness says whether enforcing today would be safe.
func (s *server) getReadiness(w http.ResponseWriter, r *http.Request) error {
	p := &params{r: r}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	if s.Readiness == nil {
		return Errorf(CodeUnsupported, "this server estimates no readiness")
	}
	list, err := s.Readiness.Readiness(r.Context(), win)
	if err != nil {
		return err
	}
	out := make([]readiness, len(list))
	for i := range list {
		out[i] = readiness{Readiness: list[i], Rare: []rare{}}
		for _, d := range list[i].Rare {
			out[i].Rare = append(out[i].Rare, rare{d.From, d.To, serviceText(d.Service), d.Day, d.MonthEnd})
		}
	}
	return reply(w, r, map[string]any{"readiness": out})
}
