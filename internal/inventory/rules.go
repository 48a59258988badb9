package inventory

import (
	"fmt"
	"net/netip"
	"regexp"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// Rule labels the workloads whose name matches, or that hold an address in a
// subnet. Values may use the name pattern's groups: "$1", "${site}".
type Rule struct {
	Name   string          `yaml:"name"`   // regular expression (RE2), matched against the whole name
	Subnet netip.Prefix    `yaml:"subnet"` // both given: both must match
	Labels topology.Labels `yaml:"labels"`
}

// Rules are tried in order; the first that gives a key wins. What a workload is
// already labelled stays.
type Rules struct {
	Rules []Rule `yaml:"rules"`

	names []*regexp.Regexp
}

// ReadRules reads label rules.
func ReadRules(data []byte, file string) (*Rules, error) {
	var r Rules
	if err := strictyaml.Decode(data, file, &r); err != nil {
		return nil, err
	}
	r.names = make([]*regexp.Regexp, len(r.Rules))
	for i := range r.Rules {
		rule := &r.Rules[i]
		if rule.Name == "" && !rule.Subnet.IsValid() {
			return nil, fmt.Errorf("%s: rule %d: neither name nor subnet", file, i+1)
		}
		if len(rule.Labels) == 0 {
			return nil, fmt.Errorf("%s: rule %d: no labels", file, i+1)
		}
		if rule.Name == "" {
			continue
		}
		re, err := regexp.Compile("^(?:" + rule.Name + ")$")
		if err != nil {
			return nil, fmt.Errorf("%s: rule %d: %w", file, i+1, err)
		}
		r.names[i] = re
	}
	return &r, nil
}

// Apply labels the workloads of inv in place and says how many got a label.
func (r *Rules) Apply(inv *topology.Inventory) (changed int) {
	for i := range inv.Workloads {
		w := &inv.Workloads[i]
		got := topology.Labels{}
		for j := range r.Rules {
			if labels, ok := r.match(j, w); ok {
				got = labels.Merge(got)
			}
		}
		merged := got.Merge(w.Labels)
		if len(merged) > len(w.Labels) {
			changed++
			w.Labels = merged
		}
	}
	return changed
}

func (r *Rules) match(j int, w *topology.Workload) (topology.Labels, bool) {
	rule := &r.Rules[j]
	if rule.Subnet.IsValid() && !within(w, rule.Subnet) {
		return nil, false
	}
	re := r.names[j]
	if re == nil {
		return rule.Labels, true
	}
	name := w.Name
	if name == "" {
		name = w.ID
	}
	groups := re.FindStringSubmatchIndex(name)
	if groups == nil {
		return nil, false
	}
	out := topology.Labels{}
	for k, v := range rule.Labels {
		if v := string(re.ExpandString(nil, v, name, groups)); v != "" {
			out[k] = v
		}
	}
	return out, true
}

func within(w *topology.Workload, p netip.Prefix) bool {
	for _, a := range w.Addresses {
		if p.Contains(a.Addr) {
			return true
		}
	}
	return false
}
