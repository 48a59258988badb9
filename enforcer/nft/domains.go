package nft

import "github.com/bulkhead/bulkhead/policy"

// unresolved notes the domains of rules that the host has no address for: those
// rules match nothing there.
func (c *compiler) unresolved() {
	known := func(pattern string) bool {
		for name, addrs := range c.host.Domains {
			if len(addrs) > 0 && policy.DomainMatches(pattern, name) {
				return true
			}
		}
		return false
	}
	for _, t := range c.terms.domains {
		patterns := []string{c.terms.peers[t].Domain}
		if n := c.terms.networks(c.terms.peers[t].Network); c.terms.peers[t].Network != "" && n != nil {
			patterns = n.Domains
		}
		for _, pattern := range patterns {
			if !known(pattern) {
				c.lose("domain %s: no address is known; what names it matches nothing for it", pattern)
			}
		}
	}
}
