package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Select leaves of an estate's policies and workloads what one host needs to judge
// its own end of every flow exactly as all of them together do: the policies whose
// scope selects a workload that runs there, and whoever a selector of theirs can
// name, and the addresses of domains they name. A gateway judges both ends of what it forwards and needs everything that
// is past draft.
//
// A workload that no selector names may be left out only where its address then
// means nothing else: inside a network that gives labels to unclaimed addresses it
// stays.
func Select(set *policy.Set, host nft.Host) (*policy.Set, nft.Host) {
	out := *set
	self := map[string]bool{}
	for _, id := range host.Self {
		self[id] = true
	}
	out.Policies = slices.DeleteFunc(slices.Clone(set.Policies), func(p policy.Policy) bool {
		return p.Stage == policy.Draft || host.Mode == nft.ModeHost && !slices.ContainsFunc(host.Workloads, func(w nft.Workload) bool {
			return self[w.ID] && p.Scope.Matches(w.Labels)
		})
	})
	out.Networks = networksOf(&out)
	host.Domains = domainsOf(&out, host.Domains)
	if host.Mode == nft.ModeGateway {
		return &out, host
	}
	named := selectors(&out)
	host.Workloads = slices.DeleteFunc(slices.Clone(host.Workloads), func(w nft.Workload) bool {
		return !self[w.ID] && !slices.ContainsFunc(named, func(s policy.Selector) bool { return s.Matches(w.Labels) }) &&
			!inside(host.Networks, w.Addrs)
	})
	return &out, host
}

// selectors are those of peers; a peer that is no selector does not ask for labels.
func selectors(set *policy.Set) (out []policy.Selector) {
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			r := &set.Policies[i].Rules[j]
			for _, p := range slices.Concat(r.From, r.To) {
				if !p.Any && p.Network == "" && !p.Prefix.IsValid() && p.Domain == "" {
					out = append(out, p.Selector)
				}
			}
		}
	}
	return out
}

func inside(networks []topology.Network, addrs []netip.Addr) bool {
	for i := range networks {
		for _, p := range networks[i].Prefixes {
			if networks[i].Inside && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return p.Contains(a.Unmap()) }) {
				return true
			}
		}
	}
	return false
}

// domainsOf are the domains that the set's rules name, with their addresses.
func domainsOf(set *policy.Set, known map[string][]netip.Addr) map[string][]netip.Addr {
	var out map[string][]netip.Addr
	patterns := set.Domains()
	for name, addrs := range known {
		if slices.ContainsFunc(patterns, func(p string) bool { return policy.DomainMatches(p, name) }) {
			if out == nil {
				out = map[string][]netip.Addr{}
			}
			out[name] = addrs
		}
	}
	return out
}

// networksOf are the set's networks that its rules name.
func networksOf(set *policy.Set) (out []topology.Network) {
	named := map[string]bool{}
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			r := &set.Policies[i].Rules[j]
			for _, p := range slices.Concat(r.From, r.To) {
				named[p.Network] = true
			}
		}
	}
	for _, n := range set.Networks {
		if named[n.Name] {
			out = append(out, n)
		}
	}
	return out
}

// Make puts together what a host shall enforce; number and times come with Sign.
func Make(name string, set *policy.Set, host nft.Host, confirm string) Bundle {
	return Bundle{Host: name, Hash: set.Hash(), Policy: string(policy.Format(set)), Target: host, Confirm: confirm}
}

// Digest names what a bundle says, whatever its number and times.
func (b *Bundle) Digest() (string, error) {
	text, err := json.Marshal(struct {
		Host, Hash, Policy, Confirm string
		Again                       uint64
		Target                      nft.Host
	}{b.Host, b.Hash, b.Policy, b.Confirm, b.Again, b.Target})
	if err != nil {
		return "", fmt.Errorf("bundle for %s: %w", b.Host, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}
