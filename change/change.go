package change

import (
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Change is one change of policy. It is a value; Steps are only ever added.
type Change struct {
	ID      string    `json:"id"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason,omitempty"`
	Created time.Time `json:"created"`
	// Hash and Policy are what is to be in force at the end, Base and BaseHash what
	// was when it was planned ("" for nothing).
	Hash     string `json:"hash"`
	Policy   string `json:"policy"`
	BaseHash string `json:"baseHash,omitempty"`
	Base     string `json:"base,omitempty"`

	Effects  []string  `json:"effects"` // who can newly reach what, or no longer, in words
	Ruleset  []string  `json:"ruleset"` // what changes in the kernel that planned it, a line each
	Forecast Forecast  `json:"forecast"`
	Segments []Segment `json:"segments"` // in the order they are taken
	Steps    []Step    `json:"steps"`
}

// Forecast is what the change does to recorded traffic. Without any, Until is 0.
type Forecast struct {
	Since      flow.Time       `json:"since"`
	Until      flow.Time       `json:"until"`
	Legitimate policy.SimTotal `json:"legitimate"` // would break, and looks legitimate
	Expected   policy.SimTotal `json:"expected"`   // would break, and waits for a decision or was denied
	Stopped    policy.SimTotal `json:"stopped"`    // attempts that it stops
	// Violations are the dependencies that will be reported once it is in force,
	// busiest first, capped.
	Violations []Violation `json:"violations"`
}

// Violation is a dependency that a change forbids.
type Violation struct {
	Client      string         `json:"client"`
	Server      string         `json:"server"`
	Service     flow.Service   `json:"service"`
	Connections uint64         `json:"connections"`
	Policy      string         `json:"policy"`
	Concern     policy.Concern `json:"concern,omitempty"` // "" looks legitimate
}

// Segment is a part of a change that is taken by itself: one policy.
type Segment struct {
	Policy   string            `json:"policy"`
	Kind     Kind              `json:"kind"`
	Stage    policy.Stage      `json:"stage"` // it will have
	Priority topology.Priority `json:"priority"`
	// Workloads it protects, and how many others depend on them.
	Workloads  int             `json:"workloads"`
	Dependents int             `json:"dependents"`
	Breaks     policy.SimTotal `json:"breaks"`   // of recorded traffic that looks legitimate
	AtRisk     float64         `json:"atRisk"`   // legitimate dependencies likely still unseen, that would show within the horizon
	Coverage   float64         `json:"coverage"` // of readiness, 0..1; 0 when not known
	Risk       float64         `json:"risk"`     // what segments are ordered by, least first
	Why        []string        `json:"why"`      // the reasons of the risk, weightiest first
	// Canary are the workloads that take it first, by id; empty when there are too
	// few to choose among.
	Canary []string `json:"canary"`
}

// Kind says what a segment does.
type Kind string

const (
	Lifts    Kind = "lifts"    // the policy goes, or goes back to a milder stage
	Monitors Kind = "monitors" // nothing is blocked: what would be is reported
	Changes  Kind = "changes"  // a policy that is enforced already has other rules
	Enforces Kind = "enforces" // blocking begins
)

// Step is something that was done.
type Step struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // planned, applied, confirmed, rolled-back
	By      string    `json:"by"`
	Why     string    `json:"why,omitempty"`
	Host    string    `json:"host,omitempty"` // where
	Segment int       `json:"segment"`        // up to which segment, from 1; 0 for none
	Version int       `json:"version,omitempty"`
	Hash    string    `json:"hash,omitempty"` // of the policies that were put in force
}

// States of a change on a host, or of all of it.
const (
	Planned    = "planned"
	Waiting    = "applied" // and not confirmed
	Partly     = "partly confirmed"
	Done       = "confirmed"
	RolledBack = "rolled-back"
)

// On says how far the change is on a host: its state there and the last segment
// confirmed, 0 for none.
func (c *Change) On(host string) (state string, segment int) {
	state = Planned
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Host != host {
			continue
		}
		switch s.Event {
		case "applied":
			state = Waiting
		case "confirmed":
			segment = max(segment, s.Segment)
			state = Partly
			if segment >= len(c.Segments) {
				state = Done
			}
		case "rolled-back":
			state, segment = RolledBack, 0
		}
	}
	return state, segment
}

// Hosts lists where steps were taken, sorted.
func (c *Change) Hosts() (out []string) {
	for i := range c.Steps {
		if h := c.Steps[i].Host; h != "" && !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	slices.Sort(out)
	return out
}

// State is the state of all of it: that of its hosts when they agree.
func (c *Change) State() string {
	state := Planned
	for i, h := range c.Hosts() {
		s, _ := c.On(h)
		if i > 0 && s != state {
			return Partly
		}
		state = s
	}
	return state
}

// At is the set that is in force once the first n segments are taken: their
// policies as the change has them, the others as they were, or in monitor when they
// are new.
func (c *Change) At(n int) (*policy.Set, error) {
	next, err := policy.Parse([]byte(c.Policy), "change "+c.ID)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > len(c.Segments) {
		return nil, fmt.Errorf("change %s: segment %d of %d", c.ID, n, len(c.Segments))
	}
	before := &policy.Set{}
	if c.Base != "" {
		if before, err = policy.Parse([]byte(c.Base), "base of change "+c.ID); err != nil {
			return nil, err
		}
	}
	return mix(before, next, c.Segments[n:]), nil
}

// mix is next with the segments still to come as they are before.
func mix(before, next *policy.Set, later []Segment) *policy.Set {
	out := *next
	out.Policies = slices.Clone(next.Policies)
	for _, s := range later {
		old := find(before, s.Policy)
		at := slices.IndexFunc(out.Policies, func(p policy.Policy) bool { return p.Name == s.Policy })
		switch {
		case old != nil && at >= 0:
			out.Policies[at] = *old
		case old != nil:
			out.Policies = append(out.Policies, *old)
		case at >= 0:
			out.Policies[at].Stage = min(out.Policies[at].Stage, policy.Monitor)
		}
	}
	for _, n := range before.Networks { // what policies of before may name
		if !slices.ContainsFunc(out.Networks, func(o topology.Network) bool { return o.Name == n.Name }) {
			out.Networks = append(slices.Clone(out.Networks), n)
		}
	}
	return out.Normal()
}

func find(s *policy.Set, name string) *policy.Policy {
	for i := range s.Policies {
		if s.Policies[i].Name == name {
			return &s.Policies[i]
		}
	}
	return nil
}
