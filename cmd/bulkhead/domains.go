package main

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
)

const (
	// domainWindow is how long an address counts for a domain after the last DNS
	// answer that gave it. Answers say how long they may be cached, but clients hold
	// connections and caches for longer, and what asks once a week must not be blocked
	// until its answer has travelled to every machine.
	domainWindow = 7 * 24 * time.Hour
	// maxDomainAddrs bounds the addresses of one domain; those answered last are kept.
	maxDomainAddrs = 1024
	// domainsEvery is how often a controller reads the names anew.
	domainsEvery = time.Minute
)

// domains finds the addresses of the domains that a set's rules name; nil when they
// name none.
func (s *session) domains(ctx context.Context, set *policy.Set, now time.Time) (map[string][]netip.Addr, error) {
	patterns := set.Domains()
	if len(patterns) == 0 {
		return nil, nil
	}
	since := flow.TimeOf(now.Add(-domainWindow))
	names, err := s.store.Names(ctx, store.Query{Since: since})
	if err != nil {
		return nil, err
	}
	found, over := domainAddrs(patterns, names, since)
	for _, d := range over {
		s.app.log.Warn("a domain has more addresses than are enforced; those answered last count", "domain", d, "most", maxDomainAddrs)
	}
	return found, nil
}

// resolved remembers the addresses of the domains of policies.
type resolved struct {
	addrs  map[string][]netip.Addr
	policy string    // hash of the policies
	at     time.Time // when the names were read
}

// of reads the names anew when policies changed, and every domainsEvery.
func (r *resolved) of(ctx context.Context, s *session, set *policy.Set, now time.Time) (map[string][]netip.Addr, error) {
	if r.policy == set.Hash() && now.Sub(r.at) < domainsEvery {
		return r.addrs, nil
	}
	addrs, err := s.domains(ctx, set, now)
	if err != nil {
		return nil, err
	}
	r.addrs, r.policy, r.at = addrs, set.Hash(), now
	return addrs, nil
}

// domainAddrs gives the addresses of patterns by pattern, sorted, and the patterns
// that had too many. Only DNS answers count: a client can put any name into TLS or
// HTTP, whatever address it connects to.
func domainAddrs(patterns []string, names []flow.Name, since flow.Time) (found map[string][]netip.Addr, over []string) {
	found = map[string][]netip.Addr{}
	for _, pattern := range patterns {
		last := map[netip.Addr]flow.Time{}
		for i := range names {
			n := &names[i]
			addr := n.Addr.Unmap()
			if n.Kind == flow.NameDNS && n.Last >= since && usable(addr, n.Scope) && policy.DomainMatches(pattern, n.Name) {
				last[addr] = max(last[addr], n.Last)
			}
		}
		addrs := make([]netip.Addr, 0, len(last))
		for a := range last {
			addrs = append(addrs, a)
		}
		slices.SortFunc(addrs, func(a, b netip.Addr) int { return cmp.Or(cmp.Compare(last[b], last[a]), a.Compare(b)) })
		if len(addrs) > maxDomainAddrs {
			over, addrs = append(over, pattern), addrs[:maxDomainAddrs]
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		if len(addrs) > 0 {
			found[pattern] = addrs
		}
	}
	return found, over
}

// usable says whether an answer can name a peer: sinkholes answer 0.0.0.0 or
// loopback, and a private address of another space is another machine here.
func usable(a netip.Addr, scope flow.Scope) bool {
	return a.IsGlobalUnicast() && (scope == 0 || !a.IsPrivate())
}
