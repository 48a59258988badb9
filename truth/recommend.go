package main

import (
	"cmp"
	"fmt"
	"math"
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

// watched is an estate with the map made of what was seen of it.
type watched struct {
	estate *scenario.Estate
	m      *topology.Map
	probes []flow.Probe
	at     map[string]int32 // node by id
}

// watchEstate maps an estate with the operator's labels or without any.
func watchEstate(o scenario.Options, labels bool) (*watched, error) {
	e, err := scenario.Generate(o)
	if err != nil {
		return nil, err
	}
	index, err := topology.NewIndex(e.Inventory(labels))
	if err != nil {
		return nil, err
	}
	edges, probes := e.Edges()
	since, until := e.Window()
	m, err := mapper.Build(mapper.Input{Since: since, Until: until, Edges: edges, Probes: probes, Names: e.Names(), Index: index}, mapper.Options{})
	if err != nil {
		return nil, err
	}
	w := &watched{e, m, probes, map[string]int32{}}
	for i := range m.Graph.Nodes {
		w.at[m.Graph.Nodes[i].ID] = int32(i)
	}
	return w, nil
}

// recommendSection scores recommendations against what is legitimate.
func recommendSection(r *report) error {
	plant, err := scenario.Plant()
	if err != nil {
		return err
	}
	hospital, err := scenario.Hospital()
	if err != nil {
		return err
	}
	all := []policy.Level{policy.Ringfence, policy.Tier, policy.ServiceLevel, policy.WorkloadLevel}
	service := all[2:3]
	var rows [][]string
	for _, c := range []struct {
		name    string
		options scenario.Options
		given   bool
		levels  []policy.Level
	}{
		{"labels given", scenario.Options{}, true, all},
		{"labels from the map", scenario.Options{}, false, all},
		{"no names seen", scenario.Options{Noise: scenario.Noise{NoNames: true}}, false, service},
		{"three days missing", scenario.Options{Noise: scenario.Noise{MissingDays: 3}}, false, service},
		{"20 % seen one way", scenario.Options{Noise: scenario.Noise{OneWay: 0.2}}, false, service},
		{"another seed", scenario.Options{Seed: 7}, false, service},
		{"1,000 workloads", scenario.Options{Workloads: 1000}, false, service},
		{"a plant, labels given", scenario.Options{Spec: plant}, true, service},
		{"a plant", scenario.Options{Spec: plant}, false, service},
		{"a hospital, labels given", scenario.Options{Spec: hospital}, true, service},
		{"a hospital", scenario.Options{Spec: hospital}, false, service},
	} {
		w, err := watchEstate(c.options, c.given)
		if err != nil {
			return err
		}
		for _, level := range c.levels {
			row, err := w.recommendRow(level)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			rows = append(rows, append([]string{c.name}, row...))
		}
	}
	r.heading("What is recommended")
	r.text("The demonstration estate. Legitimate and illegitimate count client, server and service triples\n" +
		"that happened; allowed are those the recommendation lets pass once enforced. Rules per pair: one\n" +
		"for each pair of groups and service; per address: one for each triple. Pairs allowed, never seen:\n" +
		"of groups with a service; at the level of services that is the baseline for every workload (names,\n" +
		"time, logging) and the port ranges generalised on evidence. Without names no environment is known,\n" +
		"so nothing can be said to cross one. Vendor: workloads that the vendor's network reaches over what\n" +
		"was seen, today and enforced.\n")
	r.table([]string{"estate", "level", "policies", "rules", "per pair", "per address", "pairs allowed, never seen", "legitimate allowed", "illegitimate allowed", "decisions", "vendor reaches"}, rows)
	if err := boutiqueTable(r); err != nil {
		return err
	}
	return readinessTable(r)
}

func (w *watched) recommendRow(level policy.Level) ([]string, error) {
	rec, err := recommender.Recommend(w.m, w.probes, recommender.Options{Level: level, Networks: w.estate.Inventory(false).Networks})
	if err != nil {
		return nil, err
	}
	judge := policy.NewEvaluator(rec.Set.AtStage(policy.Enforce))
	var good, goodAllowed, bad, badAllowed int
	for _, x := range w.estate.Truth().Edges {
		c, ok1 := w.at[x.ClientID]
		s, ok2 := w.at[x.ServerID]
		if !ok1 || !ok2 {
			continue
		}
		v := judge.Evaluate(policy.Facts{Client: policy.PartyOf(w.m, c), Server: policy.PartyOf(w.m, s), Service: x.Service})
		passes := v.Outcome == policy.Allowed || v.Outcome == policy.Untouched
		switch {
		case x.Legitimate && passes:
			goodAllowed++
			fallthrough
		case x.Legitimate:
			good++
		case passes:
			badAllowed++
			fallthrough
		default:
			bad++
		}
	}
	rules := 0
	for _, p := range rec.Set.Policies {
		rules += len(p.Rules)
	}
	pairs, unseen := w.overPermission(judge)
	vendor := "-"
	if today, err := recommender.BlastRadius(w.m, nil, "net:vendor-vpn"); err == nil { // other estates have other vendors
		draft, err := recommender.BlastRadius(w.m, rec.Set, "net:vendor-vpn")
		if err != nil {
			return nil, err
		}
		vendor = fmt.Sprintf("%d → %d", today.Reachable, draft.Reachable)
	}
	return []string{level.String(), strconv.Itoa(len(rec.Set.Policies)), strconv.Itoa(rules), strconv.Itoa(pairs), strconv.Itoa(len(w.m.Graph.Deps)), strconv.Itoa(unseen),
		fmt.Sprintf("%d of %d", goodAllowed, good), fmt.Sprintf("%d of %d", badAllowed, bad), strconv.Itoa(len(rec.Decisions)), vendor}, nil
}

// overPermission counts the pairs of groups with a service that were seen, and
// those that judge allows between the first workloads of two groups although nobody
// of the one group was seen to use that service of the other. Services are those
// the server's group was seen to serve.
func (w *watched) overPermission(judge *policy.Evaluator) (seen, unseen int) {
	type use struct {
		client, server string
		service        flow.Service
	}
	used := map[use]bool{}
	serves := map[string]map[flow.Service]bool{}
	first := map[string]int32{}
	for i := range w.m.Graph.Nodes {
		g := w.group(int32(i))
		if _, ok := first[g]; !ok && w.m.Graph.Nodes[i].Inside() {
			first[g] = int32(i)
		}
	}
	for i := range w.m.Graph.Deps {
		d := &w.m.Graph.Deps[i]
		u := use{w.group(d.Client), w.group(d.Server), d.Service}
		used[u] = true
		if serves[u.server] == nil {
			serves[u.server] = map[flow.Service]bool{}
		}
		serves[u.server][d.Service] = true
	}
	for client, c := range first {
		for server, s := range first {
			for svc := range serves[server] {
				if used[use{client, server, svc}] {
					continue
				}
				if v := judge.Evaluate(policy.Facts{Client: policy.PartyOf(w.m, c), Server: policy.PartyOf(w.m, s), Service: svc}); v.Outcome == policy.Allowed && v.Policy != "" {
					unseen++
				}
			}
		}
	}
	return len(used), unseen
}

func (w *watched) group(i int32) string {
	l := w.m.Labels[i]
	if l[topology.LabelApp] == "" {
		return w.m.Graph.Nodes[i].ID
	}
	return l[topology.LabelRole] + "/" + l[topology.LabelApp] + "/" + l[topology.LabelEnv]
}

// boutiqueTable sets rules made of real calls beside the policies people wrote for
// the same shop.
func boutiqueTable(r *report) error {
	human, err := readCSV(filepath.Join(testenv.Corpus(), "online-boutique", "allowed-edges.csv"))
	if err != nil {
		r.text("The online boutique is not on this machine: set BULKHEAD_CORPUS.\n")
		return nil
	}
	calls, err := readCSV(filepath.Join(testenv.Corpus(), "nezha-online-boutique", "edges.csv"))
	if err != nil {
		return err
	}
	allowed, port := map[[2]string]bool{}, map[string]uint16{}
	for _, h := range human {
		n, err := strconv.ParseUint(h[4], 10, 16)
		if err != nil {
			continue // "any" and denials
		}
		from, to := strings.TrimPrefix(h[1], "app="), strings.TrimPrefix(h[2], "app=")
		allowed[[2]string{from, to}] = true
		port[to] = uint16(n)
	}
	m, total := boutiqueMap(calls, port)
	rec, err := recommender.Recommend(m, nil, recommender.Options{Level: policy.ServiceLevel})
	if err != nil {
		return err
	}
	judge := policy.NewEvaluator(rec.Set.AtStage(policy.Enforce))
	pass, inside, outside := uint64(0), 0, 0
	for i := range m.Graph.Deps {
		d := &m.Graph.Deps[i]
		if judge.Evaluate(policy.Facts{Client: policy.PartyOf(m, d.Client), Server: policy.PartyOf(m, d.Server), Service: d.Service}).Outcome == policy.Allowed {
			pass += d.Flows
		}
	}
	for c := range m.Graph.Nodes {
		for s := range m.Graph.Nodes {
			svc := flow.Service{Proto: flow.TCP, Port: port[m.Graph.Nodes[s].ID]}
			if v := judge.Evaluate(policy.Facts{Client: policy.PartyOf(m, int32(c)), Server: policy.PartyOf(m, int32(s)), Service: svc}); v.Outcome != policy.Allowed {
				continue
			}
			if allowed[[2]string{m.Graph.Nodes[c].ID, m.Graph.Nodes[s].ID}] {
				inside++
			} else {
				outside++
			}
		}
	}
	rules := 0
	for _, p := range rec.Set.Policies {
		rules += len(p.Rules)
	}
	r.text("Online boutique: rules made of recorded calls, beside the policies its authors wrote. At most 13\n" +
		"of the human pairs can be found: the others were never called in the recording.\n")
	r.table([]string{"calls", "calls allowed", "rules", "human rules", "pairs also in the human policy", "pairs outside it"},
		[][]string{{strconv.FormatUint(total, 10), percent(int(pass), int(total)), strconv.Itoa(rules), strconv.Itoa(len(human) - 2), fmt.Sprintf("%d of %d", inside, len(allowed)), strconv.Itoa(outside)}})
	return nil
}

// boutiqueMap is the map of the recorded calls: one workload per service, and the
// port its policy gives it.
func boutiqueMap(calls [][]string, port map[string]uint16) (m *topology.Map, total uint64) {
	start := scenario.DefaultStart
	m = &topology.Map{Since: flow.TimeOf(start), Until: flow.TimeOf(start.AddDate(0, 0, 2))}
	at := map[string]int32{}
	for _, c := range calls {
		at[c[0]], at[c[1]] = 0, 0
	}
	for id := range at {
		m.Graph.Nodes = append(m.Graph.Nodes, topology.Node{ID: id, Name: id, Kind: topology.NodeWorkload, Labels: topology.Labels{"role": id, "app": "boutique"}})
	}
	slices.SortFunc(m.Graph.Nodes, func(a, b topology.Node) int { return cmp.Compare(a.ID, b.ID) })
	for i, n := range m.Graph.Nodes {
		at[n.ID] = int32(i)
		m.Labels = append(m.Labels, n.Labels)
	}
	for _, c := range calls {
		n, _ := strconv.ParseUint(c[2], 10, 64)
		total += n
		m.Graph.Deps = append(m.Graph.Deps, topology.Dependency{Client: at[c[0]], Server: at[c[1]], Service: flow.Service{Proto: flow.TCP, Port: port[c[1]]},
			EdgeStats: flow.EdgeStats{Flows: n, First: m.Since, Last: m.Until, Days: 2, Evidence: flow.EvidenceSYN, Confidence: 100}})
	}
	slices.SortFunc(m.Graph.Deps, func(a, b topology.Dependency) int {
		return cmp.Or(cmp.Compare(a.Client, b.Client), cmp.Compare(a.Server, b.Server), a.Service.Compare(b.Service))
	})
	return m, total
}

// readinessDays is how long the estate is generated for; what the first days
// predict is compared with what the next show.
const (
	readinessDays    = 42
	readinessHorizon = 14
)

// readinessTable holds out the days after a watch.
func readinessTable(r *report) error {
	w, err := watchEstate(scenario.Options{Days: readinessDays, Rate: 0.5}, true)
	if err != nil {
		return err
	}
	seen, err := w.daysSeen()
	if err != nil {
		return err
	}
	var rows [][]string
	for _, days := range []int{3, 5, 7, 10, 14, 21, 28} {
		rows = append(rows, w.readinessRow(seen, days))
	}
	r.text(fmt.Sprintf("Readiness: what the first days of %d predict to come in the next %d (legitimate dependencies\n"+
		"between groups), and what came. Jobs that close the month come once in four weeks: until one was\n"+
		"watched no figure can know of it, and the words say so; they are counted apart. Inside: what came\n"+
		"besides them lies in the 95 %% interval, rounded outwards. Chao's estimator (Biometrics 43, 1987) in\n"+
		"the form of Colwell et al. (J. Plant Ecology 5, 2012), coverage after Good (1953) and Chao and Jost (2012).\n", readinessDays, readinessHorizon))
	r.table([]string{"days watched", "seen", "coverage", "unseen, 95 %", "predicted to come, 95 %", "came", "inside", "month-end, besides", "month-end seen"}, rows)
	return nil
}

// daysSeen marks the days of every legitimate edge.
func (w *watched) daysSeen() (map[triple]uint64, error) {
	monthly := map[triple]bool{}
	legitimate := map[triple]bool{}
	for _, x := range w.estate.Truth().Edges {
		k := triple{x.Client.Workload, x.Server.Workload, x.Service}
		legitimate[k] = x.Legitimate && k.client != 0 && k.server != 0
		monthly[k] = strings.Contains(x.Why, "month")
	}
	start, _ := w.estate.Window()
	seen := map[triple]uint64{}
	err := w.estate.Flows(func(f flow.Record) error {
		k := triple{f.ClientWorkload, f.ServerWorkload, f.Key.Service()}
		if f.Established() && legitimate[k] {
			seen[k] |= 1 << uint((f.First-start)/flow.Time(24*time.Hour))
		}
		return nil
	})
	for k := range seen {
		if monthly[k] {
			seen[k] |= monthlyMark
		}
	}
	return seen, err
}

// monthlyMark is a bit no day of the window has.
const monthlyMark = 1 << 63

type triple struct {
	client, server uint64
	service        flow.Service
}

func (w *watched) readinessRow(seen map[triple]uint64, days int) []string {
	past := uint64(1)<<days - 1
	future := (uint64(1)<<(days+readinessHorizon) - 1) &^ past
	first := *w.m
	first.Until = first.Since.Add(time.Duration(days) * 24 * time.Hour)
	first.Graph.Deps = nil
	var incidence []flow.Incidence
	known, coming := map[string]bool{}, map[string]uint64{}
	for i := range w.m.Graph.Deps {
		d := w.m.Graph.Deps[i]
		k := triple{topology.WorkloadKey(w.m.Graph.Nodes[d.Client].ID), topology.WorkloadKey(w.m.Graph.Nodes[d.Server].ID), d.Service}
		name := w.group(d.Client) + "|" + w.group(d.Server) + "|" + d.Service.String()
		if seen[k]&future != 0 {
			coming[name] |= seen[k]
		}
		if seen[k]&past == 0 {
			continue
		}
		known[name] = true
		first.Graph.Deps = append(first.Graph.Deps, d)
		incidence = append(incidence, flow.Incidence{Client: flow.Party{Workload: k.client}, Server: flow.Party{Workload: k.server}, Service: k.service, Days: seen[k] & past})
	}
	came, monthly := 0, 0
	for name, bits := range coming {
		if known[name] {
			continue
		}
		came++
		if bits&monthlyMark != 0 {
			monthly++
		}
	}
	x := recommender.Readiness(&first, w.probes, incidence, readinessHorizon)[0]
	inside := "no"
	if n := float64(came - monthly); math.Floor(x.AtRiskLow) <= n && n <= math.Ceil(x.AtRiskHigh) {
		inside = "yes"
	}
	return []string{strconv.Itoa(days), strconv.Itoa(x.Observed), two(x.Coverage), fmt.Sprintf("%.1f (%.1f to %.1f)", x.Unseen, x.UnseenLow, x.UnseenHigh),
		fmt.Sprintf("%.1f (%.1f to %.1f)", x.AtRisk, x.AtRiskLow, x.AtRiskHigh), strconv.Itoa(came - monthly), inside, strconv.Itoa(monthly), strconv.Itoa(x.Monthly)}
}
