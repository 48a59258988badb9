package policy

import (
	"net/netip"
	"slices"
	"sort"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Select builds the selector that asks for exactly these label values. A nil or
// empty map gives the selector of every workload.
func Select(labels topology.Labels) Selector {
	s := make(Selector, 0, len(labels))
	for _, k := range labels.Keys() {
		s = append(s, Requirement{Key: k, In: []string{labels[k]}})
	}
	return s
}

// Matches reports whether a workload with these labels is selected.
func (s Selector) Matches(labels topology.Labels) bool {
	for i := range s {
		if !s[i].matches(labels) {
			return false
		}
	}
	return true
}

func (r *Requirement) matches(labels topology.Labels) bool {
	v, ok := labels[r.Key]
	return ok && (len(r.In) == 0 || slices.Contains(r.In, v)) && !slices.Contains(r.Not, v)
}

// String gives "role=web,app in (a,b),env not (prod)"; "every workload" when
// empty.
func (s Selector) String() string {
	if len(s) == 0 {
		return "every workload"
	}
	parts := make([]string, len(s))
	for i, r := range s {
		parts[i] = r.String()
	}
	return strings.Join(parts, " ")
}

// String gives one requirement in the form Selector.String uses.
func (r Requirement) String() string {
	var parts []string
	switch len(r.In) {
	case 0:
	case 1:
		parts = append(parts, r.Key+"="+r.In[0])
	default:
		parts = append(parts, r.Key+" in ("+strings.Join(r.In, ",")+")")
	}
	if len(r.Not) > 0 {
		parts = append(parts, r.Key+" not ("+strings.Join(r.Not, ",")+")")
	}
	if len(parts) == 0 {
		return r.Key + "=*"
	}
	return strings.Join(parts, " ")
}

// Value returns the one value the selector asks for under key, or "".
func (s Selector) Value(key string) string {
	for _, r := range s {
		if r.Key == key && len(r.In) == 1 && len(r.Not) == 0 {
			return r.In[0]
		}
	}
	return ""
}

// normal puts requirements in the labels' canonical key order and their values
// in order.
func (s Selector) normal() Selector {
	keys := make(topology.Labels, len(s))
	for _, r := range s {
		keys[r.Key] = ""
	}
	rank := map[string]int{}
	for i, k := range keys.Keys() {
		rank[k] = i
	}
	out := make(Selector, len(s))
	for i, r := range s {
		out[i] = Requirement{Key: r.Key, In: sortedUnique(r.In), Not: sortedUnique(r.Not)}
	}
	sort.SliceStable(out, func(i, j int) bool { return rank[out[i].Key] < rank[out[j].Key] })
	return out
}

func sortedUnique(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	s = slices.Clone(s)
	slices.Sort(s)
	return slices.Compact(s)
}

// Matches reports whether p is the peer. networks resolves a name, as
// (*Set).Network does.
func (pe *Peer) Matches(p *Party, networks func(string) *topology.Network) bool {
	switch {
	case pe.Any:
		return true
	case pe.Network != "":
		n := networks(pe.Network)
		return n != nil && (anyContains(n.Prefixes, p.Addr) || anyDomain(n.Domains, p.Domains))
	case pe.Prefix.IsValid():
		return pe.Prefix.Masked().Contains(p.Addr.Unmap())
	case pe.Domain != "":
		return anyDomain([]string{pe.Domain}, p.Domains)
	}
	return p.Workload && pe.Selector.Matches(p.Labels)
}

// String gives the peer as a person would say it.
func (pe Peer) String() string {
	switch {
	case pe.Any:
		return "any"
	case pe.Network != "":
		return "network " + pe.Network
	case pe.Prefix.IsValid():
		return pe.Prefix.String()
	case pe.Domain != "":
		return pe.Domain
	}
	return pe.Selector.String()
}

// Allows reports whether the rule, were it judged, would let the flow pass. A rule
// for one process is not: which one it is is not known here. set resolves the
// networks it names.
func (r *Rule) Allows(set *Set, client, server *Party, svc flow.Service) bool {
	return r.Action == Allow && r.Process == "" && anyService(r.Services, svc) && anyPeer(set, r.From, client) && anyPeer(set, r.To, server)
}

func anyContains(prefixes []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func anyDomain(patterns, names []string) bool {
	for _, p := range patterns {
		for _, n := range names {
			if domainMatches(p, n) {
				return true
			}
		}
	}
	return false
}

// domainMatches compares without regard to case or a trailing dot; "*." stands
// for one or more labels.
func domainMatches(pattern, name string) bool {
	pattern, name = strings.ToLower(pattern), strings.ToLower(strings.TrimSuffix(name, "."))
	if suffix, ok := strings.CutPrefix(pattern, "*"); ok {
		return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
	}
	return pattern == name
}

// Matches reports whether the rule's service covers what was used.
func (s Service) Matches(o flow.Service) bool {
	return s.Proto == 0 || (s.Proto == o.Proto && s.From <= o.Port && o.Port <= s.To)
}

func anyService(services []Service, o flow.Service) bool {
	if len(services) == 0 {
		return true
	}
	for _, s := range services {
		if s.Matches(o) {
			return true
		}
	}
	return false
}
