package policy

import (
	"cmp"
	"slices"
)

// poolIndex finds the policies past draft that protect a workload without asking
// each: by one label value of their scope.
type poolIndex struct {
	keys   []string
	byKey  []map[string][]*Policy // per key: policies by value, sorted by name
	others []*Policy              // whose scope asks for no value
}

func newPoolIndex(set *Set) *poolIndex {
	values := map[string]map[string]bool{} // that scopes ask for, by key
	for i := range set.Policies {
		for _, r := range set.Policies[i].Scope {
			if values[r.Key] == nil {
				values[r.Key] = map[string]bool{}
			}
			for _, v := range r.In {
				values[r.Key][v] = true
			}
		}
	}
	x := &poolIndex{}
	for i := range set.Policies {
		p := &set.Policies[i]
		if p.Stage == Draft {
			continue
		}
		at := -1
		for j, r := range p.Scope { // the key that tells most apart
			if len(r.In) > 0 && (at < 0 || len(values[r.Key]) > len(values[p.Scope[at].Key])) {
				at = j
			}
		}
		if at < 0 {
			x.others = append(x.others, p)
			continue
		}
		x.add(p, &p.Scope[at])
	}
	return x
}

func (x *poolIndex) add(p *Policy, r *Requirement) {
	k := slices.Index(x.keys, r.Key)
	if k < 0 {
		k = len(x.keys)
		x.keys = append(x.keys, r.Key)
		x.byKey = append(x.byKey, map[string][]*Policy{})
	}
	for _, v := range r.In {
		if list := x.byKey[k][v]; len(list) == 0 || list[len(list)-1] != p {
			x.byKey[k][v] = append(list, p)
		}
	}
}

// protecting is the function of that name, by index.
func (x *poolIndex) protecting(p *Party) (pool []*Policy) {
	if !p.Workload {
		return nil
	}
	take := func(list []*Policy) {
		for _, q := range list {
			if q.Scope.Matches(p.Labels) {
				pool = append(pool, q)
			}
		}
	}
	take(x.others)
	for i, k := range x.keys {
		if v, ok := p.Labels[k]; ok {
			take(x.byKey[i][v])
		}
	}
	slices.SortFunc(pool, func(a, b *Policy) int { return cmp.Compare(a.Name, b.Name) })
	return pool
}
