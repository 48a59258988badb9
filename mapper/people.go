package mapper

import (
	"fmt"
	"math"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// People's machines tie unrelated applications together as shared servers do,
// from the other side: they use everything and serve nothing. findPeople
// recognises their roles, so that they become an application of their own and
// bind no others.
//
// A role is people's if it serves nobody and what it uses is spread over three or
// more applications, none of which gets most of it; or if it serves nobody and
// deals with the same shared infrastructure as a role already recognised
// (developers who only use the development environment still print); or if all
// that is seen of it is that it asks for addresses, the rest being hidden by
// translation.
func (w *work) findPeople(ties []tie) {
	w.people = make([]bool, w.roles)
	serves, uses := make([]bool, w.roles), make([]bool, w.roles)
	for _, t := range ties {
		serves[t.server], uses[t.client] = true, true
	}
	var rest []tie
	for _, t := range ties {
		if serves[t.client] {
			rest = append(rest, t)
		}
	}
	cluster, _ := modules(newWeighted(w.roles, w.affinities(rest)))
	size := w.roleSizes()
	spread := w.spread(ties, cluster)
	profiles := w.profiles()
	var sure []int32
	for r := range w.roles {
		if !serves[r] && spread[r] && size[r] >= minPeople && plain(profiles[r]) {
			sure = append(sure, int32(r))
			w.people[r] = true
		}
	}
	servesOthers := make([]bool, w.roles) // people's machines may share among themselves
	for _, t := range ties {
		if !w.people[t.client] {
			servesOthers[t.server] = true
		}
	}
	for r := range w.roles {
		if servesOthers[r] || w.people[r] || !plain(profiles[r]) {
			continue
		}
		if !uses[r] && size[r] >= minPeople && slices.Contains(profiles[r], contact{asClient, KindDHCP}) {
			w.people[r] = true
			continue
		}
		if len(profiles[r]) < 3 {
			continue
		}
		for _, s := range sure {
			if jaccard(profiles[r], profiles[s]) >= 0.7 {
				w.people[r] = true
				break
			}
		}
	}
}

// minPeople is the fewest machines that count as people's: less is a batch job
// that reads from everywhere.
const minPeople = 4

// spread reports the roles whose use of others is spread over three or more
// clusters with none getting most of it.
func (w *work) spread(ties []tie, cluster []int32) []bool {
	share := make([]map[int32]float64, w.roles)
	for _, t := range ties {
		if share[t.client] == nil {
			share[t.client] = map[int32]float64{}
		}
		share[t.client][cluster[t.server]] += math.Sqrt(float64(t.flows))
	}
	out := make([]bool, w.roles)
	for r, s := range share {
		all, most := 0.0, 0.0
		for _, c := range sortedClusters(s) {
			all += s[c]
			most = max(most, s[c])
		}
		out[r] = len(s) >= 3 && most <= 0.6*all
	}
	return out
}

func sortedClusters(m map[int32]float64) []int32 {
	keys := make([]int32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// contact is dealing with one kind of shared infrastructure in one direction.
type contact struct {
	dir  uint64
	kind string
}

// profiles lists the infrastructure that at least half of a role's members deal
// with, sorted.
func (w *work) profiles() [][]contact {
	count := make([]map[contact]int, w.roles)
	for i := range w.nodes {
		r := w.role[i]
		if r < 0 || w.infra[i] >= 0 {
			continue
		}
		seen := map[contact]bool{}
		note := func(dir uint64, peer, d int32) {
			if k := w.infra[peer]; k >= 0 && !w.passing(d) && w.m.Infrastructure[k].Kind != KindScanner {
				seen[contact{dir, w.m.Infrastructure[k].Kind}] = true
			}
		}
		from, to := w.adj.uses(int32(i))
		for d := from; d < to; d++ {
			note(asClient, w.deps[d].Server, d)
		}
		for _, d := range w.adj.serves(int32(i)) {
			note(asServer, w.deps[d].Client, d)
		}
		if count[r] == nil {
			count[r] = map[contact]int{}
		}
		for c := range seen {
			count[r][c]++
		}
	}
	size := w.roleSizes()
	out := make([][]contact, w.roles)
	for r, counts := range count {
		for c, n := range counts {
			if 2*n >= size[r] {
				out[r] = append(out[r], c)
			}
		}
		slices.SortFunc(out[r], func(a, b contact) int {
			if a.dir != b.dir {
				return int(a.dir) - int(b.dir)
			}
			if a.kind < b.kind {
				return -1
			}
			return 1
		})
	}
	return out
}

// plain reports machines nobody operates: none of the infrastructure that looks
// after servers comes to them.
func plain(profile []contact) bool {
	return !slices.ContainsFunc(profile, func(c contact) bool { return c.dir == asServer })
}

func jaccard(a, b []contact) float64 {
	common := 0
	for _, c := range a {
		if slices.Contains(b, c) {
			common++
		}
	}
	if all := len(a) + len(b) - common; all > 0 {
		return float64(common) / float64(all)
	}
	return 0
}

// peopleServices are what people share by registered port; KindShared otherwise.
func peopleServices(served []flow.Service) string {
	has := func(port uint16) bool {
		return slices.ContainsFunc(served, func(s flow.Service) bool { return s.Port == port })
	}
	switch {
	case has(631) || has(515) || has(9100) || (has(445) && has(65535)):
		return KindPrinting // IPP, LPD, JetDirect; MS-RPRN is SMB and dynamic RPC
	case has(445) || has(2049):
		return KindFiles
	}
	return KindShared
}

// servingPeople finds roles that serve a large part of the people and hardly
// anybody else, and use nothing themselves: the office's file and print servers.
func (w *work) servingPeople(ties []tie) []topology.Finding {
	uses, people := make([]bool, w.roles), 0
	for _, t := range ties {
		uses[t.client] = true
	}
	members := make([][]int32, w.roles)
	for i, r := range w.role {
		if r < 0 {
			continue
		}
		members[r] = append(members[r], int32(i))
		if w.people[r] {
			people++
		}
	}
	var out []topology.Finding
	for r := range w.roles {
		if uses[r] || w.people[r] || people == 0 || w.infra[members[r][0]] >= 0 {
			continue
		}
		clients, others, services := w.clientele(members[r])
		share := float64(clients) / float64(people)
		if share < 0.4 || others > clients/10 {
			continue
		}
		for _, i := range members[r] {
			kind := peopleServices(services)
			if kind == KindShared && w.goesOut(members[r]) {
				kind = KindProxy
			}
			out = append(out, topology.Finding{Node: i, Kind: kind, Confidence: 0.6 + 0.3*min(share, 1),
				Why: fmt.Sprintf("serves %.0f %% of all people's machines and hardly anybody else (%s)", 100*share, mostTelling(services))})
		}
	}
	return out
}

// goesOut reports that most members use the internet themselves.
func (w *work) goesOut(members []int32) bool {
	out := 0
	for _, i := range members {
		from, to := w.adj.uses(i)
		for d := from; d < to; d++ {
			if w.nodes[w.deps[d].Server].Kind == topology.NodeInternet {
				out++
				break
			}
		}
	}
	return 2*out > len(members)
}

// clientele counts the distinct people's machines and other nodes that members
// serve, leaving infrastructure out, and lists the services.
func (w *work) clientele(members []int32) (people, others int, services []flow.Service) {
	seen, has := map[int32]bool{}, map[flow.Service]bool{}
	for _, i := range members {
		for _, d := range w.adj.serves(i) {
			c := w.deps[d].Client
			if w.setAside(c) || w.passing(d) {
				continue
			}
			has[w.service[d]] = true
			if seen[c] {
				continue
			}
			seen[c] = true
			if r := w.role[c]; r >= 0 && w.people[r] {
				people++
			} else {
				others++
			}
		}
	}
	for s := range has {
		services = append(services, s)
	}
	slices.SortFunc(services, flow.Service.Compare)
	return people, others, services
}

// mostTelling is the first service that has a port: that everybody pings a server
// says nothing about it.
func mostTelling(services []flow.Service) flow.Service {
	if i := slices.IndexFunc(services, func(s flow.Service) bool { return flow.HasPorts(s.Proto) }); i >= 0 {
		return services[i]
	}
	return services[0]
}
