package recommender

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// cell is one thing that must be allowed: from, to and service by number.
type cell [3]int32

const (
	byFrom = iota
	byTo
	byService
)

// cover allows the product of its three lists, and nothing more is in it than
// the cells it was merged from.
type cover [3][]int32

// mergeOrders are the orders in which cells can be united; which gives fewest
// rules depends on who is shared: servers, clients or services.
var mergeOrders = [][3]int{
	{byService, byFrom, byTo}, {byService, byTo, byFrom}, {byTo, byService, byFrom},
	{byFrom, byService, byTo}, {byTo, byFrom, byService}, {byFrom, byTo, byService},
}

// minimalCovers unites cells into as few covers as the orders find, each the
// exact product of its lists: nothing that was not a cell is allowed. Covering a
// relation with the fewest products is NP-hard (biclique cover, Orlin 1977,
// doi:10.1016/1385-7258(77)90055-5); uniting equal rows in every order of the
// three dimensions is exact on what estates look like, and never widens.
func minimalCovers(cells []cell) []cover {
	var best []cover
	for _, order := range mergeOrders {
		covers := make([]cover, len(cells))
		for i, c := range cells {
			covers[i] = cover{{c[0]}, {c[1]}, {c[2]}}
		}
		for before := len(covers) + 1; len(covers) < before; {
			before = len(covers)
			for _, dim := range order {
				covers = unite(covers, dim)
			}
		}
		if best == nil || len(covers) < len(best) {
			best = covers
		}
	}
	slices.SortFunc(best, func(a, b cover) int {
		return cmp.Or(slices.Compare(a[byTo], b[byTo]), slices.Compare(a[byFrom], b[byFrom]), slices.Compare(a[byService], b[byService]))
	})
	return best
}

// unite merges covers that differ in one dimension only.
func unite(covers []cover, dim int) []cover {
	at := make(map[string]int, len(covers))
	out := covers[:0]
	var key []byte
	for _, c := range covers {
		key = key[:0]
		for d, list := range c {
			if d == dim {
				continue
			}
			for _, v := range list {
				key = binary.LittleEndian.AppendUint32(key, uint32(v))
			}
			key = append(key, 0xff, 0xff, 0xff, 0xff) // no number is -1
		}
		i, ok := at[string(key)]
		if !ok {
			at[string(key)] = len(out)
			out = append(out, c)
			continue
		}
		out[i][dim] = append(slices.Clone(out[i][dim]), c[dim]...)
	}
	for i := range out {
		slices.Sort(out[i][dim])
		out[i][dim] = slices.Compact(out[i][dim])
	}
	return out
}
