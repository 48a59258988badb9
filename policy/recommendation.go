package policy

import (
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Level is how tight a recommendation is, from permissive to tight.
type Level uint8

const (
	Ringfence     Level = iota // all inside an application; between applications by service
	Tier                       // role to role, all services
	ServiceLevel               // role to role, by service: the default
	WorkloadLevel              // workload to workload, by service
)

// Evidence is what was seen that a rule stands on.
type Evidence struct {
	Rule   string `json:"rule"`   // Rule.Name
	Policy string `json:"policy"` // Policy.Name
	flow.EdgeStats
	Rhythm     flow.Rhythm           `json:"rhythm"`  // how regularly it was seen
	Clients    int                   `json:"clients"` // workloads on the client side
	Servers    int                   `json:"servers"`
	Decided    bool                  `json:"decided,omitempty"` // a person allowed it; the traffic alone would not have
	Confidence float64               `json:"ruleConfidence"`    // 0..1, that the rule is wanted as written
	Examples   []topology.Dependency `json:"examples"`          // at most 5, busiest first; index Map.Graph.Nodes
}

// Concern says why a dependency is put before a person rather than allowed.
type Concern string

const (
	ConcernScanner     Concern = "scanner"
	ConcernOneOff      Concern = "one-off"
	ConcernCleartext   Concern = "cleartext-across-environments"
	ConcernAdmin       Concern = "administration-across-environments"
	ConcernVendor      Concern = "vendor-access"
	ConcernCrossEnv    Concern = "across-environments"
	ConcernReversed    Concern = "reversed-looking"
	ConcernUnlabelled  Concern = "unlabelled-to-critical"
	ConcernWorkstation Concern = "workstation-to-workstation"
	// ConcernUnproven is traffic that only a violation says was tried: nobody saw it
	// answered.
	ConcernUnproven Concern = "unproven"
	// ConcernNAT is traffic of an address that many machines share, or none: who
	// asked, or who answered, is not known.
	ConcernNAT Concern = "nat"
)

// Decision is a group of observed dependencies that are not allowed silently: a
// person says allow, deny or watch.
type Decision struct {
	ID       string                `json:"id"` // stable between runs
	Concern  Concern               `json:"concern"`
	Title    string                `json:"title"`
	Why      string                `json:"why"`
	Policy   string                `json:"policy"` // the policy Rule would join
	Rule     Rule                  `json:"rule"`   // what "allow" would add
	Deps     []topology.Dependency `json:"deps"`   // at most 20, busiest first
	Total    int                   `json:"total"`  // dependencies in all
	Stats    flow.EdgeStats        `json:"stats"`
	Priority topology.Priority     `json:"priority"` // of the most important server
	// Answer is what a person said: AnswerAllow, AnswerDeny or AnswerWatch; "" while
	// nobody has.
	Answer string `json:"answer,omitempty"`
}

// Answers to a Decision. Allow puts its rule into the set; deny and watch leave it
// out, deny for good.
const (
	AnswerAllow = "allow"
	AnswerDeny  = "deny"
	AnswerWatch = "watch"
)

// Coverage is the share of observed connections a set allows.
type Coverage struct {
	Policy       string `json:"policy"` // "" for the whole estate
	Connections  uint64 `json:"connections"`
	Allowed      uint64 `json:"allowed"`
	Dependencies int    `json:"dependencies"`
	AllowedDeps  int    `json:"allowedDependencies"`
}

// Recommendation is a set of policies in draft with what justifies it.
type Recommendation struct {
	Level     Level      `json:"level"`
	Since     flow.Time  `json:"since"`
	Until     flow.Time  `json:"until"`
	Set       *Set       `json:"set"`
	Evidence  []Evidence `json:"evidence"` // one per rule, in the set's order
	Decisions []Decision `json:"decisions"`
	Coverage  []Coverage `json:"coverage"` // overall first, then per policy
	// Before is the coverage of the set it builds on; nil when there was none.
	Before []Coverage `json:"coverageBefore,omitempty"`
	Notes  []string   `json:"notes,omitempty"`
	// Changes compares the set with the one it builds on: one per rule; nil when
	// there was none to build on.
	Changes []RuleChange `json:"changes,omitempty"`
}

// Class is one of the four ways a simulation sorts traffic and rules.
type Class uint8

const (
	ClassAllowed    Class = iota // allowed and seen
	ClassWouldBreak              // seen and established, not allowed
	ClassNeverUsed               // allowed by a rule, not seen
	ClassStopped                 // probes that the set stops
)

// SimRow is one dependency (or probe) under a set.
type SimRow struct {
	Class Class `json:"class"`
	// Concern says why what would break is expected to: it waits for a decision or
	// was denied one. "" is traffic that looks legitimate.
	Concern     Concern             `json:"concern,omitempty"`
	Dep         topology.Dependency `json:"dep"` // indexes Simulation.Nodes
	Verdict     Verdict             `json:"verdict"`
	Connections uint64              `json:"connections"`
	Decision    string              `json:"decision,omitempty"` // Decision.ID it waits for
}

// Break is what would break, folded: all that waits for one decision, or all that
// looks legitimate between two groups.
type Break struct {
	Concern      Concern        `json:"concern,omitempty"` // "" looks legitimate
	Decision     string         `json:"decision,omitempty"`
	What         string         `json:"what"` // "scan01 to 172 servers"
	Services     []flow.Service `json:"services"`
	Dependencies int            `json:"dependencies"`
	Connections  uint64         `json:"connections"`
	Last         flow.Time      `json:"last"`
	Why          string         `json:"why"` // of the busiest
}

// RuleUse is how often a rule decided.
type RuleUse struct {
	Policy      string    `json:"policy"`
	Rule        string    `json:"rule"`
	Connections uint64    `json:"connections"`
	Deps        int       `json:"dependencies"`
	LastHit     flow.Time `json:"lastHit"` // 0 when never
}

// Simulation is a set replayed over a window of recorded traffic, judged as if
// every policy were enforced.
type Simulation struct {
	Since  flow.Time       `json:"since"`
	Until  flow.Time       `json:"until"`
	Hash   string          `json:"hash"` // of the set
	Nodes  []topology.Node `json:"nodes"`
	Totals [4]SimTotal     `json:"totals"` // by Class
	// Expected is the part of would-break that is a Concern; the rest of it looks
	// legitimate and is Legitimate.
	Expected   SimTotal  `json:"expected"`
	Legitimate SimTotal  `json:"legitimate"`
	Rows       []SimRow  `json:"rows"`   // would-break first, busiest first; capped by the caller
	Breaks     []Break   `json:"breaks"` // all that would break, folded; legitimate first, busiest first
	Rules      []RuleUse `json:"rules"`
	// Untouched counts connections neither end of which the set protects.
	Untouched uint64     `json:"untouched"`
	Coverage  []Coverage `json:"coverage"`
}

// SimTotal sums one class.
type SimTotal struct {
	Dependencies int    `json:"dependencies"`
	Connections  uint64 `json:"connections"`
	Bytes        uint64 `json:"bytes"`
}

// Reach is how far a compromise of one place could spread.
type Reach struct {
	From      string       `json:"from"`      // node id or selector
	Reachable int          `json:"reachable"` // inside nodes, the start not counted
	Inside    int          `json:"inside"`    // inside nodes in all
	ByHop     []int        `json:"byHop"`     // newly reached per hop, hop 1 first
	Paths     []AttackPath `json:"paths"`     // to critical nodes, shortest first; capped
}

// AttackPath is a chain of dependencies a compromise could follow.
type AttackPath struct {
	Nodes    []int32        `json:"nodes"` // indexes the graph's nodes, start first
	Services []flow.Service `json:"services"`
}
