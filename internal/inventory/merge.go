package inventory

import (
	"slices"

	"github.com/bulkhead/bulkhead/topology"
)

// Merge brings what was read into an inventory: workloads are matched by id, new
// addresses are added, labels and names that base lacks are filled in. What base
// says stays; an interval that goes on is prolonged, and who is new at an address
// that another gave up begins where that one ended. Merging the same again changes
// nothing. Neither is modified.
func Merge(base, add *topology.Inventory) *topology.Inventory {
	out := &topology.Inventory{Networks: append([]topology.Network{}, base.Networks...)}
	at := map[string]int{}
	held := map[place][]holding{}
	for _, w := range base.Workloads {
		at[w.ID] = len(out.Workloads)
		out.Workloads = append(out.Workloads, w)
		for _, a := range w.Addresses {
			k := place{a.Addr, a.Scope}
			held[k] = append(held[k], holding{w.ID, a})
		}
	}
	for _, w := range add.Workloads {
		w.Addresses = slices.Clone(w.Addresses)
		for j := range w.Addresses {
			a := &w.Addresses[j]
			*a = afterOthers(*a, w.ID, held[place{a.Addr, a.Scope}])
		}
		i, known := at[w.ID]
		if !known {
			at[w.ID] = len(out.Workloads)
			out.Workloads = append(out.Workloads, w)
			continue
		}
		out.Workloads[i] = mergeWorkload(out.Workloads[i], w)
	}
	named := map[string]bool{}
	for _, n := range base.Networks {
		named[n.Name] = true
	}
	for _, n := range add.Networks {
		if !named[n.Name] {
			out.Networks = append(out.Networks, n)
		}
	}
	return out
}

// holding is an address held by a workload.
type holding struct {
	id   string
	addr topology.Address
}

// afterOthers lets an address of which nobody said when it began begin when the
// others before it had ended.
func afterOthers(a topology.Address, id string, others []holding) topology.Address {
	if !a.From.IsZero() {
		return a
	}
	for _, o := range others {
		if from := o.addr.From; o.id == id && (a.To.IsZero() || from.Before(a.To)) {
			a.From = from // what is known of it stays
			return a
		}
	}
	for _, o := range others {
		if to := o.addr.To; !to.IsZero() && to.After(a.From) && (a.To.IsZero() || to.Before(a.To)) {
			a.From = to
		}
	}
	return a
}

func mergeWorkload(w, more topology.Workload) topology.Workload {
	if w.Name == "" {
		w.Name = more.Name
	}
	if w.Kind == "" && more.Kind != "" && len(w.Addresses) == 0 {
		w.Kind = more.Kind
	}
	for _, b := range more.Backends {
		if w.Kind != "" && !slices.Contains(w.Backends, b) {
			w.Backends = append(slices.Clone(w.Backends), b)
		}
	}
	w.Labels = more.Labels.Merge(w.Labels)
	have := append([]topology.Address{}, w.Addresses...)
	for _, a := range more.Addresses {
		have = prolong(have, a)
	}
	w.Addresses = have
	return w
}

// prolong adds an address to a list: to an interval of the same address that it
// overlaps or touches, where there is one.
func prolong(list []topology.Address, a topology.Address) []topology.Address {
	for i := range list {
		h := &list[i]
		if h.Addr != a.Addr || h.Scope != a.Scope || ended(h, &a) || ended(&a, h) {
			continue
		}
		if !h.From.IsZero() && (a.From.IsZero() || a.From.Before(h.From)) {
			h.From = a.From
		}
		if !h.To.IsZero() && (a.To.IsZero() || a.To.After(h.To)) {
			h.To = a.To
		}
		return list
	}
	return append(list, a)
}

// ended reports that a was over before b began.
func ended(a, b *topology.Address) bool { return !a.To.IsZero() && a.To.Before(b.From) }
