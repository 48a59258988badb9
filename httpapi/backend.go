package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Backend is what the API needs of the program. Implementations are safe for
// concurrent use, return values that nobody changes afterwards, and report
// failures people should understand as *Error; every other error is logged and
// shown as an internal one.
type Backend interface {
	StatusSource
	MapSource
	Advisor
	Documents
}

// StatusSource says how the program is doing.
type StatusSource interface {
	Status(ctx context.Context) (*Status, error)
}

// Window is a span of recorded traffic; zero means unbounded on that side.
type Window struct {
	Since, Until flow.Time
}

// MapSource reads what was seen.
type MapSource interface {
	// Map returns the map of a window. It returns the same pointer as long as the
	// map has not changed: what is derived from it is cached by pointer.
	Map(ctx context.Context, w Window) (*topology.Map, error)
	// Flows returns the newest records that match, at most q.Limit.
	Flows(ctx context.Context, q FlowQuery) ([]flow.Record, error)
}

// FlowQuery selects raw flow records. Client and Server list the addresses of
// either end; an empty list matches every address.
type FlowQuery struct {
	Window
	Client, Server []topology.Node // ends; a workload matches by id or its addresses
	Service        *flow.Service   // nil for any
	Limit          int             // 1..1000
}

// Advisor recommends policy and says what it would do.
type Advisor interface {
	Recommend(ctx context.Context, q RecommendQuery) (*policy.Recommendation, error)
	// Simulate replays a set over a window.
	Simulate(ctx context.Context, set *policy.Set, w Window) (*policy.Simulation, error)
	// Reach says how far a compromise of one node spreads; set nil means today.
	Reach(ctx context.Context, q ReachQuery) (*policy.Reach, error)
	// ParsePolicy reads policy documents; its errors name line and nearest word.
	ParsePolicy(ctx context.Context, yaml []byte) (*policy.Set, error)
	// FormatPolicy is the inverse: canonical YAML.
	FormatPolicy(ctx context.Context, set *policy.Set) ([]byte, error)
	// ExportFormats lists what Export can write, sorted by name.
	ExportFormats() []ExportFormat
	// Export writes set in a format and returns what it could not express.
	Export(ctx context.Context, q ExportQuery, w io.Writer) (losses []string, err error)
}

// RecommendQuery asks for a recommendation.
type RecommendQuery struct {
	Window
	Level policy.Level
	Scope policy.Selector // empty: the whole estate
	// Base builds on the policies people saved; Recommendation.Changes says how.
	Base bool
}

// ReachQuery asks how far From could reach.
type ReachQuery struct {
	Window
	From string      // node id
	Set  *policy.Set // nil: as things are today
}

// ExportFormat is one way to write a policy down.
type ExportFormat struct {
	Name        string `json:"name"` // "nftables", "csv", "markdown"
	Title       string `json:"title"`
	Extension   string `json:"extension"` // with dot
	ContentType string `json:"contentType"`
}

// ExportQuery asks for one.
type ExportQuery struct {
	Window
	Format string
	Set    *policy.Set
	// Recommendation is what Set came from, nil when it was written by hand.
	Recommendation *policy.Recommendation
}

// Documents keeps what people decide, append-only.
type Documents interface {
	// ListDocuments returns the newest version of every document of a kind, or of
	// all kinds for "", without bodies.
	ListDocuments(ctx context.Context, kind string) ([]Document, error)
	// Document returns one version, 0 for the newest.
	Document(ctx context.Context, kind, name string, version uint64) (*Document, error)
	// SaveDocument appends a version and returns its number. d.Version is the
	// version it was based on (0 for a new document); a stale one is CodeConflict.
	SaveDocument(ctx context.Context, d Document) (uint64, error)
	// DecideLabels accepts or refuses label proposals, all or none.
	DecideLabels(ctx context.Context, author string, decisions []LabelDecision) error
	// Decide records what a person says about a Decision of a recommendation.
	Decide(ctx context.Context, author string, d Decided) error
}

// Document is a versioned text that a person is answerable for.
type Document struct {
	Kind    string    `json:"kind"` // "inventory", "labels", "policy", "decisions"
	Name    string    `json:"name"`
	Version uint64    `json:"version"`
	Author  string    `json:"author"`
	Reason  string    `json:"reason,omitempty"`
	Time    time.Time `json:"time"`
	Hash    string    `json:"hash"` // of Body
	Body    string    `json:"body,omitempty"`
}

// LabelDecision is a person's word on one label of one node.
type LabelDecision struct {
	Node   string `json:"node"` // id
	Key    string `json:"key"`
	Value  string `json:"value"`
	Accept bool   `json:"accept"`
}

// Decided is a person's word on a decision card.
type Decided struct {
	ID     string `json:"id"`     // policy.Decision.ID
	Answer string `json:"answer"` // "allow", "deny", "watch"
	Reason string `json:"reason,omitempty"`
}
