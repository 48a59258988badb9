package main

import (
	"fmt"
	"net/netip"
	"os"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/mapper/baseline"
	"github.com/bulkhead/bulkhead/topology"
	"github.com/bulkhead/bulkhead/truth/score"
)

// mixture puts all systems into one network without names: every service as a
// number of machines at addresses in no order, each using every machine of the
// services it calls, and all of them using two resolvers and a log collector and
// being polled by a monitor.
type mixture struct {
	replicas  int
	renumber  bool // ports say nothing either
	machines  []machine
	byService map[string][]int // "system/service" → machines
	edges     []flow.Edge
}

type machine struct {
	addr         netip.Addr
	app, service string // "" for shared infrastructure
}

const sharedApp = ""

func newMixture(systems []system, replicas int, renumber bool) *mixture {
	x := &mixture{replicas: replicas, renumber: renumber, byService: map[string][]int{}}
	for _, s := range systems {
		for _, c := range s.calls {
			x.connect(x.service(s.name, c.client, replicas), x.service(s.name, c.server, replicas), c.service)
		}
	}
	all := make([]int, len(x.machines))
	for i := range all {
		all[i] = i
	}
	dns, logs, monitor := x.service(sharedApp, "dns", 2), x.service(sharedApp, "logging", 1), x.service(sharedApp, "monitoring", 1)
	x.connect(all, dns, flow.Service{Proto: flow.UDP, Port: 53})
	x.connect(all, logs, flow.Service{Proto: flow.TCP, Port: 6514})
	x.connect(monitor, all, flow.Service{Proto: flow.TCP, Port: 9100})
	return x
}

// service returns the machines of a service, made on first use. Addresses are
// spread over 10/8 by a multiplicative hash, so that they say nothing.
func (x *mixture) service(app, name string, replicas int) []int {
	key := app + "/" + name
	for len(x.byService[key]) < replicas {
		n := uint32(len(x.machines)+1) * 2654435761
		addr := netip.AddrFrom4([4]byte{10, byte(n >> 24), byte(n >> 16), byte(n >> 8)})
		x.byService[key] = append(x.byService[key], len(x.machines))
		x.machines = append(x.machines, machine{addr, app, name})
	}
	return x.byService[key]
}

func (x *mixture) connect(clients, servers []int, s flow.Service) {
	if x.renumber {
		s.Port = uint16(uint32(s.Port)*40503%60000 + 1024)
	}
	for _, c := range clients {
		for _, v := range servers {
			if c == v {
				continue
			}
			x.edges = append(x.edges, flow.Edge{Client: flow.Party{Addr: x.machines[c].addr}, Server: flow.Party{Addr: x.machines[v].addr}, Service: s,
				EdgeStats: flow.EdgeStats{Flows: 100, Packets: 1000, Bytes: 100_000, First: 1, Last: 2, Days: 1, Hours: 1, Confidence: 100}})
		}
	}
}

// tables compare a partition with systems and with services.
func (x *mixture) table(m *topology.Map, of []int32, role bool) *score.Table {
	at := map[string]machine{}
	for _, k := range x.machines {
		at[k.addr.String()] = k
	}
	var want []string
	var got []int32
	for i, n := range m.Graph.Nodes {
		k := at[n.ID]
		switch {
		case role:
			want = append(want, k.app+"/"+k.service)
		case k.app == sharedApp:
			continue
		default:
			want = append(want, k.app)
		}
		got = append(got, alone(of, i))
	}
	return score.Compare(want, got)
}

func (x *mixture) infrastructure(m *topology.Map) score.Found {
	want, got := map[string]bool{}, map[string]bool{}
	for _, k := range x.machines {
		if k.app == sharedApp {
			want[k.addr.String()] = true
		}
	}
	for _, f := range m.Infrastructure {
		got[m.Graph.Nodes[f.Node].ID] = true
	}
	return score.Sets(want, got)
}

func systemsSection(r *report) error {
	systems, err := loadSystems()
	if err != nil {
		return err
	}
	if len(systems) == 0 {
		r.heading("Described systems in one network")
		r.text("No corpus here; set BULKHEAD_CORPUS.")
		fmt.Fprintln(os.Stdout, "no corpus in", testenv.Corpus())
		return nil
	}
	var rows [][]string
	for _, v := range []struct {
		name     string
		replicas int
		renumber bool
	}{{"3 machines a service", 3, false}, {"3 machines, renumbered", 3, true}, {"1 machine a service", 1, false}, {"1 machine, renumbered", 1, true}} {
		x := newMixture(systems, v.replicas, v.renumber)
		m, err := mapper.Build(mapper.Input{Edges: x.edges}, mapper.Options{})
		if err != nil {
			return err
		}
		infra := x.infrastructure(m)
		rows = append(rows, []string{v.name, fmt.Sprint(len(systems)), fmt.Sprint(len(m.Graph.Nodes)), fmt.Sprint(len(m.Applications)),
			two(x.table(m, m.AppOf, false).ARI()), two(vMeasure(x.table(m, m.AppOf, false))), two(x.table(m, baseline.Louvain(&m.Graph, 1), false).ARI()),
			two(x.table(m, baseline.Components(&m.Graph), false).ARI()), two(x.table(m, m.RoleOf, true).ARI()), two(vMeasure(x.table(m, m.RoleOf, true))),
			two(infra.Precision()), two(infra.Recall())})
	}
	r.heading("Described systems in one network, no names")
	r.text("Services and calls of microsecend, np-guard-topology, online-boutique and nezha-online-boutique; resolvers, a log collector and a monitor added.\n")
	r.table([]string{"network", "systems", "nodes", "applications found", "applications ARI", "V", "Louvain ARI", "components ARI", "roles ARI", "V", "infra precision", "infra recall"}, rows)
	return nil
}

// seedSection repeats the default estate under other seeds, so that one lucky
// draw is not taken for the rule.
func seedSection(r *report) error {
	var rows [][]string
	for _, v := range []struct {
		name  string
		noise scenario.Noise
	}{{"names", scenario.Noise{}}, {"no names", scenario.Noise{NoNames: true}}, {"renumbered, no names", scenario.Noise{NoNames: true, Renumber: true}}} {
		var apps, roles []float64
		for seed := uint64(1); seed <= 10; seed++ {
			x, err := mapEstate(scenario.Options{Seed: seed, Noise: v.noise})
			if err != nil {
				return err
			}
			apps, roles = append(apps, x.applications(x.m.AppOf).ARI()), append(roles, x.roles().ARI())
		}
		slices.Sort(apps)
		slices.Sort(roles)
		rows = append(rows, []string{v.name, two(apps[0]), two(apps[5]), two(roles[0]), two(roles[5])})
	}
	r.heading("The default estate under ten seeds")
	r.table([]string{"estate", "applications ARI, worst", "median", "roles ARI, worst", "median"}, rows)
	return nil
}

// vMeasure is the V-measure alone.
func vMeasure(t *score.Table) float64 {
	v, _, _ := t.V()
	return v
}
