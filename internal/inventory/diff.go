package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

// Diff says in lines what comes ("+ "), goes ("- ") and changes ("~ ") from one
// inventory to another: workloads first, then networks, each in the order of the
// new inventory, what is gone at the end. Order, origin and spelling alone are no
// change. Nothing is returned when both say the same.
func Diff(old, new *topology.Inventory) []string {
	lines := diffBy(old.Workloads, new.Workloads, func(w *topology.Workload) string { return w.ID }, workloadLine, workloadChanges)
	return append(lines, diffBy(old.Networks, new.Networks, func(n *topology.Network) string { return "network " + n.Name }, networkLine, networkChanges)...)
}

// diffBy compares two lists by the keys of their elements.
func diffBy[T any](old, new []T, key func(*T) string, line func(*T) string, changes func(old, new *T) []string) []string {
	before := make(map[string]*T, len(old))
	for i := range old {
		before[key(&old[i])] = &old[i]
	}
	var lines []string
	for i := range new {
		k := key(&new[i])
		was, known := before[k]
		if !known {
			lines = append(lines, "+ "+line(&new[i]))
		} else if c := changes(was, &new[i]); len(c) > 0 {
			lines = append(lines, "~ "+k+": "+strings.Join(c, "; "))
		}
		delete(before, k)
	}
	for i := range old {
		if k := key(&old[i]); before[k] != nil {
			lines = append(lines, "- "+line(&old[i]))
		}
	}
	return lines
}

func workloadLine(w *topology.Workload) string {
	parts := []string{w.ID, w.Name, "[" + w.Labels.String() + "]"}
	var addrs []string
	for _, a := range w.Addresses {
		addrs = append(addrs, addressWords(a))
	}
	parts = append(parts, strings.Join(addrs, ", "))
	if w.Kind != "" {
		parts = append(parts, w.Kind+" of "+strings.Join(w.Backends, ", "))
	}
	return strings.Join(slices.DeleteFunc(parts, empty), " ")
}

func networkLine(n *topology.Network) string {
	s := fmt.Sprintf("network %s %v", n.Name, n.Prefixes)
	if len(n.Domains) > 0 {
		s += fmt.Sprintf(" %v", n.Domains)
	}
	if n.Scope != 0 {
		s += " in " + n.Scope.String()
	}
	if n.Inside {
		s += " inside"
	}
	if n.NAT {
		s += " nat"
	}
	if len(n.Behind) > 0 {
		s += fmt.Sprintf(" before %v", n.Behind)
	}
	if len(n.Labels) > 0 {
		s += " [" + n.Labels.String() + "]"
	}
	return s
}

func empty(s string) bool { return s == "" }

// workloadChanges says what differs between two versions of a workload.
func workloadChanges(old, new *topology.Workload) []string {
	var out []string
	if old.Name != new.Name {
		out = append(out, changed("name", old.Name, new.Name))
	}
	if old.Kind != new.Kind {
		out = append(out, changed("kind", old.Kind, new.Kind))
	}
	out = append(out, labelChanges(old.Labels, new.Labels)...)
	out = append(out, setChanges("backend", old.Backends, new.Backends)...)
	return append(out, setChanges("address", addressList(old.Addresses), addressList(new.Addresses))...)
}

func networkChanges(old, new *topology.Network) []string {
	out := setChanges("prefix", prefixList(old.Prefixes), prefixList(new.Prefixes))
	out = append(out, setChanges("domain", old.Domains, new.Domains)...)
	out = append(out, setChanges("behind", prefixList(old.Behind), prefixList(new.Behind))...)
	if old.Inside != new.Inside {
		out = append(out, changed("inside", fmt.Sprint(old.Inside), fmt.Sprint(new.Inside)))
	}
	if old.NAT != new.NAT {
		out = append(out, changed("nat", fmt.Sprint(old.NAT), fmt.Sprint(new.NAT)))
	}
	if old.Scope != new.Scope {
		out = append(out, changed("scope", old.Scope.String(), new.Scope.String()))
	}
	return append(out, labelChanges(old.Labels, new.Labels)...)
}

func changed(what, old, new string) string {
	switch {
	case old == "":
		return fmt.Sprintf("%s %s added", what, new)
	case new == "":
		return fmt.Sprintf("%s %s removed", what, old)
	}
	return fmt.Sprintf("%s %s → %s", what, old, new)
}

func labelChanges(old, new topology.Labels) []string {
	var out []string
	for _, k := range old.Merge(new).Keys() {
		if old[k] != new[k] {
			out = append(out, changed("label "+k, old[k], new[k]))
		}
	}
	return out
}

func setChanges(what string, old, new []string) []string {
	var out []string
	for _, s := range new {
		if !slices.Contains(old, s) {
			out = append(out, what+" "+s+" added")
		}
	}
	for _, s := range old {
		if !slices.Contains(new, s) {
			out = append(out, what+" "+s+" removed")
		}
	}
	return out
}

func addressList(list []topology.Address) []string {
	out := make([]string, 0, len(list))
	for _, a := range list {
		out = append(out, addressWords(a))
	}
	return out
}

func prefixList(list []netip.Prefix) []string {
	out := make([]string, 0, len(list))
	for _, p := range list {
		out = append(out, p.String())
	}
	return out
}

// addressWords is "10.0.0.1", with scope and interval where there are any.
func addressWords(a topology.Address) string {
	s := a.Addr.String()
	if a.Scope != 0 {
		s += "@" + a.Scope.String()
	}
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	switch {
	case !a.From.IsZero() && !a.To.IsZero():
		return s + " (" + at(a.From) + " to " + at(a.To) + ")"
	case !a.From.IsZero():
		return s + " (from " + at(a.From) + ")"
	case !a.To.IsZero():
		return s + " (until " + at(a.To) + ")"
	}
	return s
}
