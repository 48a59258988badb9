package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// resolver turns references into hosts and remembers what is linked already.
type resolver struct {
	e       *Estate
	members map[string][]int32 // by "app/role", "@tag", "net:name", and "copy#role" within a copy
	seen    map[linkKey]struct{}
	serves  map[served]struct{}
	moved   map[flow.Service]flow.Service // ports drawn instead of others
}

type linkKey struct {
	client, server int32
	svc            flow.Service
}

type served struct {
	server int32
	svc    flow.Service
}

func newResolver(e *Estate) *resolver {
	x := &resolver{e: e, members: map[string][]int32{}, seen: map[linkKey]struct{}{}, serves: map[served]struct{}{}, moved: map[flow.Service]flow.Service{}}
	for i := range e.hosts {
		h := int32(i)
		if e.hosts[i].outside() {
			x.join("net:"+e.spec.Outside[e.hosts[i].role].Name, h)
			continue
		}
		r := e.roleSpec(h)
		x.join(e.appSpec(h).Name+"/"+r.Name, h)
		x.join(fmt.Sprintf("%d#%s", e.hosts[i].app, r.Name), h)
		for _, t := range r.Tags {
			x.join("@"+t, h)
		}
	}
	return x
}

func (x *resolver) join(ref string, h int32) { x.members[ref] = append(x.members[ref], h) }

func (x *resolver) addLine(f *FlowSpec, app int32) {
	l := line{FlowSpec: f, app: app, schedule: schedules[f.Schedule], profile: profiles[f.Profile]}
	for day := range x.e.opts.Days {
		l.factors = append(l.factors, l.schedule.factor(x.e, f, day))
		l.total += l.factors[day]
	}
	x.e.lines = append(x.e.lines, l)
}

// hosts returns who the references name, without those marked "!".
func (x *resolver) hosts(l *line, refs []string) []int32 {
	var all []int32
	out := map[int32]bool{}
	for _, ref := range refs {
		name, not := strings.CutPrefix(ref, "!")
		if l.app >= 0 && !strings.ContainsAny(name, "/@:") {
			name = fmt.Sprintf("%d#%s", l.app, name)
		}
		for _, h := range x.members[name] {
			if not || out[h] {
				out[h] = true
				continue
			}
			all = append(all, h)
		}
	}
	if len(refs) > 1 {
		slices.Sort(all)
		all = slices.Compact(all)
		all = slices.DeleteFunc(all, func(h int32) bool { return out[h] })
	}
	return all
}

// linkUp makes the links of an ordinary line.
func (x *resolver) linkUp(i int32) {
	l := &x.e.lines[i]
	clients := x.clients(i, l)
	servers := x.hosts(l, l.To)
	bySite := map[int32][]int32{}
	if l.Within == "site" {
		for _, s := range servers {
			bySite[x.e.hosts[s].site] = append(bySite[x.e.hosts[s].site], s)
		}
	}
	for j, c := range clients {
		to := servers
		if l.Within == "site" {
			to = bySite[x.e.hosts[c].site]
		}
		if l.Split {
			to = every(servers, j, len(clients))
		}
		n := len(to)
		if l.Pick > 0 {
			n = min(n, l.Pick)
		}
		first := 0
		if n < len(to) {
			r := derive(x.e.opts.Seed, tagPick, uint64(i), uint64(c))
			first = r.below(len(to))
		}
		for k := range n {
			if s := to[(first+k)%len(to)]; s != c {
				x.services(i, l, c, s)
			}
		}
	}
}

// every returns every nth host, from the first on.
func every(hosts []int32, first, n int) (out []int32) {
	for i := first; i < len(hosts); i += n {
		out = append(out, hosts[i])
	}
	return out
}

// clients returns who of From takes part.
func (x *resolver) clients(i int32, l *line) []int32 {
	all := x.hosts(l, l.From)
	if l.Share > 0 {
		all = slices.DeleteFunc(slices.Clone(all), func(h int32) bool {
			r := derive(x.e.opts.Seed, tagShare, uint64(i), uint64(h))
			return r.float() >= l.Share
		})
	}
	if l.Clients > 0 && len(all) > l.Clients {
		all = all[:l.Clients]
	}
	return all
}

// services makes the links of one client and server.
func (x *resolver) services(i int32, l *line, client, server int32) {
	outcome := flow.Established
	switch kind := x.e.kindOf(server); {
	case l.Outcome == "refused":
		outcome = flow.Refused
	case l.Outcome == "unanswered", kind == "ghost":
		outcome = flow.Unanswered
	case kind == "group":
		outcome = flow.OneWay
	}
	for _, text := range l.Services {
		for _, svc := range x.ports(text, client, server) {
			x.add(i, client, server, x.renumber(svc), outcome)
		}
	}
}

// ports returns the services that the text of a flow line means between two
// hosts.
func (x *resolver) ports(text string, client, server int32) []flow.Service {
	r := derive(x.e.opts.Seed, tagRPC, uint64(server))
	switch text {
	case dynamicRPC:
		first := 49664 + uint16(r.below(512))
		return []flow.Service{{Proto: flow.TCP, Port: first + uint16(client%rpcPorts)}}
	case passiveFTP:
		var out []flow.Service
		for range ftpPorts {
			out = append(out, flow.Service{Proto: flow.TCP, Port: 50000 + uint16(r.below(1000))})
		}
		return out
	}
	svc, _ := flow.ParseService(text) // FlowSpec.check has parsed it
	return []flow.Service{svc}
}

// sweep makes the links of a scanner: every service of every target is tried.
func (x *resolver) sweep(i int32) {
	l := &x.e.lines[i]
	targets := x.hosts(l, l.To)
	n := len(targets)
	if l.Pick > 0 {
		n = min(n, l.Pick)
	}
	for _, c := range x.clients(i, l) {
		for k := range n {
			s := targets[k*len(targets)/n]
			for _, text := range l.Services {
				svc, _ := flow.ParseService(text)
				svc = x.renumber(svc)
				outcome := flow.Unanswered
				if _, ok := x.serves[served{s, svc}]; ok {
					outcome = flow.Established
				} else if x.e.kindOf(s) != "ghost" {
					outcome = flow.Refused
				}
				if s != c {
					x.add(i, c, s, svc, outcome)
				}
			}
		}
	}
}

func (x *resolver) add(i, client, server int32, svc flow.Service, outcome flow.Outcome) {
	key := linkKey{client, server, svc}
	if _, dup := x.seen[key]; dup {
		return
	}
	x.seen[key] = struct{}{}
	if outcome == flow.Established {
		x.serves[served{server, svc}] = struct{}{}
	}
	k := link{client: client, server: server, line: i, order: int32(len(x.e.links)), svc: svc, outcome: outcome}
	if share := x.e.opts.Noise.OneWay; share > 0 {
		r := derive(x.e.opts.Seed, tagOneWay, uint64(client), uint64(server), uint64(svc.Proto), uint64(svc.Port))
		if r.float() < share {
			k.sees = clientOnly + direction(r.below(2))
		}
	}
	x.e.links = append(x.e.links, k)
}

// renumber draws another server port when ports must say nothing.
func (x *resolver) renumber(svc flow.Service) flow.Service {
	if !x.e.opts.Noise.Renumber || !flow.HasPorts(svc.Proto) {
		return svc
	}
	to, ok := x.moved[svc]
	if !ok {
		r := derive(x.e.opts.Seed, tagPort, uint64(svc.Proto), uint64(svc.Port))
		to = flow.Service{Proto: svc.Proto, Port: uint16(10000 + r.below(20000))}
		x.moved[svc] = to
	}
	return to
}

// kindOf returns OutsideSpec.Kind of an outside host, "" for a workload.
func (e *Estate) kindOf(h int32) string {
	if !e.hosts[h].outside() {
		return ""
	}
	return e.spec.Outside[e.hosts[h].role].Kind
}
