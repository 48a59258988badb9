package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// trust is how sure a kind of name says which machine an address is: what the
// machine calls itself before what others call it. Names of services (SNI, Host)
// say nothing about machines.
var trust = map[flow.NameKind]float64{
	flow.NameDHCP: 0.9, flow.NameNetBIOS: 0.85, flow.NameMDNS: 0.85, flow.NamePTR: 0.75, flow.NameDNS: 0.6,
}

// stay is a machine at an address for as long as it was called so there.
type stay struct {
	host        string
	kind        flow.NameKind
	at          place
	first, last flow.Time
}

// machines proposes workloads for unclaimed addresses by the names they went by.
// An address that went by one name after another was handed on: each holds it from
// when its name came up. A machine that went from address to address left each
// when it came to the next. Names in use at one address at one time by turns are
// left to a person.
func (p *proposer) machines(names []flow.Name) {
	stays := p.stays(names)
	byHost := map[string][]stay{}
	for _, k := range sortedPlaces(stays) {
		for _, s := range stays[k] {
			byHost[s.host] = append(byHost[s.host], s)
		}
	}
	hosts := make([]string, 0, len(byHost))
	for h := range byHost {
		hosts = append(hosts, h)
	}
	slices.Sort(hosts)
	for _, h := range hosts {
		for _, group := range together(byHost[h]) {
			p.machine(h, group, stays)
		}
	}
}

// stays lists, for every unclaimed address, the machines that were there one after
// the other, by the most trusted kind of name seen there.
func (p *proposer) stays(names []flow.Name) map[place][]stay {
	best := map[place]flow.NameKind{}
	for _, n := range names {
		k := place{n.Addr, n.Scope}
		if p.unclaimed[k] && hostPart(n.Name) != "" && trust[n.Kind] > trust[best[k]] {
			best[k] = n.Kind
		}
	}
	at := map[place]map[string]stay{}
	for _, n := range names {
		k, host := place{n.Addr, n.Scope}, hostPart(n.Name)
		if host == "" || !p.unclaimed[k] || n.Kind != best[k] {
			continue
		}
		if at[k] == nil {
			at[k] = map[string]stay{}
		}
		s, known := at[k][host]
		if !known {
			s = stay{host, n.Kind, k, n.First, n.Last}
		}
		s.first, s.last = min(s.first, n.First), max(s.last, n.Last)
		at[k][host] = s
	}
	out := map[place][]stay{}
	for k, hosts := range at {
		if list, ok := inTurn(hosts); ok {
			out[k] = list
		}
	}
	return out
}

// inTurn sorts the machines of an address by when they came; not ok when two were
// there at one time.
func inTurn(hosts map[string]stay) ([]stay, bool) {
	list := make([]stay, 0, len(hosts))
	for _, s := range hosts {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b stay) int { return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.host, b.host)) })
	for i := 1; i < len(list); i++ {
		if list[i].first <= list[i-1].last {
			return nil, false
		}
	}
	return list, true
}

// together splits the stays of one name into machines: one after the other, or at
// addresses of two families, is one machine; at two addresses of one family at one
// time are two.
func together(stays []stay) [][]stay {
	slices.SortStableFunc(stays, func(a, b stay) int { return cmp.Compare(a.first, b.first) })
	var groups [][]stay
next:
	for _, s := range stays {
		for g := range groups {
			if !slices.ContainsFunc(groups[g], func(o stay) bool {
				return s.at.scope != o.at.scope || s.at.addr.Is4() == o.at.addr.Is4() && s.first <= o.last
			}) {
				groups[g] = append(groups[g], s)
				continue next
			}
		}
		groups = append(groups, []stay{s})
	}
	return groups
}

// machine proposes one workload with the intervals in which it held its addresses.
func (p *proposer) machine(host string, group []stay, all map[place][]stay) {
	w := topology.Workload{ID: p.free(host), Name: host, Origin: "wire"}
	confidence := 0.0
	for _, s := range group {
		a := topology.Address{Addr: s.at.addr, Scope: s.at.scope}
		a.From, a.To = bounds(s, group, all[s.at])
		for _, h := range p.held[s.at] { // who the inventory says was there before or came after
			if !h.To.IsZero() && flow.TimeOf(h.To) <= s.first && h.To.After(a.From) {
				a.From = h.To
			}
			if !h.From.IsZero() && flow.TimeOf(h.From) > s.last && (a.To.IsZero() || h.From.Before(a.To)) {
				a.To = h.From
			}
		}
		w.Addresses = append(w.Addresses, a)
		confidence = max(confidence, trust[s.kind])
	}
	last := group[len(group)-1]
	p.out = append(p.out, Proposal{Workload: &w, Confidence: confidence,
		Why: fmt.Sprintf("%s name at %s from %s to %s", last.kind, last.at.addr, dayWords(last.first), dayWords(last.last))})
}

// bounds is when a stay began and ended, as far as others say: it began when its
// name came up where somebody else had been before, and ended when the next one
// came, or when the machine itself turned up elsewhere.
func bounds(s stay, group, there []stay) (from, to time.Time) {
	for _, o := range there {
		switch {
		case o.first < s.first:
			from = s.first.Std()
		case o.first > s.first && (to.IsZero() || o.first.Std().Before(to)):
			to = o.first.Std()
		}
	}
	for _, o := range group {
		if o.at != s.at && o.at.addr.Is4() == s.at.addr.Is4() && o.first > s.last && (to.IsZero() || o.first.Std().Before(to)) {
			to = o.first.Std()
		}
		if o.at != s.at && o.at.addr.Is4() == s.at.addr.Is4() && o.last < s.first {
			from = s.first.Std()
		}
	}
	return from, to
}
