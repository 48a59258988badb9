package nft

import (
	"cmp"
	"net/netip"
	"slices"
)

// prefixRanges turns prefixes into sorted disjoint ranges of one family.
func prefixRanges(prefixes []netip.Prefix, v6 bool) (out []Range) {
	var list []netip.Prefix
	for _, p := range prefixes {
		if p.Addr().Is6() == v6 {
			list = append(list, p.Masked())
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return cmp.Compare(a.Bits(), b.Bits())
	})
	for _, p := range list {
		from, to := p.Addr(), lastAddr(p)
		if n := len(out); n > 0 && from.Compare(out[n-1].To) <= 0 {
			continue // nested in the one before
		}
		if n := len(out); n > 0 && out[n-1].To.Next() == from {
			out[n-1].To = to
			continue
		}
		out = append(out, Range{From: from, To: to})
	}
	return out
}
