package export

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// The iptables export is three files that belong together: ipset holds the
// addresses of both families, iptables and ip6tables the chains. Nothing outside
// the chains BULKHEAD and BH-… is touched.

// ipfilter compiles one family. It writes sets and chains side by side, because
// a chain names the sets it uses.
type ipfilter struct {
	*resolved
	v6     bool
	sets   bytes.Buffer
	names  map[string]string // content → set name
	chains []string
	rules  bytes.Buffer
}

func writeIPTables(w io.Writer, in *Input) ([]string, error)  { return writeFilter(w, in, false) }
func writeIP6Tables(w io.Writer, in *Input) ([]string, error) { return writeFilter(w, in, true) }

func writeFilter(w io.Writer, in *Input, v6 bool) ([]string, error) {
	f := compileFilter(in, v6)
	tool := "iptables"
	if v6 {
		tool = "ip6tables"
	}
	var b bytes.Buffer
	b.WriteString(f.header("# ", tool+" chains of a Bulkhead policy set, for a gateway before these workloads"))
	fmt.Fprintf(&b, "# load: ipset restore < ipset.txt; %s-restore --noflush < this file\n", tool)
	fmt.Fprintf(&b, "# hook: %s -C FORWARD -j BULKHEAD || %s -I FORWARD -j BULKHEAD\n", tool, tool)
	b.WriteString("*filter\n:BULKHEAD - [0:0]\n")
	for _, c := range f.chains {
		fmt.Fprintf(&b, ":%s - [0:0]\n", c)
	}
	b.Write(f.rules.Bytes())
	b.WriteString("COMMIT\n")
	_, err := w.Write(b.Bytes())
	return f.losses, err
}

func writeIPSet(w io.Writer, in *Input) ([]string, error) {
	f4, f6 := compileFilter(in, false), compileFilter(in, true)
	var b bytes.Buffer
	b.WriteString(f4.header("# ", "ipset sets of a Bulkhead policy set"))
	b.Write(f4.sets.Bytes())
	b.Write(f6.sets.Bytes())
	_, err := w.Write(b.Bytes())
	return f4.losses, err
}

func compileFilter(in *Input, v6 bool) *ipfilter {
	f := &ipfilter{resolved: resolve(in), v6: v6, names: map[string]string{}}
	f.add("BULKHEAD", "-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN")
	pools := f.pools()
	for i, p := range pools {
		if set := f.set(f.poolAddresses(p).family(v6)); set != "" {
			f.add("BULKHEAD", fmt.Sprintf("-m set --match-set %s dst -j BH-I%d", set, i+1))
			f.add("BULKHEAD", fmt.Sprintf("-m set --match-set %s src -j BH-O%d", set, i+1))
		}
	}
	for i, p := range pools {
		f.end(p, fmt.Sprintf("BH-I%d", i+1), policy.Inbound)
		f.end(p, fmt.Sprintf("BH-O%d", i+1), policy.Outbound)
	}
	return f
}

func (f *ipfilter) add(chain, rule string) { fmt.Fprintf(&f.rules, "-A %s %s\n", chain, rule) }

// end writes the chains of one end of a pool: exceptions, what the enforced
// policies drop, then what all of them would.
func (f *ipfilter) end(p pool, chain string, way policy.Direction) {
	f.chains = append(f.chains, chain, chain+"M")
	f.exceptions(chain, way)
	var enforced []*policy.Policy
	for _, q := range p.policies {
		if q.Stage == policy.Enforce {
			enforced = append(enforced, q)
		}
	}
	if len(enforced) > 0 {
		f.decide(chain, enforced, way, "-g "+chain+"M", "-j DROP")
	}
	if len(enforced) < len(p.policies) {
		f.add(chain, "-g "+chain+"M")
		f.decide(chain+"M", p.policies, way, "-j RETURN", "-j NFLOG --nflog-group 86 --nflog-prefix \"bulkhead would block\"")
	}
}

// decide writes rules in the order they decide, then the default. A rule that
// logs must also end the chain.
func (f *ipfilter) decide(chain string, policies []*policy.Policy, way policy.Direction, pass, block string) {
	stop := func(match string) {
		f.add(chain, match+block)
		if !strings.HasPrefix(block, "-j DROP") {
			f.add(chain, match+"-j RETURN")
		}
	}
	for _, r := range f.inOrder(policies) {
		for _, match := range f.matches(r) {
			if r.Action == policy.Allow {
				f.add(chain, match+pass)
			} else {
				stop(match)
			}
		}
	}
	if way == policy.Inbound || slices.ContainsFunc(policies, func(p *policy.Policy) bool { return p.Egress == policy.EgressRestrict }) {
		stop("")
		return
	}
	f.add(chain, pass)
}

func (f *ipfilter) exceptions(chain string, way policy.Direction) {
	match := "dst"
	if way == policy.Inbound {
		match = "src"
	}
	for _, x := range f.in.Set.AlwaysAllowed {
		if x.Direction != policy.BothWays && x.Direction != way {
			continue
		}
		from := addresses{any: len(x.Networks) == 0, prefixes: x.Networks}
		side, ok := f.sideMatch(from, match)
		if !ok {
			continue
		}
		for _, s := range f.serviceMatches(x.Services) {
			f.add(chain, side+s+fmt.Sprintf("-m comment --comment %q -j RETURN", "always:"+x.Name))
		}
	}
	if way == policy.Inbound && len(f.in.Set.BreakGlass) > 0 {
		if side, ok := f.sideMatch(addresses{prefixes: f.in.Set.BreakGlass}, "src"); ok {
			f.add(chain, side+"-m comment --comment \"break-glass\" -j RETURN")
		}
	}
}

// matches are the match parts of one rule, one per protocol and chunk of ports.
func (f *ipfilter) matches(r orderedRule) (out []string) {
	src, ok1 := f.sideMatch(f.side(r.Policy, r.Rule, r.From), "src")
	dst, ok2 := f.sideMatch(f.side(r.Policy, r.Rule, r.To), "dst")
	if !ok1 || !ok2 {
		return nil
	}
	for _, s := range f.serviceMatches(r.Services) {
		out = append(out, src+dst+s+fmt.Sprintf("-m comment --comment %q ", r.Policy.Name+"/"+r.Rule.Name))
	}
	return out
}

// sideMatch matches one side; not ok when nobody of this family is meant.
func (f *ipfilter) sideMatch(a addresses, dir string) (string, bool) {
	if a.any {
		return "", true
	}
	set := f.set(a.family(f.v6))
	if set == "" {
		return "", false
	}
	return fmt.Sprintf("-m set --match-set %s %s ", set, dir), true
}

// set names the set of these addresses, writing it when it is new; "" for none.
func (f *ipfilter) set(a addresses) string {
	if a.empty() {
		return ""
	}
	var content strings.Builder
	for _, p := range splitWhole(a.prefixes) {
		content.WriteString(p.String() + "\n")
	}
	if name, ok := f.names[content.String()]; ok {
		return name
	}
	family, name := "inet", "bh4-"+shortHash(content.String())
	if f.v6 {
		family, name = "inet6", "bh6-"+shortHash(content.String())
	}
	f.names[content.String()] = name
	fmt.Fprintf(&f.sets, "create %s hash:net family %s maxelem %d -exist\nflush %s\n", name, family, max(65536, 2*len(a.prefixes)), name)
	for _, p := range splitWhole(a.prefixes) {
		fmt.Fprintf(&f.sets, "add %s %s\n", name, p)
	}
	return name
}

// splitWhole halves prefixes of length 0, which ipset's hash:net refuses.
func splitWhole(prefixes []netip.Prefix) (out []netip.Prefix) {
	for _, p := range prefixes {
		if p.Bits() > 0 {
			out = append(out, p)
			continue
		}
		high := netip.AddrFrom4([4]byte{0x80})
		if p.Addr().Is6() {
			high = netip.AddrFrom16([16]byte{0x80})
		}
		out = append(out, netip.PrefixFrom(p.Addr(), 1), netip.PrefixFrom(high, 1))
	}
	return out
}

// maxMultiport is how many ports multiport takes; a range counts two.
const maxMultiport = 15

// serviceMatches gives the protocol parts of a list of services in this family.
func (f *ipfilter) serviceMatches(services []policy.Service) (out []string) {
	if len(services) == 0 {
		return []string{""}
	}
	ports := map[uint8][]string{}
	var order []uint8
	for _, s := range services {
		switch {
		case s.Proto == 0:
			return []string{""}
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			if (s.Proto == flow.ICMPv6) == f.v6 {
				out = append(out, icmpMatches(s)...)
			}
		case !flow.HasPorts(s.Proto) || s.From == 0 && s.To == 65535:
			out = append(out, fmt.Sprintf("-p %d ", s.Proto))
		default:
			if ports[s.Proto] == nil {
				order = append(order, s.Proto)
			}
			ports[s.Proto] = append(ports[s.Proto], portRange(s, ":"))
		}
	}
	for _, proto := range order {
		for _, chunk := range chunks(ports[proto]) {
			out = append(out, fmt.Sprintf("-p %d -m multiport --dports %s ", proto, strings.Join(chunk, ",")))
		}
	}
	return out
}

func portRange(s policy.Service, dash string) string {
	if s.From == s.To {
		return strconv.Itoa(int(s.From))
	}
	return strconv.Itoa(int(s.From)) + dash + strconv.Itoa(int(s.To))
}

func chunks(ports []string) (out [][]string) {
	used := maxMultiport
	for _, p := range ports {
		cost := 1 + strings.Count(p, ":")
		if used+cost > maxMultiport {
			out = append(out, nil)
			used = 0
		}
		used += cost
		out[len(out)-1] = append(out[len(out)-1], p)
	}
	return out
}

func icmpMatches(s policy.Service) (out []string) {
	proto, module, option := "icmp", "icmp", "--icmp-type"
	if s.Proto == flow.ICMPv6 {
		proto, module, option = "ipv6-icmp", "icmp6", "--icmpv6-type"
	}
	switch {
	case s.From == 0 && s.To == 65535:
		return []string{"-p " + proto + " "}
	case s.From == s.To:
		return []string{fmt.Sprintf("-p %s -m %s %s %d/%d ", proto, module, option, s.From>>8, s.From&0xff)}
	}
	for kind := s.From >> 8; kind <= s.To>>8; kind++ {
		out = append(out, fmt.Sprintf("-p %s -m %s %s %d ", proto, module, option, kind))
	}
	return out
}
