package export

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// resolved is a set with its selectors turned into addresses, for targets that
// know no labels.
type resolved struct {
	in      *Input
	members []topology.Member // by id
	losses  []string
}

func resolve(in *Input) *resolved {
	r := &resolved{in: in, members: in.members()}
	if len(r.members) == 0 {
		r.lose("there is no inventory or map: selectors match no address, so nothing they allow is allowed here")
	}
	return r
}

// members are who selectors mean: those given, else the map's.
func (in *Input) members() []topology.Member {
	out := slices.Clone(in.Members)
	if out == nil && in.Map != nil {
		out = in.Map.Snapshot(nil, 0)
	}
	slices.SortFunc(out, func(a, b topology.Member) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// lose notes what the file cannot say, once.
func (r *resolved) lose(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.losses, text) {
		r.losses = append(r.losses, text)
	}
}

// addresses is one side of a rule: everything, or these prefixes.
type addresses struct {
	any      bool
	prefixes []netip.Prefix // sorted, without repeats
}

// family keeps the prefixes of one IP version.
func (a addresses) family(v6 bool) addresses {
	out := addresses{any: a.any}
	for _, p := range a.prefixes {
		if p.Addr().Is6() == v6 {
			out.prefixes = append(out.prefixes, p)
		}
	}
	return out
}

func (a addresses) empty() bool { return !a.any && len(a.prefixes) == 0 }

// side unites the addresses of peers. Domains have none: what that does to the
// rule is noted.
func (r *resolved) side(p *policy.Policy, rule *policy.Rule, peers []policy.Peer) (out addresses) {
	for i := range peers {
		switch pe := &peers[i]; {
		case pe.Any:
			out.any = true
		case pe.Prefix.IsValid():
			out.prefixes = append(out.prefixes, pe.Prefix.Masked())
		case pe.Domain != "":
			r.loseDomain(p, rule, pe.Domain)
		case pe.Network != "":
			n := r.in.Set.Network(pe.Network)
			out.prefixes = append(out.prefixes, n.Prefixes...)
			for _, d := range n.Domains {
				r.loseDomain(p, rule, d)
			}
		default:
			out.prefixes = append(out.prefixes, r.selected(pe.Selector)...)
		}
	}
	if out.any {
		out.prefixes = nil
	}
	slices.SortFunc(out.prefixes, netip.Prefix.Compare)
	out.prefixes = slices.Compact(out.prefixes)
	return out
}

func (r *resolved) loseDomain(p *policy.Policy, rule *policy.Rule, domain string) {
	if rule.Action == policy.Allow {
		r.lose("%s/%s: names are not addresses, so %s is left out: narrower than the policy", p.Name, rule.Name, domain)
		return
	}
	r.lose("%s/%s: names are not addresses, so %s is not denied here: WIDER than the policy", p.Name, rule.Name, domain)
}

// selected are the host prefixes of the members a selector means.
func (r *resolved) selected(s policy.Selector) (out []netip.Prefix) {
	for i := range r.members {
		if s.Matches(r.members[i].Labels) {
			out = append(out, hostPrefixes(r.members[i].Addrs)...)
		}
	}
	return out
}

func hostPrefixes(addrs []netip.Addr) (out []netip.Prefix) {
	for _, a := range addrs {
		a = a.Unmap()
		out = append(out, netip.PrefixFrom(a, a.BitLen()))
	}
	return out
}

// pool is the members that the same policies protect.
type pool struct {
	policies []*policy.Policy // by name
	members  []int            // indexes into resolved.members
}

// pools partitions the protected members, in order of their policies' names.
func (r *resolved) pools() []pool {
	at := map[string]int{}
	var out []pool
	for i := range r.members {
		var ps []*policy.Policy
		key := ""
		for j := range r.in.Set.Policies {
			if p := &r.in.Set.Policies[j]; p.Stage != policy.Draft && p.Scope.Matches(r.members[i].Labels) {
				ps = append(ps, p)
				key += p.Name + "\n"
			}
		}
		if len(ps) == 0 {
			continue
		}
		k, ok := at[key]
		if !ok {
			k = len(out)
			at[key] = k
			out = append(out, pool{policies: ps})
		}
		out[k].members = append(out[k].members, i)
	}
	slices.SortFunc(out, func(a, b pool) int {
		return slices.CompareFunc(a.policies, b.policies, func(x, y *policy.Policy) int { return cmp.Compare(x.Name, y.Name) })
	})
	return out
}

func (r *resolved) poolAddresses(p pool) (out addresses) {
	for _, i := range p.members {
		out.prefixes = append(out.prefixes, hostPrefixes(r.members[i].Addrs)...)
	}
	slices.SortFunc(out.prefixes, netip.Prefix.Compare)
	out.prefixes = slices.Compact(out.prefixes)
	return out
}

// orderedRule is a rule of a pool with its policy.
type orderedRule struct {
	*policy.Policy
	*policy.Rule
}

// inOrder gives the rules of policies in the order they decide: override-deny,
// allow, deny. Rules that ask for a process are told apart by nobody but an agent:
// an allow is left out, a deny denies every process; both are narrower.
func (r *resolved) inOrder(policies []*policy.Policy) (out []orderedRule) {
	for _, action := range []policy.Action{policy.OverrideDeny, policy.Allow, policy.Deny} {
		for _, p := range policies {
			for i := range p.Rules {
				rule := &p.Rules[i]
				if rule.Action != action {
					continue
				}
				if rule.Process != "" {
					r.lose("%s/%s: only an agent can see the process %q; %s", p.Name, rule.Name, rule.Process,
						map[bool]string{true: "the rule is left out", false: "every process is denied"}[action == policy.Allow])
					if action == policy.Allow {
						continue
					}
				}
				out = append(out, orderedRule{p, rule})
			}
		}
	}
	return out
}

// stageLoss notes that a target enforces whatever it is given.
func (r *resolved) stageLoss() {
	var names []string
	for i := range r.in.Set.Policies {
		if p := &r.in.Set.Policies[i]; p.Stage != policy.Enforce {
			names = append(names, p.Name)
		}
	}
	if n := len(names); n > 4 {
		names = append(names[:4], fmt.Sprintf("%d more", n-4))
	}
	if len(names) > 0 {
		r.lose("this format has no monitoring: applying it enforces %s, not in stage enforce", strings.Join(names, ", "))
	}
}

// header is the manifest in comments: what the file is made of, whom the labels
// mean, and what it cannot say.
func (r *resolved) header(prefix, title string) string {
	var b strings.Builder
	line := func(format string, args ...any) {
		b.WriteString(strings.TrimRight(prefix+printable(fmt.Sprintf(format, args...)), " ") + "\n")
	}
	line("%s", title)
	line("policy set %s", r.in.Set.Hash())
	if !r.in.At.IsZero() {
		line("made %s", r.in.At.UTC().Format(time.RFC3339))
	}
	line("always allowed besides what is below: %s", policy.Stateful)
	for _, l := range r.losses {
		line("LOSS %s", l)
	}
	for i := range r.members {
		m := &r.members[i]
		addrs := make([]string, len(m.Addrs))
		for j, a := range m.Addrs {
			addrs[j] = a.String()
		}
		line("member %s %s [%s]", m.ID, strings.Join(addrs, ","), m.Labels)
	}
	line("")
	return b.String()
}

// shortHash is eight hex digits of a text, to keep names apart.
func shortHash(s string) string {
	h := fnv.New64a()
	h.Write([]byte(s))
	return fmt.Sprintf("%08x", uint32(h.Sum64()^h.Sum64()>>32))
}

// slug is a name of at most n characters of a-z, 0-9 and dashes that begins with
// a letter; where anything was lost a hash keeps two of them apart.
func slug(s string, n int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if t := b.String(); t != "" && t[len(t)-1] != '-' {
			b.WriteByte('-')
		}
	}
	out := strings.Trim(b.String(), "-")
	if out == "" || out[0] < 'a' {
		out = "x" + out
	}
	if out == s && len(out) <= n {
		return out
	}
	if len(out) > n-9 {
		out = strings.TrimRight(out[:n-9], "-")
	}
	return out + "-" + shortHash(s)
}
