package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// ChangeSource keeps the changes of policy that people planned and took.
type ChangeSource interface {
	// Changes lists them without their details, newest first.
	Changes(ctx context.Context) ([]Change, error)
	// Change returns one whole.
	Change(ctx context.Context, id string) (*ChangeDetail, error)
}

// Change is one change of policy, from its plan to the end of its watch.
type Change struct {
	ID       string       `json:"id"`
	Author   string       `json:"author"`
	Reason   string       `json:"reason"`
	Created  time.Time    `json:"created"`
	State    string       `json:"state"`    // "planned", "applied", "partly confirmed", "confirmed", "rolled-back"
	Segments int          `json:"segments"` // it is taken in
	Hosts    []ChangeHost `json:"hosts"`    // where steps were taken
}

// ChangeHost is how far a change is on one host.
type ChangeHost struct {
	Host    string `json:"host"`
	State   string `json:"state"`
	Segment int    `json:"segment"` // the last confirmed one, 0 for none
}

// ChangeDetail is all of a change.
type ChangeDetail struct {
	Change
	Effects  []string        `json:"effects"` // who can newly reach what, or no longer, in words
	Ruleset  []string        `json:"ruleset"` // what changes in the kernel that planned it
	Forecast ChangeForecast  `json:"forecast"`
	Plan     []ChangeSegment `json:"plan"` // least risky first
	Steps    []ChangeStep    `json:"steps"`
}

// ChangeForecast is what recorded traffic says the change will stop.
type ChangeForecast struct {
	Since      flow.Time         `json:"since"`
	Until      flow.Time         `json:"until"` // 0: there was no traffic to judge by
	Legitimate policy.SimTotal   `json:"legitimate"`
	Expected   policy.SimTotal   `json:"expected"`
	Stopped    policy.SimTotal   `json:"stopped"`
	Violations []ForecastedBreak `json:"violations"` // busiest first
}

// ForecastedBreak is a dependency that will be reported once the change is in force.
type ForecastedBreak struct {
	Client      string         `json:"client"` // node id
	Server      string         `json:"server"`
	Service     flow.Service   `json:"service"`
	Connections uint64         `json:"connections"`
	Policy      string         `json:"policy"`
	Concern     policy.Concern `json:"concern"` // "": looks legitimate
}

// ChangeSegment is a part of a change that is taken by itself.
type ChangeSegment struct {
	Policy     string            `json:"policy"`
	Kind       string            `json:"kind"` // "lifts", "monitors", "changes", "enforces"
	Stage      policy.Stage      `json:"stage"`
	Priority   topology.Priority `json:"priority"`
	Workloads  int               `json:"workloads"`
	Dependents int               `json:"dependents"`
	Breaks     policy.SimTotal   `json:"breaks"`
	AtRisk     float64           `json:"atRisk"`
	Why        []string          `json:"why"`
	Canary     []string          `json:"canary"` // workloads that take it first
}

// ChangeStep is something that was done.
type ChangeStep struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	Host    string    `json:"host"`
	Segment int       `json:"segment"`
}

// watchFor is how long a change is watched after it came into force.
const watchFor = 48 * time.Hour

// watched compares what enforcement points reported since a change came into force
// with what was forecast.
type watched struct {
	Since      time.Time     `json:"since"`
	Until      time.Time     `json:"until"`
	Over       bool          `json:"over"`
	Foreseen   uint64        `json:"foreseen"` // violations that the forecast named
	Unforeseen uint64        `json:"unforeseen"`
	Rows       []watchedEdge `json:"rows"` // unforeseen ones, most reported first; at most 50
}

type watchedEdge struct {
	Client  view.Ref     `json:"client"`
	Server  view.Ref     `json:"server"`
	Service flow.Service `json:"service"`
	Policy  string       `json:"policy"`
	Count   uint64       `json:"count"`
	Last    flow.Time    `json:"last"`
}

func (s *server) getChanges(w http.ResponseWriter, r *http.Request) error {
	if s.Changes == nil {
		return Errorf(CodeUnsupported, "this server keeps no changes")
	}
	list, err := s.Changes.Changes(r.Context())
	if err != nil {
		return err
	}
	return reply(w, r, map[string]any{"changes": orEmpty(list)})
}

// getChange answers with one change and what was seen since it came into force.
func (s *server) getChange(w http.ResponseWriter, r *http.Request) error {
	if s.Changes == nil {
		return Errorf(CodeUnsupported, "this server keeps no changes")
	}
	c, err := s.Changes.Change(r.Context(), pathParam(r, "id"))
	if err != nil {
		return err
	}
	out := struct {
		*ChangeDetail
		Watch *watched `json:"watch,omitempty"`
	}{ChangeDetail: c}
	if out.Watch, err = s.watch(r, c); err != nil {
		return err
	}
	return reply(w, r, out)
}

// watch is nil for a change that is not in force, or on a server without violations.
func (s *server) watch(r *http.Request, c *ChangeDetail) (*watched, error) {
	var began time.Time
	for i := range c.Steps {
		switch c.Steps[i].Event {
		case "applied":
			if began.IsZero() {
				began = c.Steps[i].Time
			}
		case "rolled-back":
			began = time.Time{}
		}
	}
	if began.IsZero() || s.Violations == nil {
		return nil, nil
	}
	out := &watched{Since: began, Until: began.Add(watchFor), Over: s.Now().After(began.Add(watchFor)), Rows: []watchedEdge{}}
	list, err := s.Violations.Violations(r.Context(), ViolationQuery{Window: Window{Since: flow.TimeOf(began), Until: flow.TimeOf(out.Until)}, Limit: watchedViolations})
	if err != nil {
		return nil, err
	}
	x, err := s.index(r, Window{})
	if err != nil { // only names are missing without a map
		x = view.NewIndex(&topology.Map{})
	}
	out.count(x, c, list)
	return out, nil
}
