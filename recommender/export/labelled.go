package export

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// labelled is a set for targets that know labels themselves: Kubernetes and what
// builds on it. Selectors stay selectors.
type labelled struct {
	*resolved
	denies bool // the target can deny; otherwise allows that a denial may touch are left out
}

// half is what one rule says at one end: who is protected, and who may come or be
// gone to.
type half struct {
	policy  *policy.Policy
	rule    *policy.Rule
	way     policy.Direction
	subject policy.Selector // of the protected workloads: scope and the rule's own peer
	peers   []policy.Peer
}

// name is unique among the halves of a set.
func (h *half) name(i int) string {
	return slug(fmt.Sprintf("%s-%s-%s-%d", h.policy.Name, h.rule.Name, map[policy.Direction]string{policy.Inbound: "in", policy.Outbound: "out"}[h.way], i), 63)
}

// halves splits every rule into its ends, in order of policies and rules.
func (l *labelled) halves() (out []half) {
	for i := range l.in.Set.Policies {
		p := &l.in.Set.Policies[i]
		for j := range p.Rules {
			r := &p.Rules[j]
			if !l.sayable(p, r) {
				continue
			}
			out = append(out, l.ends(p, r, policy.Inbound)...)
			if p.Egress == policy.EgressRestrict || r.Action != policy.Allow {
				out = append(out, l.ends(p, r, policy.Outbound)...)
			}
		}
	}
	return out
}

// sayable decides whether a rule can be written at all without widening.
func (l *labelled) sayable(p *policy.Policy, r *policy.Rule) bool {
	if r.Process != "" {
		l.lose("%s/%s: only an agent can see the process %q; %s", p.Name, r.Name, r.Process,
			map[bool]string{true: "the rule is left out", false: "every process is denied"}[r.Action == policy.Allow])
		if r.Action == policy.Allow {
			return false
		}
	}
	if l.denies {
		return true
	}
	if r.Action != policy.Allow {
		if p.Egress == policy.EgressAllow {
			l.lose("%s/%s: this format cannot deny; what it denies outbound stays open: WIDER than the policy", p.Name, r.Name)
		}
		return false
	}
	for i := range l.in.Set.Policies {
		for k := range l.in.Set.Policies[i].Rules {
			if o := &l.in.Set.Policies[i].Rules[k]; o.Action == policy.OverrideDeny && o.MayMeet(r) {
				l.lose("%s/%s: this format cannot deny, and %s/%s denies some of it: the rule is left out, narrower than the policy", p.Name, r.Name, l.in.Set.Policies[i].Name, o.Name)
				return false
			}
		}
	}
	return true
}

// ends are the halves of one direction: one per peer that says who is protected.
func (l *labelled) ends(p *policy.Policy, r *policy.Rule, way policy.Direction) (out []half) {
	own, peers := r.To, r.From
	if way == policy.Outbound {
		own, peers = r.From, r.To
	}
	for i := range own {
		h := half{policy: p, rule: r, way: way, peers: peers, subject: p.Scope}
		switch pe := &own[i]; {
		case pe.Any:
		case pe.Selector != nil:
			h.subject = both(p.Scope, pe.Selector)
			if !l.scopeMeets(p, pe) {
				continue
			}
		default:
			l.loseOwn(p, r, pe)
			continue
		}
		out = append(out, h)
	}
	return out
}

// loseOwn notes a rule that says by address who is protected, which labels cannot:
// where a workload of the scope holds such an address.
func (l *labelled) loseOwn(p *policy.Policy, r *policy.Rule, pe *policy.Peer) {
	if pe.Domain != "" {
		return
	}
	a := l.side(p, r, []policy.Peer{*pe})
	if len(intersect(addresses{prefixes: l.selected(p.Scope)}, a).prefixes) == 0 {
		return
	}
	if r.Action == policy.Allow {
		l.lose("%s/%s: %s says by address who is protected, which labels cannot; left out", p.Name, r.Name, pe)
		return
	}
	l.lose("%s/%s: %s says by address who is protected, which labels cannot; not denied: WIDER than the policy where something allows it", p.Name, r.Name, pe)
}

// both selects what a and b select, requirements that say the same once.
func both(a, b policy.Selector) policy.Selector {
	out := slices.Clone(a)
	for _, r := range b {
		if !slices.ContainsFunc(a, func(x policy.Requirement) bool { return x.String() == r.String() }) {
			out = append(out, r)
		}
	}
	return out
}

func (l *labelled) scopeMeets(p *policy.Policy, pe *policy.Peer) bool {
	scope := policy.Peer{Selector: p.Scope}
	return scope.MayMeet(pe)
}

var (
	kubeValue = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	kubeKey   = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
)

// kubeSelector writes a selector as matchLabels and matchExpressions (Kubernetes
// API, LabelSelector). Our "not" needs the key, which NotIn does not, so Exists is
// added. Not ok when a label cannot stand on a pod: nothing is selected then.
func (l *labelled) kubeSelector(s policy.Selector) (fields, bool) {
	exact, expressions := fields{}, list{}
	seen := map[string]bool{}
	for _, r := range s {
		for _, v := range append(slices.Clone(r.In), r.Not...) {
			if !kubeValue.MatchString(v) || !kubeKey.MatchString(r.Key) {
				l.lose("no pod can carry the label %s=%q: what asks for it is left out", r.Key, v)
				return nil, false
			}
		}
		switch {
		case len(r.In) == 1 && len(r.Not) == 0 && !seen[r.Key]:
			exact = append(exact, r.Key, r.In[0])
		case len(r.In) > 0:
			expressions = append(expressions, fields{"key", r.Key, "operator", "In", "values", stringList(r.In)})
		default:
			expressions = append(expressions, fields{"key", r.Key, "operator", "Exists"})
		}
		if len(r.Not) > 0 {
			expressions = append(expressions, fields{"key", r.Key, "operator", "NotIn", "values", stringList(r.Not)})
		}
		seen[r.Key] = true
	}
	out := fields{}
	if len(exact) > 0 {
		out = append(out, "matchLabels", exact)
	}
	if len(expressions) > 0 {
		out = append(out, "matchExpressions", expressions)
	}
	return out, true
}

// transport keeps the services a target with ports of TCP, UDP and SCTP can say.
// all: every service. Not ok when nothing of them is left.
func (l *labelled) transport(h *half, icmp bool) (kept []policy.Service, all, ok bool) {
	if len(h.rule.Services) == 0 {
		return nil, true, true
	}
	for _, s := range h.rule.Services {
		switch {
		case s.Proto == 0:
			return nil, true, true
		case transports(s.Proto):
			if s, ok := l.withoutPortZero(h, s); ok {
				kept = append(kept, s)
			}
		case icmp && (s.Proto == flow.ICMP || s.Proto == flow.ICMPv6):
			kept = append(kept, s)
		default:
			if h.rule.Action == policy.Allow {
				l.lose("%s/%s: %s cannot be said and is left out", h.policy.Name, h.rule.Name, s)
			} else {
				l.lose("%s/%s: %s cannot be denied here: WIDER than the policy where something allows it", h.policy.Name, h.rule.Name, s)
			}
		}
	}
	return kept, false, len(kept) > 0
}

// transports reports whether these targets know the protocol's ports.
func transports(proto uint8) bool {
	return proto == flow.TCP || proto == flow.UDP || proto == flow.SCTP
}

// withoutPortZero takes port 0 out of a range of ports: in these targets it is no
// port, or every one. Not ok when nothing is left.
func (l *labelled) withoutPortZero(h *half, s policy.Service) (policy.Service, bool) {
	if s.From > 0 || s.To == 65535 {
		return s, true
	}
	if h.rule.Action == policy.Allow {
		l.lose("%s/%s: port 0 of %s cannot be said and is left out", h.policy.Name, h.rule.Name, s)
	} else {
		l.lose("%s/%s: port 0 of %s cannot be denied here: WIDER than the policy where something allows it", h.policy.Name, h.rule.Name, s)
	}
	s.From = 1
	return s, s.To > 0
}

// protocolName is the upper-case name Kubernetes uses.
func protocolName(proto uint8) string {
	switch proto {
	case flow.TCP:
		return "TCP"
	case flow.UDP:
		return "UDP"
	case flow.SCTP:
		return "SCTP"
	case flow.ICMP:
		return "ICMP"
	case flow.ICMPv6:
		return "ICMPv6"
	}
	return fmt.Sprint(proto)
}

// cidrs are a peer's addresses, when it is made of addresses.
func (l *labelled) cidrs(h *half, pe *policy.Peer) []string {
	a := l.side(h.policy, h.rule, []policy.Peer{*pe})
	out := make([]string, len(a.prefixes))
	for i, p := range a.prefixes {
		out[i] = p.String()
	}
	return out
}
