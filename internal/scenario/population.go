package scenario

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// host is an end of links: a workload, or an address outside the inventory.
type host struct {
	name     string // short host name, the workload's id; for outside hosts a domain name or ""
	v4, v6   netip.Addr
	app      int32     // index of Estate.copies; -1 outside
	role     int32     // index of AppSpec.Roles; of Spec.Outside for outside hosts
	site     int32     // copy of the site, 0-based
	from, to flow.Time // present; 0: unbounded
}

func (h *host) outside() bool { return h.app < 0 }

func (h *host) present(t flow.Time) bool {
	return h.from <= t && (h.to == 0 || t < h.to)
}

// appCopy is one application of the estate.
type appCopy struct {
	spec int // index of Spec.Apps
	name string
	env  string
}

// populate multiplies roles into workloads, exactly Options.Workloads of them.
func (e *Estate) populate() error {
	missing := e.opts.Workloads - e.demand()
	if missing < 0 {
		return fmt.Errorf("scenario %s: %d workloads are too few, it needs %d", e.spec.Name, e.opts.Workloads, e.opts.Workloads-missing)
	}
	shares := 0
	e.eachRole(func(_ *AppSpec, r *RoleSpec) {
		if r.Fill {
			shares += r.Count
		}
	})
	if shares == 0 && missing > 0 {
		return fmt.Errorf("scenario %s: no role fills up to %d workloads", e.spec.Name, e.opts.Workloads)
	}
	if e.opts.Noise.NoNames {
		e.numbers = shuffled(e.opts.Seed, e.opts.Workloads)
	}
	left := missing
	for i := range e.spec.Apps {
		a := &e.spec.Apps[i]
		for c := range e.appCopies(a) {
			app := int32(len(e.copies))
			e.copies = append(e.copies, appCopy{i, a.copyName(c), a.Env})
			for r := range a.Roles {
				n := e.roleCount(&a.Roles[r])
				if a.Roles[r].Fill {
					n = min(left, (missing*a.Roles[r].Count+shares-1)/shares)
					left -= n
				}
				if err := e.addRole(app, a, int32(r), n); err != nil {
					return err
				}
			}
		}
	}
	e.workloads = len(e.hosts)
	if err := e.handOver(); err != nil {
		return err
	}
	return e.addOutside()
}

func (e *Estate) eachRole(f func(*AppSpec, *RoleSpec)) {
	for i := range e.spec.Apps {
		for r := range e.spec.Apps[i].Roles {
			f(&e.spec.Apps[i], &e.spec.Apps[i].Roles[r])
		}
	}
}

// demand is how many workloads the roles need that do not fill.
func (e *Estate) demand() (n int) {
	e.eachRole(func(a *AppSpec, r *RoleSpec) { n += e.appCopies(a) * e.roleCount(r) * e.siteCopies(a.siteOf(*r)) })
	return n
}

func (e *Estate) appCopies(a *AppSpec) int {
	if e.opts.Workloads < a.Above {
		return 0
	}
	return e.times(a.Per)
}

// roleCount is the number of workloads of the role in one copy of the
// application and of the site.
func (e *Estate) roleCount(r *RoleSpec) int {
	if r.Fill {
		return 0
	}
	return r.Count * e.times(r.Per)
}

func (e *Estate) siteCopies(name string) int { return e.times(e.siteSpec(name).Per) }

func (e *Estate) siteSpec(name string) *SiteSpec {
	for i := range e.spec.Sites {
		if e.spec.Sites[i].Name == name {
			return &e.spec.Sites[i]
		}
	}
	return nil // Spec.check has seen to it that there is one
}

// times is how often something comes that comes once per so many workloads.
func (e *Estate) times(per int) int {
	if per == 0 {
		return 1
	}
	return max(1, e.opts.Workloads/per)
}

func (a *AppSpec) copyName(c int) string {
	switch {
	case c < len(a.Names):
		return a.Names[c]
	case len(a.Names) > 0:
		return fmt.Sprintf("%s%d", a.Names[c%len(a.Names)], c/len(a.Names)+1)
	}
	return a.Name
}

func (e *Estate) addRole(app int32, a *AppSpec, role int32, n int) error {
	r := &a.Roles[role]
	site := e.siteSpec(a.siteOf(*r))
	for s := range e.siteCopies(site.Name) {
		for k := range n {
			h := host{app: app, role: role, site: int32(s), name: e.hostName(app, r, site, s, k)}
			block := e.copies[app].name + "/" + a.Env
			if site.Per > 0 {
				block = fmt.Sprint(s)
			}
			var err error
			if h.v4, err = e.addrs.next(site, block); err != nil {
				return err
			}
			if a.IPv6 {
				h.v6 = toIPv6(h.v4)
			}
			e.hosts = append(e.hosts, h)
		}
	}
	return nil
}

func (e *Estate) hostName(app int32, r *RoleSpec, site *SiteSpec, s, k int) string {
	if e.opts.Noise.NoNames {
		return fmt.Sprintf("host-%06d", e.numbers[len(e.hosts)]+1)
	}
	if e.spec.Naming == "serial" {
		return fmt.Sprintf("%s%04d", r.Host, 100+len(e.hosts))
	}
	base := r.Host
	if base == "" {
		base = e.copies[app].name + "-" + r.Name
	}
	if env := e.copies[app].env; env != "" && env != "prod" && r.Host == "" {
		base = shortEnv(env) + "-" + base
	}
	if site.Per > 0 {
		return fmt.Sprintf("%s%04d-%s%02d", site.Name, s+1, base, k+1)
	}
	return fmt.Sprintf("%s%02d", base, k+1)
}

func shortEnv(env string) string {
	switch env {
	case "development":
		return "dev"
	case "staging":
		return "stg"
	}
	return env
}

// shuffled returns the numbers 0..n-1 in an order that says nothing.
func shuffled(seed uint64, n int) []int {
	out := make([]int, n)
	r := derive(seed, tagName)
	for i := range out {
		j := r.below(i + 1)
		out[i], out[j] = out[j], i
	}
	return out
}

// handOver applies the specification's address reuse.
func (e *Estate) handOver() error {
	middle := e.start.Add(e.window() / 2)
	for _, r := range e.spec.Reuse {
		from, to := e.lastOf(r.From), e.lastOf(r.To)
		if from < 0 || to < 0 || from == to {
			return fmt.Errorf("scenario %s: reuse %s by %s: no two workloads", e.spec.Name, r.From, r.To)
		}
		e.hosts[from].to = middle
		e.hosts[to].from = middle.Add(handOverGap)
		e.hosts[to].v4 = e.hosts[from].v4
		e.hosts[to].v6 = netip.Addr{}
	}
	return nil
}

func (e *Estate) lastOf(ref string) int {
	app, role, _ := strings.Cut(ref, "/")
	for i := e.workloads - 1; i >= 0; i-- {
		if a := e.appSpec(int32(i)); a.Name == app && e.roleSpec(int32(i)).Name == role {
			return i
		}
	}
	return -1
}

func (e *Estate) appSpec(h int32) *AppSpec { return &e.spec.Apps[e.copies[e.hosts[h].app].spec] }

func (e *Estate) roleSpec(h int32) *RoleSpec { return &e.appSpec(h).Roles[e.hosts[h].role] }

// labels are the true ones of a workload.
func (e *Estate) labels(h int32) topology.Labels {
	c := e.copies[e.hosts[h].app]
	l := topology.Labels{topology.LabelRole: e.roleSpec(h).Name, topology.LabelApp: c.name, topology.LabelEnv: c.env}
	site := e.siteSpec(e.appSpec(h).siteOf(*e.roleSpec(h)))
	l[topology.LabelLoc] = site.Name
	if site.Per > 0 {
		l[topology.LabelLoc] = fmt.Sprintf("%s%04d", site.Name, e.hosts[h].site+1)
	}
	return l
}
