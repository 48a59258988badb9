package main

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// described is one system of the corpus with what is known of its right policy.
// The names of its services are the system's labels, or, with a slash, the
// application and the role.
type described struct {
	dataset, name string
	calls         []call
	left          int             // see system
	expected      func(call) bool // whether the policies that come with it allow; nil: none come
	rules         int             // clauses of those policies; of np-guard those about pods, inbound
	recorded      bool            // events of single pods, not a description of services
}

// machinesOf is how many machines each described service gets. Each is seen with
// one of the machines of a service it calls, though all of them are legitimate.
const machinesOf = 3

// loadDescribed reads the systems of np-guard-topology and microsecend, and the
// traces of inspektor-gadget-advise.
func loadDescribed() ([]described, error) {
	var out []described
	for _, source := range []struct {
		dataset, glob string
		load          loader
		policies      bool
	}{
		{"np-guard-topology", "*/expected_netpol_output.*", loadPolicies, true},
		{"microsecend", "*/*.json", loadDiagram, false},
	} {
		systems, err := loadFrom(filepath.Join(testenv.Corpus(), source.dataset, source.glob), source.load)
		if err != nil {
			return nil, err
		}
		for _, s := range systems {
			d := described{dataset: source.dataset, name: s.name, calls: s.calls, left: s.left}
			if source.policies {
				d.expected, d.rules = func(c call) bool { return slices.Contains(s.calls, c) }, len(s.calls)
			}
			out = append(out, d)
		}
	}
	advised, err := loadAdvised()
	return append(out, advised...), err
}

// network is a described system as machines with labels, watched for a week.
type network struct {
	machines map[string][]string // service → workloads
	calls    []call              // distinct
	m        *topology.Map
	at       map[string]int32 // node by id
}

func (d *described) network() (*network, error) {
	n := &network{machines: map[string][]string{}, at: map[string]int32{}}
	addr := map[string]netip.Addr{}
	inv := &topology.Inventory{}
	machines := machinesOf
	if d.recorded {
		machines = 1
	}
	for _, c := range d.calls {
		if slices.Contains(n.calls, c) {
			continue
		}
		n.calls = append(n.calls, c)
		for _, name := range []string{c.client, c.server} {
			for k := len(n.machines[name]); k < machines; k++ {
				id := fmt.Sprintf("%s-%d", name, k)
				i := len(inv.Workloads)
				addr[id] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
				inv.Workloads = append(inv.Workloads, topology.Workload{ID: id, Name: id, Labels: d.labels(name), Addresses: []topology.Address{{Addr: addr[id]}}})
				n.machines[name] = append(n.machines[name], id)
			}
		}
	}
	index, err := topology.NewIndex(inv)
	if err != nil {
		return nil, err
	}
	since, until := flow.TimeOf(scenario.DefaultStart), flow.TimeOf(scenario.DefaultStart.Add(7*24*time.Hour))
	party := func(id string) flow.Party { return flow.Party{Addr: addr[id], Workload: topology.WorkloadKey(id)} }
	var edges []flow.Edge
	for _, c := range n.calls {
		clients, servers := n.machines[c.client], n.machines[c.server]
		for k := range clients {
			edges = append(edges, flow.Edge{Client: party(clients[k]), Server: party(servers[(k+1)%machines]), Service: c.service,
				EdgeStats: flow.EdgeStats{Flows: 700, Packets: 7000, Bytes: 700_000, First: since, Last: until, Days: 7, Hours: 100, Evidence: flow.EvidenceSYN, Confidence: 100, Sensors: 1}})
		}
	}
	n.m, err = mapper.Build(mapper.Input{Since: since, Until: until, Edges: edges, Index: index}, mapper.Options{})
	if err != nil {
		return nil, err
	}
	for i := range n.m.Graph.Nodes {
		n.at[n.m.Graph.Nodes[i].ID] = int32(i)
	}
	return n, nil
}

func (d *described) labels(service string) topology.Labels {
	app, role := d.name, service
	if a, r, ok := strings.Cut(service, "/"); ok {
		app, role = a, r
	}
	return topology.Labels{topology.LabelApp: app, topology.LabelRole: role}
}

// describedScore is what a recommendation at the level of services makes of a system.
type describedScore struct {
	services, pairs, seen  int // services; pairs of them with a port, seen; triples of machines seen
	legitimate, allowed    int // triples of machines
	rules, decisions       int
	unseen, notExpected    int // pairs with a port that pass: never seen; not allowed by the expected policies
	expected, expectedPass int // seen pairs that the expected policies allow; of them those that pass
}

func (d *described) score() (s describedScore, err error) {
	n, err := d.network()
	if err != nil {
		return s, err
	}
	rec, err := recommender.Recommend(n.m, nil, recommender.Options{Level: policy.ServiceLevel})
	if err != nil {
		return s, err
	}
	judge := policy.NewEvaluator(rec.Set.AtStage(policy.Enforce))
	passes := func(client, server string, svc flow.Service) bool {
		v := judge.Evaluate(policy.Facts{Client: policy.PartyOf(n.m, n.at[client]), Server: policy.PartyOf(n.m, n.at[server]), Service: svc})
		return v.Outcome == policy.Allowed || v.Outcome == policy.Untouched
	}
	s.services, s.pairs, s.seen, s.decisions = len(n.machines), len(n.calls), len(n.m.Graph.Deps), len(rec.Decisions)
	for _, p := range rec.Set.Policies {
		s.rules += len(p.Rules)
	}
	for _, c := range n.calls {
		for _, from := range n.machines[c.client] {
			for _, to := range n.machines[c.server] {
				if from == to {
					continue
				}
				s.legitimate++
				if passes(from, to, c.service) {
					s.allowed++
				}
			}
		}
	}
	d.compare(n, passes, &s)
	return s, nil
}

// compare counts the pairs of services with a port that pass against those that
// were seen and those that the expected policies allow.
func (d *described) compare(n *network, passes func(client, server string, svc flow.Service) bool, s *describedScore) {
	for _, c := range n.candidates() {
		clients, servers := n.machines[c.client], n.machines[c.server]
		pass := passes(clients[0], servers[len(servers)-1], c.service)
		seen := slices.Contains(n.calls, c)
		if pass && !seen {
			s.unseen++
		}
		if d.expected == nil {
			continue
		}
		switch right := d.expected(c); {
		case pass && !right:
			s.notExpected++
		case right && seen && pass:
			s.expectedPass++
			fallthrough
		case right && seen:
			s.expected++
		}
	}
}

// candidates are all ordered pairs of services with every port that any service
// of the system has, and the ports beside it, where a rule too wide would show.
func (n *network) candidates() []call {
	services := map[flow.Service]bool{}
	for _, c := range n.calls {
		for _, port := range []uint16{c.service.Port - 1, c.service.Port, c.service.Port + 1} {
			services[flow.Service{Proto: c.service.Proto, Port: port}] = true
		}
	}
	var out []call
	for client := range n.machines {
		for server := range n.machines {
			if client == server && len(n.machines[client]) == 1 {
				continue // one machine does not cross the network to itself
			}
			for s := range services {
				out = append(out, call{client, server, s})
			}
		}
	}
	return out
}

func (d *described) row() ([]string, error) {
	s, err := d.score()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", d.dataset, d.name, err)
	}
	rules, found, notExpected := "none come", "-", "-"
	if d.expected != nil {
		rules, found, notExpected = strconv.Itoa(d.rules), fmt.Sprintf("%d of %d", s.expectedPass, s.expected), strconv.Itoa(s.notExpected)
	}
	allowed := fmt.Sprintf("%d of %d", s.allowed, s.legitimate)
	if len(d.calls) == 0 {
		allowed, found = "no events", "-"
	}
	return []string{d.dataset, d.name, strconv.Itoa(s.services), strconv.Itoa(d.left), allowed, "none known", strconv.Itoa(s.rules), rules,
		strconv.Itoa(s.pairs), strconv.Itoa(s.seen), found, strconv.Itoa(s.unseen), notExpected, strconv.Itoa(s.decisions)}, nil
}

// describedSection scores recommendations for the systems of the corpus.
func describedSection(r *report) error {
	r.heading("What is recommended for described systems")
	systems, err := loadDescribed()
	if err != nil {
		return err
	}
	if len(systems) == 0 {
		r.text("No corpus here; set BULKHEAD_CORPUS.")
		return nil
	}
	var rows [][]string
	for i := range systems {
		row, err := systems[i].row()
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	r.text(describedWords)
	r.table([]string{"dataset", "system", "services", "left out", "legitimate allowed", "illegitimate allowed", "rules", "expected rules", "per pair", "per address",
		"expected pairs found", "allowed, never seen", "allowed, not expected", "decisions"}, rows)
	return nil
}

const describedWords = `Systems that others described, and traces with the policies another tool makes of them; at the
level of services, labels given. A described service is three machines: each was seen with one
machine of what it calls, and all are legitimate. A trace is one machine for each pod it names.
Legitimate counts triples of machines and service. No dataset knows of traffic that is wrong.
Expected rules: one for each peer and port of the policies that come with the dataset. Those are
made by tools, not by people; of np-guard-topology the inbound half, which is also what the flows
are made of, and of inspektor-gadget-advise both halves, so that one pair can count twice.
microsecend comes with no policies; its diagrams do not say who is the server, and the receiver
is taken to be it. Left out: flows or clauses with an end that is no service of the system, such
as users, or anyone. Per pair and per address: one rule for each pair of services and port, or of
machines and port, that was seen; a recommended rule names all clients of one service together,
which is why there are fewer. Allowed, never seen, and allowed, not expected: pairs of
services, over every port of the system and its neighbours, that pass. Ways out of the system are
not compared: the expected policies close them, a recommendation does so only when asked.
`
