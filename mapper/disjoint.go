package mapper

// disjoint is a forest of disjoint sets with path halving; the smallest member is
// the root, so that results do not depend on the order of unions.
type disjoint struct{ parent []int32 }

func newDisjoint(n int) *disjoint {
	d := &disjoint{parent: make([]int32, n)}
	for i := range d.parent {
		d.parent[i] = int32(i)
	}
	return d
}

func (d *disjoint) find(i int32) int32 {
	for d.parent[i] != i {
		d.parent[i] = d.parent[d.parent[i]]
		i = d.parent[i]
	}
	return i
}

// union reports whether i and j were in different sets.
func (d *disjoint) union(i, j int32) bool {
	i, j = d.find(i), d.find(j)
	if i == j {
		return false
	}
	d.parent[max(i, j)] = min(i, j)
	return true
}

// number returns each element's set, counted from 0 by smallest member, and -1
// for elements that want refuses; and how many sets there are.
func (d *disjoint) number(want func(int32) bool) ([]int32, int) {
	of := make([]int32, len(d.parent))
	id := make([]int32, len(d.parent))
	n := 0
	for i := range of {
		r := d.find(int32(i))
		if r == int32(i) {
			id[i] = -1
		}
		of[i] = r
	}
	for i := range of {
		if !want(int32(i)) {
			of[i] = -1
			continue
		}
		r := of[i]
		if id[r] < 0 {
			id[r] = int32(n)
			n++
		}
		of[i] = id[r]
	}
	return of, n
}
