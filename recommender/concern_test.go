package recommender_test

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// smallNodes is a hand-made estate: ID, labels as role/app/env, infrastructure
// kind, priority.
var smallNodes = []struct {
	id, labels, kind string
	priority         topology.Priority
}{
	{"10.9.9.9", "", "", 0}, // an address nobody listed
	{"api", "api/pay/prod", "", topology.PriorityCritical},
	{"dc", "dc/directory/prod", "directory", topology.PriorityCritical},
	{"dev", "app/lab/dev", "", 0},
	{"files", "files/office/prod", "files", 0},
	{"ftp", "ftp/exchange/prod", "", 0},
	{"internet", "", "", 0},
	{"jump", "jump/jump/prod", "jump", topology.PriorityHigh},
	{"mon", "mon/monitoring/prod", "monitoring", 0},
	{"net:partner", "", "", 0},
	{"net:vendor-vpn", "", "", 0},
	{"scan", "scan/security/prod", "scanner", 0},
	{"web", "web/shop/prod", "", 0},
	{"ws1", "workstation/office/prod", "", 0},
	{"ws2", "workstation/office/prod", "", 0},
}

type sighting struct {
	client, server, service string
	flows                   uint64
	days                    uint32
	evidence                flow.Evidence
}

func smallMap(seen []sighting) *topology.Map {
	start := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	m := &topology.Map{Since: flow.TimeOf(start), Until: flow.TimeOf(start.AddDate(0, 0, 10))}
	at := map[string]int32{}
	for i, n := range smallNodes {
		at[n.id] = int32(i)
		node := topology.Node{ID: n.id, Name: strings.TrimPrefix(n.id, "net:"), Kind: topology.NodeWorkload, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})}}
		switch {
		case n.id == "internet":
			node.Kind, node.Addrs = topology.NodeInternet, []netip.Addr{netip.MustParseAddr("8.8.8.8")}
		case strings.HasPrefix(n.id, "net:"):
			node.Kind, node.Addrs = topology.NodeNetwork, []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}
		case n.labels == "":
			node.Kind, node.Addrs = topology.NodeAddress, []netip.Addr{netip.MustParseAddr(n.id)}
		default:
			l := strings.Split(n.labels, "/")
			node.Labels = topology.Labels{"role": l[0], "app": l[1], "env": l[2]}
		}
		m.Graph.Nodes = append(m.Graph.Nodes, node)
		m.Labels = append(m.Labels, node.Labels)
		m.Priorities = append(m.Priorities, n.priority)
		if n.kind != "" {
			m.Infrastructure = append(m.Infrastructure, topology.Finding{Node: int32(i), Kind: n.kind})
		}
	}
	for _, s := range seen {
		svc, err := flow.ParseService(s.service)
		if err != nil {
			panic(err)
		}
		first := start.AddDate(0, 0, 3)
		m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: at[s.client], Server: at[s.server], Service: svc, EdgeStats: flow.EdgeStats{Flows: s.flows, Days: s.days,
			First: flow.TimeOf(first), Last: flow.TimeOf(first.AddDate(0, 0, int(s.days)-1)), Evidence: cmp.Or(s.evidence, flow.EvidenceSYN), Confidence: 100}})
	}
	slices.SortFunc(m.Graph.Deps, func(a, b topology.Dependency) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), a.Service.Compare(b.Service))
	})
	return m
}

// What is allowed silently and what a person is asked about, one dependency at a
// time.
func TestConcerns(t *testing.T) {
	for _, c := range []struct {
		why  string
		seen sighting
		want policy.Concern
	}{
		{"ordinary traffic of one environment", sighting{"web", "api", "tcp/9443", 90, 8, 0}, ""},
		{"the internet may use a web server", sighting{"internet", "web", "tcp/443", 90, 8, 0}, ""},
		{"but not administer it", sighting{"internet", "web", "tcp/22", 90, 8, 0}, policy.ConcernVendor},
		{"a vendor may use a web interface", sighting{"net:vendor-vpn", "web", "tcp/443", 90, 8, 0}, ""},
		{"but not in clear text", sighting{"net:vendor-vpn", "web", "tcp/8080", 90, 8, 0}, policy.ConcernVendor},
		{"nor files", sighting{"net:vendor-vpn", "files", "tcp/445", 90, 8, 0}, policy.ConcernVendor},
		{"nor anything of what is critical", sighting{"net:vendor-vpn", "api", "tcp/443", 90, 8, 0}, policy.ConcernVendor},
		{"a partner's web traffic to what is critical is business", sighting{"net:partner", "api", "tcp/443", 90, 8, 0}, ""},
		{"a partner's database access is not", sighting{"net:partner", "api", "tcp/5432", 90, 8, 0}, policy.ConcernVendor},
		{"an unknown machine and what is critical", sighting{"10.9.9.9", "api", "tcp/443", 90, 8, 0}, policy.ConcernUnlabelled},
		{"an unknown machine and what is not", sighting{"10.9.9.9", "web", "tcp/443", 90, 8, 0}, ""},
		{"development to production", sighting{"dev", "web", "tcp/9000", 90, 8, 0}, policy.ConcernCrossEnv},
		{"in clear text", sighting{"dev", "web", "tcp/80", 90, 8, 0}, policy.ConcernCleartext},
		{"administering it", sighting{"dev", "web", "tcp/22", 90, 8, 0}, policy.ConcernAdmin},
		{"production to development is a deployment", sighting{"web", "dev", "tcp/9000", 90, 8, 0}, ""},
		{"directories serve every environment", sighting{"dev", "dc", "tcp/389", 90, 8, 0}, ""},
		{"by RPC too", sighting{"dev", "dc", "tcp/135", 90, 8, 0}, ""},
		{"but nobody administers them from below", sighting{"dev", "dc", "tcp/3389", 90, 8, 0}, policy.ConcernAdmin},
		{"jump hosts are for people above", sighting{"dev", "jump", "tcp/3389", 90, 8, 0}, policy.ConcernAdmin},
		{"monitoring polls everything", sighting{"mon", "api", "tcp/10050", 90, 8, 0}, ""},
		{"desks and file servers", sighting{"ws1", "files", "tcp/445", 90, 8, 0}, ""},
		{"desks among themselves", sighting{"ws1", "ws2", "tcp/445", 90, 8, 0}, policy.ConcernWorkstation},
		{"other services among desks", sighting{"ws1", "ws2", "tcp/7000", 90, 8, 0}, ""},
		{"used once", sighting{"web", "jump", "tcp/3389", 2, 1, 0}, policy.ConcernOneOff},
		{"rarely, but on several days", sighting{"web", "jump", "tcp/9000", 2, 2, 0}, ""},
		{"a client's port with a weak direction", sighting{"web", "api", "tcp/51234", 90, 8, flow.EvidenceFirstSeen}, policy.ConcernReversed},
		{"the same port with a handshake seen", sighting{"web", "api", "tcp/51234", 90, 8, flow.EvidenceSYN}, ""},
	} {
		rec, err := recommender.Recommend(smallMap([]sighting{c.seen}), nil, recommender.Options{Level: policy.ServiceLevel})
		if err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		got := policy.Concern("")
		if len(rec.Decisions) > 0 {
			got = rec.Decisions[0].Concern
		}
		if got != c.want {
			t.Errorf("%s: %s → %s %s: concern %q, want %q", c.why, c.seen.client, c.seen.server, c.seen.service, got, c.want)
		}
		if allowed := len(rec.Evidence) == 1; allowed != (c.want == "") {
			t.Errorf("%s: %d rules for concern %q", c.why, len(rec.Evidence), got)
		}
	}
}

// A scanner's sweep is a question, and so is whatever else is odd about it, all in
// one; what it uses like anybody else is not.
func TestScannersAreJudgedByWhatTheyMiss(t *testing.T) {
	m := smallMap([]sighting{{"scan", "api", "tcp/22", 1, 1, 0}, {"scan", "web", "tcp/22", 1, 1, 0}, {"scan", "dc", "tcp/636", 40, 8, 0}, {"scan", "jump", "tcp/3389", 1, 1, 0}})
	var probes []flow.Probe
	for i := range 10 {
		probes = append(probes, flow.Probe{Client: flow.Party{Workload: topology.WorkloadKey("scan")}, Server: flow.Party{Addr: netip.AddrFrom4([4]byte{10, 1, 0, byte(i)})},
			Service: flow.Service{Proto: flow.TCP, Port: 22}, Outcome: flow.Unanswered, Attempts: 1, Targets: 1})
	}
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel})
	if err != nil {
		t.Fatal(err)
	}
	if len(rec.Decisions) != 1 || rec.Decisions[0].Concern != policy.ConcernScanner || rec.Decisions[0].Total != 3 {
		t.Errorf("decisions: %+v", rec.Decisions)
	}
	if len(rec.Evidence) != 1 || rec.Evidence[0].Policy != "directory-prod" {
		t.Errorf("rules: %s", policy.Format(rec.Set))
	}
}

// Ports are generalised on evidence only, and the rule says which was seen.
func TestPortsAreGeneralisedOnEvidence(t *testing.T) {
	for _, c := range []struct {
		why      string
		services []string
		want     string
		words    string
	}{
		{"an endpoint mapper beside a dynamic port", []string{"tcp/135", "tcp/49700"}, "tcp/135 tcp/49152-65535", "seen: 49700"},
		{"no endpoint mapper", []string{"tcp/49700"}, "tcp/49700", ""},
		{"passive FTP", []string{"tcp/21", "tcp/2001", "tcp/2002", "tcp/50000"}, "tcp/21 tcp/1024-65535", "seen: 2001, 2002 and 50000"},
		{"passive FTP on high ports only", []string{"tcp/21", "tcp/33001", "tcp/40002", "tcp/50000"}, "tcp/21 tcp/32768-65535", "seen: 33001, 40002 and 50000"},
		{"FTP with too few data ports", []string{"tcp/21", "tcp/2001"}, "tcp/21 tcp/2001", ""},
		{"a known service is never swallowed", []string{"tcp/21", "tcp/2001", "tcp/2002", "tcp/2003", "tcp/3389"}, "tcp/21 tcp/1024-65535 tcp/3389", ""},
	} {
		var seen []sighting
		for _, s := range c.services {
			seen = append(seen, sighting{"web", "ftp", s, 90, 8, 0})
		}
		rec, err := recommender.Recommend(smallMap(seen), nil, recommender.Options{Level: policy.ServiceLevel})
		if err != nil {
			t.Fatal(err)
		}
		var rule policy.Rule
		for _, p := range rec.Set.Policies {
			if len(p.Rules) > 0 {
				rule = p.Rules[0]
			}
		}
		got := policy.ServiceStrings(rule.Services)
		if strings.Join(got, " ") != c.want || !strings.Contains(rule.Description, c.words) {
			t.Errorf("%s: %v (%s), want %s", c.why, got, rule.Description, c.want)
		}
	}
}
