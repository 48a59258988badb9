package fake

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// tier is one role of one application: "app/role env count".
type tier struct {
	app, role, env string
	count          int
	priority       topology.Priority
}

var tiers = []tier{
	{"point-of-sale", "terminal", "prod", 240, topology.PriorityMedium},
	{"point-of-sale", "store-server", "prod", 60, topology.PriorityMedium},
	{"payments", "gateway", "prod", 4, topology.PriorityCritical},
	{"payments", "api", "prod", 6, topology.PriorityCritical},
	{"payments", "db", "prod", 3, topology.PriorityCritical},
	{"payments", "hsm", "prod", 2, topology.PriorityCritical},
	{"webshop", "web", "prod", 8, topology.PriorityMedium},
	{"webshop", "api", "prod", 12, topology.PriorityMedium},
	{"webshop", "cache", "prod", 3, topology.PriorityLow},
	{"webshop", "db", "prod", 4, topology.PriorityHigh},
	{"customers", "app", "prod", 4, topology.PriorityMedium},
	{"customers", "db", "prod", 2, topology.PriorityHigh},
	{"inventory", "api", "prod", 4, topology.PriorityMedium},
	{"inventory", "queue", "prod", 3, topology.PriorityLow},
	{"inventory", "db", "prod", 2, topology.PriorityMedium},
	{"analytics", "etl", "prod", 3, topology.PriorityLow},
	{"analytics", "warehouse", "prod", 4, topology.PriorityMedium},
	{"office", "desktop", "prod", 120, topology.PriorityLow},
	{"webshop", "web", "staging", 2, topology.PriorityMedium},
	{"webshop", "api", "staging", 2, topology.PriorityMedium},
	{"webshop", "db", "staging", 1, topology.PriorityMedium},
	{"payments", "api", "staging", 2, topology.PriorityMedium},
	{"payments", "db", "staging", 1, topology.PriorityMedium},
	{"webshop", "web", "dev", 1, topology.PriorityLow},
	{"webshop", "db", "dev", 1, topology.PriorityLow},
	{"buildfarm", "runner", "dev", 6, topology.PriorityMedium},
	{"buildfarm", "registry", "dev", 1, topology.PriorityMedium},
	{"climate", "controller", "prod", 60, topology.PriorityLow},
	{"", "dns", "", 2, topology.PriorityHigh},
	{"", "directory", "", 2, topology.PriorityCritical},
	{"", "monitoring", "", 1, topology.PriorityHigh},
	{"", "backup", "", 1, topology.PriorityHigh},
	{"", "jump-host", "", 1, topology.PriorityHigh},
	{"", "logging", "", 2, topology.PriorityMedium},
	{"", "scanner", "", 1, topology.PriorityLow},
}

// uses is who uses what of whom: "app/role env", same, service, flows per pair.
var uses = []struct {
	from, to, service string
	flows             uint64
}{
	{"net:internet", "webshop/web prod", "tcp/443", 90000}, {"webshop/web prod", "webshop/api prod", "tcp/8080", 40000},
	{"webshop/api prod", "webshop/cache prod", "tcp/6379", 52000}, {"webshop/api prod", "webshop/db prod", "tcp/5432", 9000},
	{"webshop/api prod", "payments/gateway prod", "tcp/8443", 2400}, {"webshop/api prod", "customers/app prod", "tcp/8443", 6000},
	{"webshop/api prod", "inventory/api prod", "tcp/8080", 5200}, {"point-of-sale/terminal prod", "point-of-sale/store-server prod", "tcp/9100", 800},
	{"point-of-sale/store-server prod", "payments/gateway prod", "tcp/8443", 3100}, {"point-of-sale/store-server prod", "inventory/api prod", "tcp/8080", 900},
	{"payments/gateway prod", "payments/api prod", "tcp/8443", 20000}, {"payments/api prod", "payments/db prod", "tcp/5432", 18000},
	{"payments/api prod", "payments/hsm prod", "tcp/1500", 12000}, {"payments/gateway prod", "net:card-acquirer", "tcp/443", 21000},
	{"customers/app prod", "customers/db prod", "tcp/3306", 8000}, {"inventory/api prod", "inventory/db prod", "tcp/5432", 4000},
	{"inventory/api prod", "inventory/queue prod", "tcp/5672", 3000}, {"analytics/etl prod", "analytics/warehouse prod", "tcp/9000", 700},
	{"analytics/etl prod", "webshop/db prod", "tcp/5432", 60}, {"analytics/etl prod", "customers/db prod", "tcp/3306", 30},
	{"analytics/etl prod", "inventory/db prod", "tcp/5432", 40}, {"office/desktop prod", "analytics/warehouse prod", "tcp/8123", 12},
	{"office/desktop prod", "customers/app prod", "tcp/443", 90}, {"office/desktop prod", "net:internet", "tcp/443", 500},
	{"webshop/web staging", "webshop/api staging", "tcp/8080", 300}, {"webshop/api staging", "webshop/db staging", "tcp/5432", 200},
	{"webshop/api staging", "payments/api staging", "tcp/8443", 80}, {"payments/api staging", "payments/db staging", "tcp/5432", 90},
	{"webshop/web dev", "webshop/db dev", "tcp/5432", 60}, {"buildfarm/runner dev", "buildfarm/registry dev", "tcp/5000", 400},
	{"buildfarm/runner dev", "webshop/api staging", "tcp/22", 20}, {"buildfarm/runner dev", "webshop/db prod", "tcp/5432", 3},
	{"net:climate-vendor", "climate/controller prod", "tcp/502", 240}, {"climate/controller prod", "point-of-sale/store-server prod", "tcp/445", 6},
	{"jump-host", "payments/db prod", "tcp/22", 14}, {"jump-host", "webshop/db prod", "tcp/22", 18}, {"office/desktop prod", "jump-host", "tcp/22", 2},
}

// Estate is the map of the chain, its last traffic at the given time.
func Estate(last time.Time) *topology.Map {
	b := &estateBuilder{m: &topology.Map{}, at: map[string][]int32{}, last: last}
	for i, t := range tiers {
		b.tier(i, t)
	}
	for i, n := range []string{"internet", "card-acquirer", "climate-vendor"} {
		b.outside(i, n)
	}
	for _, u := range uses {
		b.use(u.from, u.to, u.service, u.flows)
	}
	for _, infra := range []struct{ role, service string }{
		{"dns", "udp/53"}, {"directory", "tcp/389"}, {"directory", "tcp/88"}, {"logging", "tcp/6514"},
	} {
		for n := range b.inside {
			b.link(int32(n), b.at[infra.role][n%len(b.at[infra.role])], infra.service, 120)
		}
	}
	for n := range b.inside {
		b.link(b.at["monitoring"][0], int32(n), "tcp/9100", 240)
	}
	return b.finish()
}

type estateBuilder struct {
	m      *topology.Map
	at     map[string][]int32
	apps   map[string]int32
	inside []int32
	last   time.Time
}

func (b *estateBuilder) tier(i int, t tier) {
	key := t.role
	app := int32(-1)
	if t.app != "" {
		key = t.app + "/" + t.role + " " + t.env
		app = b.app(t)
	}
	role := int32(len(b.m.Roles))
	r := topology.Role{ID: fmt.Sprintf("r%02d", i), Name: t.role, App: app, Why: "serves and uses the same things as its peers"}
	for k := range t.count {
		n := int32(len(b.m.Graph.Nodes))
		name := strings.Trim(strings.Join([]string{t.app, t.role, t.env}, "-"), "-")
		labels := topology.Labels{"role": t.role}
		if t.app != "" {
			labels["app"], labels["env"] = t.app, t.env
		}
		given := topology.Labels(nil)
		if k%4 != 0 {
			given = labels
		} else {
			b.m.Proposals = append(b.m.Proposals, topology.Proposal{Node: n, Key: "role", Value: t.role, Confidence: 0.93, Why: "plays the same part as " + t.role})
		}
		b.m.Graph.Nodes = append(b.m.Graph.Nodes, topology.Node{
			ID: fmt.Sprintf("%s-%03d", name, k+1), Name: fmt.Sprintf("%s-%03d", name, k+1), Kind: topology.NodeWorkload, Labels: given,
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, byte(i + 1), byte(k / 250), byte(k%250 + 4)})},
			Names: []string{fmt.Sprintf("%s-%03d.corp.example", name, k+1)},
		})
		b.m.AppOf, b.m.RoleOf = append(b.m.AppOf, app), append(b.m.RoleOf, role)
		b.m.Labels, b.m.Priorities = append(b.m.Labels, labels), append(b.m.Priorities, t.priority)
		if app >= 0 {
			b.m.Applications[app].Members = append(b.m.Applications[app].Members, n)
			b.inside = append(b.inside, n)
		} else {
			b.m.Infrastructure = append(b.m.Infrastructure, topology.Finding{Node: n, Kind: t.role, Confidence: 0.97, Why: "used by unrelated applications for one purpose"})
		}
		r.Members = append(r.Members, n)
		b.at[key] = append(b.at[key], n)
	}
	b.m.Roles = append(b.m.Roles, r)
}

func (b *estateBuilder) app(t tier) int32 {
	id := t.app + "-" + t.env
	if b.apps == nil {
		b.apps = map[string]int32{}
	}
	i, ok := b.apps[id]
	if !ok {
		i = int32(len(b.m.Applications))
		b.apps[id] = i
		b.m.Applications = append(b.m.Applications, topology.Application{ID: id, Name: t.app, Env: t.env, Why: "its roles use each other more than anything else"})
	}
	b.m.Applications[i].Priority = max(b.m.Applications[i].Priority, t.priority)
	return i
}

func (b *estateBuilder) outside(i int, name string) {
	n := int32(len(b.m.Graph.Nodes))
	node := topology.Node{ID: "net:" + name, Name: name, Kind: topology.NodeNetwork, Addrs: []netip.Addr{netip.AddrFrom4([4]byte{198, 51, 100, byte(i + 1)})}}
	if name == "internet" {
		node.ID, node.Kind = "internet", topology.NodeInternet
	}
	b.m.Graph.Nodes = append(b.m.Graph.Nodes, node)
	b.m.AppOf, b.m.RoleOf = append(b.m.AppOf, -1), append(b.m.RoleOf, -1)
	b.m.Labels, b.m.Priorities = append(b.m.Labels, nil), append(b.m.Priorities, topology.PriorityLow)
	b.at["net:"+name] = []int32{n}
}

// use links every client with two of the servers, as a load balancer would.
func (b *estateBuilder) use(from, to, service string, flows uint64) {
	servers := b.at[to]
	for i, c := range b.at[from] {
		for k := range min(2, len(servers)) {
			b.link(c, servers[(i+k)%len(servers)], service, flows/uint64(k+1)+uint64(i))
		}
	}
}

func (b *estateBuilder) link(c, s int32, service string, flows uint64) {
	svc, err := flow.ParseService(service)
	if err != nil {
		panic(err) // a mistake in the table above
	}
	last := flow.TimeOf(b.last)
	b.m.Graph.Deps = append(b.m.Graph.Deps, topology.Dependency{Client: c, Server: s, Service: svc, EdgeStats: flow.EdgeStats{
		Flows: flows, Packets: flows * 12, Bytes: flows * 9000, First: last.Add(-13 * 24 * time.Hour), Last: last.Add(-time.Duration(flows%97) * time.Minute),
		Days: 14, Hours: uint32(min(flows, 300)), Evidence: flow.EvidenceSYN, Confidence: uint8(90 + flows%10), Sensors: 1,
	}})
}

// finish sorts nodes by id and dependencies as topology.Graph promises.
func (b *estateBuilder) finish() *topology.Map {
	m := b.m
	order := make([]int32, len(m.Graph.Nodes))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(x, y int32) int { return cmp.Compare(m.Graph.Nodes[x].ID, m.Graph.Nodes[y].ID) })
	now := make([]int32, len(order))
	sorted := topology.Map{Applications: m.Applications, Roles: m.Roles, Infrastructure: m.Infrastructure, Proposals: m.Proposals}
	for to, from := range order {
		now[from] = int32(to)
		sorted.Graph.Nodes = append(sorted.Graph.Nodes, m.Graph.Nodes[from])
		sorted.AppOf, sorted.RoleOf = append(sorted.AppOf, m.AppOf[from]), append(sorted.RoleOf, m.RoleOf[from])
		sorted.Labels, sorted.Priorities = append(sorted.Labels, m.Labels[from]), append(sorted.Priorities, m.Priorities[from])
	}
	renumber := func(list []int32) {
		for i := range list {
			list[i] = now[list[i]]
		}
		slices.Sort(list)
	}
	for i := range sorted.Applications {
		renumber(sorted.Applications[i].Members)
	}
	for i := range sorted.Roles {
		renumber(sorted.Roles[i].Members)
	}
	for i := range sorted.Infrastructure {
		sorted.Infrastructure[i].Node = now[sorted.Infrastructure[i].Node]
	}
	for i := range sorted.Proposals {
		sorted.Proposals[i].Node = now[sorted.Proposals[i].Node]
	}
	for _, d := range m.Graph.Deps {
		d.Client, d.Server = now[d.Client], now[d.Server]
		sorted.Graph.Deps = append(sorted.Graph.Deps, d)
	}
	slices.SortStableFunc(sorted.Graph.Deps, func(a, c topology.Dependency) int {
		return cmp.Or(cmp.Compare(a.Client, c.Client), cmp.Compare(a.Server, c.Server), a.Service.Compare(c.Service))
	})
	sorted.Until, sorted.Since = flow.TimeOf(b.last), flow.TimeOf(b.last.Add(-14*24*time.Hour))
	return &sorted
}
