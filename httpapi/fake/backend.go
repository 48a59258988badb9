package fake

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Backend answers from memory. Set Err to make everything fail. Safe for
// concurrent use as long as its fields are left alone.
type Backend struct {
	Estate *topology.Map
	Err    error

	mu        sync.Mutex
	Documents map[string][]httpapi.Document // by kind/name, oldest first
	Labels    []httpapi.LabelDecision
	Answers   []httpapi.Decided
	Imported  []topology.Workload // by ImportInventory
	Shared    []topology.InfrastructureDecision
	Groups    []topology.GroupDecision
	Claims    []topology.Claim
	Accepted  []string // proposals
}

var _ httpapi.Backend = (*Backend)(nil)

// New returns a backend over Estate(last).
func New(last time.Time) *Backend {
	return &Backend{Estate: Estate(last), Documents: map[string][]httpapi.Document{}}
}

// Options are those of a server that can be asked everything.
func (b *Backend) Options(log *slog.Logger) httpapi.Options {
	return httpapi.Options{Log: log, Violations: b, Readiness: b, Exposure: b, Identities: b, Inventory: b, History: b, Decider: b, Claimer: b, Proposals: b, Changes: b, Hosts: b}
}

// Status implements httpapi.StatusSource.
func (b *Backend) Status(context.Context) (*httpapi.Status, error) {
	if b.Err != nil {
		return nil, b.Err
	}
	return &httpapi.Status{
		Version: "test", Started: b.Estate.Until, Ready: true, Store: "in memory", First: b.Estate.Since, Last: b.Estate.Until, Rows: 412345,
		Stages: []httpapi.Stage{
			{Name: "capture", Sensor: "store-tap", Unit: "packets", Received: 1204331, Passed: 1204001, Drops: []httpapi.Drop{{Reason: "not-ip", Count: 300}, {Reason: "truncated", Count: 30}}},
			{Name: "netflow", Sensor: "192.0.2.1", Unit: "records", Received: 88012, Passed: 87100, Deduplicated: 900, Drops: []httpapi.Drop{{Reason: "no-template", Count: 12}}},
			{Name: "writer", Unit: "records", Received: 412345, Passed: 412345, Drops: []httpapi.Drop{}},
		},
		Jobs: []httpapi.Job{{ID: "1", Name: "import estate.pcap", State: "done", Done: 7, Total: 7, Unit: "bytes"}},
	}, nil
}

// Map implements httpapi.MapSource; the window does not matter.
func (b *Backend) Map(context.Context, httpapi.Window) (*topology.Map, error) { return b.Estate, b.Err }

// Flows implements httpapi.MapSource with one record per pair of ends.
func (b *Backend) Flows(_ context.Context, q httpapi.FlowQuery) ([]flow.Record, error) {
	var out []flow.Record
	for i := range min(q.Limit, 20) {
		r := flow.Record{
			ID: uint64(i + 1), First: b.Estate.Until.Add(-time.Duration(i) * time.Minute), Last: b.Estate.Until, Outcome: flow.Established,
			Evidence: flow.EvidenceSYN, Confidence: 99, ClientPackets: 10, ServerPackets: 12, ClientBytes: 1400, ServerBytes: 9000, Sensor: "store-tap", Source: flow.SourcePackets,
			Key: flow.Key{Client: addrOf(q.Client, i), Server: addrOf(q.Server, i), ClientPort: uint16(40000 + i), ServerPort: 443, Proto: flow.TCP},
		}
		if q.Service != nil {
			r.Key.Proto, r.Key.ServerPort = q.Service.Proto, q.Service.Port
		}
		out = append(out, r)
	}
	return out, b.Err
}

func addrOf(nodes []topology.Node, i int) netip.Addr {
	if len(nodes) == 0 || len(nodes[i%len(nodes)].Addrs) == 0 {
		return netip.MustParseAddr("192.0.2.99")
	}
	return nodes[i%len(nodes)].Addrs[0]
}

// ParsePolicy implements httpapi.Advisor.
func (b *Backend) ParsePolicy(_ context.Context, text []byte) (*policy.Set, error) {
	return policy.Parse(text, "policy.yaml")
}

// FormatPolicy implements httpapi.Advisor.
func (b *Backend) FormatPolicy(_ context.Context, set *policy.Set) ([]byte, error) {
	return policy.Format(set), nil
}

// ExportFormats implements httpapi.Advisor.
func (b *Backend) ExportFormats() []httpapi.ExportFormat {
	return []httpapi.ExportFormat{
		{Name: "csv", Title: "Spreadsheet (CSV)", Extension: ".csv", ContentType: "text/csv"},
		{Name: "nftables", Title: "nftables ruleset", Extension: ".nft", ContentType: "text/plain; charset=utf-8"},
	}
}

// Export implements httpapi.Advisor with a line per policy.
func (b *Backend) Export(_ context.Context, q httpapi.ExportQuery, w io.Writer) ([]string, error) {
	for _, p := range q.Set.Policies {
		if _, err := fmt.Fprintf(w, "%s,%s,%d rules\n", q.Format, p.Name, len(p.Rules)); err != nil {
			return nil, err
		}
	}
	return []string{"process matches are left out"}, b.Err
}

// ListDocuments implements httpapi.Documents.
func (b *Backend) ListDocuments(_ context.Context, kind string) ([]httpapi.Document, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []httpapi.Document
	for _, versions := range b.Documents {
		if d := versions[len(versions)-1]; kind == "" || d.Kind == kind {
			d.Body = ""
			out = append(out, d)
		}
	}
	return out, b.Err
}

// Document implements httpapi.Documents.
func (b *Backend) Document(_ context.Context, kind, name string, version uint64) (*httpapi.Document, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	versions := b.Documents[kind+"/"+name]
	if version == 0 {
		version = uint64(len(versions))
	}
	if version == 0 || version > uint64(len(versions)) {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "no version %d of %s %s", version, kind, name)
	}
	return &versions[version-1], nil
}

// SaveDocument implements httpapi.Documents.
func (b *Backend) SaveDocument(_ context.Context, d httpapi.Document) (uint64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	versions := b.Documents[d.Kind+"/"+d.Name]
	if d.Version != uint64(len(versions)) {
		return 0, httpapi.Errorf(httpapi.CodeConflict, "%s %s is at version %d by now", d.Kind, d.Name, len(versions))
	}
	d.Version++
	b.Documents[d.Kind+"/"+d.Name] = append(versions, d)
	return d.Version, nil
}

// DecideLabels implements httpapi.Documents.
func (b *Backend) DecideLabels(_ context.Context, _ string, decisions []httpapi.LabelDecision) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Labels = append(b.Labels, decisions...)
	return b.Err
}

// Decide implements httpapi.Documents.
func (b *Backend) Decide(_ context.Context, _ string, d httpapi.Decided) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Answers = append(b.Answers, d)
	return b.Err
}

// Violations implements httpapi.ViolationSource: the vendor's controllers are
// refused by a live policy.
func (b *Backend) Violations(_ context.Context, q httpapi.ViolationQuery) ([]policy.Violation, error) {
	var out []policy.Violation
	for _, d := range b.Estate.Graph.Deps {
		if b.concern(d) == "" || len(out) == q.Limit {
			continue
		}
		v := policy.Violation{
			Time: d.Last, Service: d.Service, Outcome: policy.WouldBlock, Inbound: true, Policy: "point-of-sale-prod", Host: b.Estate.Graph.Nodes[d.Server].ID, Suppressed: d.Flows,
			Client: flow.Party{Addr: b.Estate.Graph.Nodes[d.Client].Addrs[0]}, Server: flow.Party{Addr: b.Estate.Graph.Nodes[d.Server].Addrs[0]}, ClientPort: 40000,
		}
		if !q.BlockedOnly {
			out = append(out, v)
		}
	}
	return out, b.Err
}

// Readiness implements httpapi.ReadinessSource with one figure for all.
func (b *Backend) Readiness(context.Context, httpapi.Window) ([]policy.Readiness, error) {
	r := policy.Readiness{
		Days: 14, Observed: 60, Once: 4, Twice: 2, Coverage: 0.99, Unseen: 4, UnseenLow: 1, UnseenHigh: 15.5, AtRisk: 2.5, Horizon: 30, HalveAfter: 12,
		Words: "Enforcing today risks about 3 legitimate dependencies in the next 30 days.",
		Rare:  []policy.RareDependency{{From: "analytics etl", To: "customers db", Service: policy.Service{Proto: flow.TCP, From: 3306, To: 3306}, Day: b.Estate.Until, MonthEnd: true}},
	}
	one := r
	one.Policy, one.Rare = "payments-prod", nil
	return []policy.Readiness{r, one}, b.Err
}
