package policy

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// Cell is one thing that is allowed (or changed): from, to and service, by numbers
// whose meaning the caller keeps.
type Cell [3]int32

// The dimensions of Cells and Covers.
const (
	ByFrom = iota
	ByTo
	ByService
)

// Cover stands for the product of its three lists.
type Cover [3][]int32

// mergeOrders are the orders in which cells can be united; which gives fewest
// rules depends on who is shared: servers, clients or services.
var mergeOrders = [][3]int{
	{ByService, ByFrom, ByTo}, {ByService, ByTo, ByFrom}, {ByTo, ByService, ByFrom},
	{ByFrom, ByService, ByTo}, {ByTo, ByFrom, ByService}, {ByFrom, ByTo, ByService},
}

// Covers unites cells into as few covers as the orders find, each the
// exact product of its lists: nothing that was not a cell is allowed. Covering a
// relation with the fewest products is NP-hard (biclique cover, Orlin 1977,
// doi:10.1016/1385-7258(77)90055-5); uniting equal rows in every order of the
// three dimensions is exact on what estates look like, and never widens.
func Covers(cells []Cell) []Cover {
	var best []Cover
	for _, order := range mergeOrders {
		covers := make([]Cover, len(cells))
		for i, c := range cells {
			covers[i] = Cover{{c[0]}, {c[1]}, {c[2]}}
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
	slices.SortFunc(best, func(a, b Cover) int {
		return cmp.Or(slices.Compare(a[ByTo], b[ByTo]), slices.Compare(a[ByFrom], b[ByFrom]), slices.Compare(a[ByService], b[ByService]))
	})
	return best
}

// unite merges covers that differ in one dimension only.
func unite(covers []Cover, dim int) []Cover {
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
