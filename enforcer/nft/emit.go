package nft

import (
	"fmt"
	"hash/fnv"
	"io"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// programChain returns the chain that runs a program.
func (c *compiler) programChain(side policy.Direction, p *program) string {
	if p.chain == "" {
		h := fnv.New64a()
		c.hashProgram(h, side, p)
		p.chain = fmt.Sprintf("svc_%s_%012x", sideName(side), h.Sum64()&(1<<48-1))
		if !c.chains[p.chain] {
			c.addChain(Chain{Name: p.chain, Rules: c.programRules(side, p, p.chain)})
		}
	}
	return p.chain
}

// hashProgram hashes a program's rules and what the sets they ask hold.
func (c *compiler) hashProgram(h io.Writer, side policy.Direction, p *program) {
	for _, r := range c.programRules(side, p, "") {
		fmt.Fprintln(h, r)
	}
	for _, cell := range p.cells {
		fmt.Fprintln(h, cell.proto, cell.from, cell.to, c.verdict(side, cell.out))
	}
}

// programRules gives a program as rules: a variant per process, exact ports from
// a set, ranges one by one, then what holds for everything else. An empty name is
// a trial that adds no sets.
func (c *compiler) programRules(side policy.Direction, p *program, name string) (rules []Rule) {
	for _, v := range p.processes {
		if cg, ok := c.host.Cgroups[v.process]; ok && c.host.Mode == ModeHost {
			rules = append(rules, Rule{cg, Verdict{Goto, c.programChain(side, v.program)}})
		} else {
			c.lose("rules for process %q match nothing: its control group is not known on this host", v.process)
		}
	}
	exact := map[outcome]*[2][]Elem{}
	for _, cell := range p.cells {
		if cell.exact() {
			if exact[cell.out] == nil {
				exact[cell.out] = &[2][]Elem{}
			}
			exact[cell.out][0] = append(exact[cell.out][0], Elem{Service: uint32(cell.proto)<<16 | uint32(cell.from)})
		}
	}
	for _, o := range sortedOutcomes(exact) {
		v := c.verdict(side, o)
		rules = append(rules, c.portRules(name+"_ports_"+outcomeName(v), exact[o][0], v, name == "")...)
	}
	for _, cell := range p.cells {
		if !cell.exact() {
			rules = append(rules, append(cell.match(), c.verdict(side, cell.out)))
		}
	}
	return append(rules, Rule{c.verdict(side, p.other)})
}

// portRules matches exact services: one by one when they are few.
func (c *compiler) portRules(name string, elems []Elem, v Verdict, trial bool) (rules []Rule) {
	if len(elems) <= 2 {
		for _, e := range elems {
			port := uint16(e.Service)
			rules = append(rules, Rule{Ports{Proto: uint8(e.Service >> 16), From: port, To: port}, v})
		}
		return rules
	}
	if !trial {
		c.addSet(Set{Name: name, Type: Services, Elems: elems})
	}
	return []Rule{{Lookup{By: []Field{Proto, DstPort}, Set: name}, v}}
}

// match gives the matches for a cell that is not one port.
func (c cell) match() Rule {
	switch {
	case c.from == 0 && c.to == 0xffff:
		return Rule{L4Proto(c.proto)}
	case flow.HasPorts(c.proto):
		return Rule{Ports{c.proto, c.from, c.to}}
	case c.proto == flow.ICMP || c.proto == flow.ICMPv6:
		return Rule{ICMP{c.proto, c.from, c.to}}
	}
	return Rule{L4Proto(c.proto)}
}

func (c *compiler) lose(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(c.out.Losses, text) {
		c.out.Losses = append(c.out.Losses, text)
	}
}

// always adds the chain packets to be judged at one end come in by: what no policy
// can block returns from it (the controllers, break-glass networks and the set's
// exceptions), the rest is dispatched. Exceptions are mostly about ICMP and a few
// UDP ports, so each of the common protocols takes a way of its own and does not
// meet what is about the others.
func (c *compiler) always(side policy.Direction, dispatch []Rule) {
	ret := Verdict{Code: Return}
	first := c.controllers() // at the server's end too: of a controller behind a gateway, or on this host
	if side == policy.Inbound {
		first = append(first, c.networkRules("breakglass", c.set.BreakGlass, side, nil, ret)...)
	}
	var plain []policy.Service
	for i := range c.set.AlwaysAllowed {
		x := &c.set.AlwaysAllowed[i]
		if x.Direction != policy.BothWays && x.Direction != side || loopbackOnly(x.Networks) {
			continue
		}
		if len(x.Networks) == 0 && len(x.Services) > 0 {
			plain = append(plain, x.Services...)
			continue
		}
		name := "always_" + identifier(x.Name) + "_" + shortHash(x.Name)
		first = append(first, c.networkRules(name, x.Networks, side, x.Services, ret)...)
	}
	name := sideName(side)
	if !slices.ContainsFunc(plain, func(s policy.Service) bool { return s.Proto == 0 }) {
		for _, proto := range commonProtocols {
			var own []policy.Service
			own, plain = splitServices(plain, proto)
			branch := name + "_" + flow.ProtoName(proto)
			c.addChain(Chain{Name: branch, Rules: slices.Concat(c.serviceRules(branch, own, ret), dispatch)})
			first = append(first, Rule{L4Proto(proto), Verdict{Goto, branch}})
		}
	}
	c.addChain(Chain{Name: name, Rules: slices.Concat(first, c.serviceRules("always_"+name, plain, ret), dispatch)})
}

// commonProtocols, the most frequent first.
var commonProtocols = [...]uint8{flow.TCP, flow.UDP, flow.ICMP, flow.ICMPv6}

// splitServices separates those of one protocol.
func splitServices(list []policy.Service, proto uint8) (own, rest []policy.Service) {
	for _, s := range list {
		if s.Proto == proto {
			own = append(own, s)
		} else {
			rest = append(rest, s)
		}
	}
	return own, rest
}

// loopbackOnly reports networks whose packets never cross a link (RFC 1122
// §3.2.1.3, RFC 4291 §2.5.3): on the host the loopback interface is accepted as
// such, and a gateway never sees them.
func loopbackOnly(nets []netip.Prefix) bool {
	return len(nets) > 0 && !slices.ContainsFunc(nets, func(p netip.Prefix) bool {
		return !p.Addr().IsLoopback() || p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 128
	})
}

func (c *compiler) controllers() (rules []Rule) {
	var v4, v6 []Elem
	for _, a := range c.host.Controllers {
		e := addrElem(a.Addr().Unmap())
		e.Service = uint32(flow.TCP)<<16 | uint32(a.Port())
		if a.Addr().Unmap().Is4() {
			v4 = append(v4, e)
		} else {
			v6 = append(v6, e)
		}
	}
	if len(v4) > 0 {
		c.addSetOnce(Set{Name: "controllers4", Type: Addr4Service, Elems: v4})
		rules = append(rules, Rule{Lookup{By: []Field{DstAddr4, Proto, DstPort}, Set: "controllers4"}, Verdict{Code: Return}})
	}
	if len(v6) > 0 {
		c.addSetOnce(Set{Name: "controllers6", Type: Addr6Service, Elems: v6})
		rules = append(rules, Rule{Lookup{By: []Field{DstAddr6, Proto, DstPort}, Set: "controllers6"}, Verdict{Code: Return}})
	}
	return rules
}

// networkRules matches peers in networks, and one of the services if any are
// given. No networks at all means every peer.
func (c *compiler) networkRules(name string, nets []netip.Prefix, side policy.Direction, services []policy.Service, v Verdict) (rules []Rule) {
	then := func(match Rule, suffix string) []Rule {
		if len(services) == 0 {
			return []Rule{append(match, v)}
		}
		var out []Rule
		for _, r := range c.serviceRules(name+suffix, services, v) {
			out = append(out, slices.Concat(match, r))
		}
		return out
	}
	if len(nets) == 0 {
		if name == "breakglass" {
			return nil
		}
		return then(nil, "")
	}
	f4, f6 := SrcAddr4, SrcAddr6
	if side == policy.Outbound {
		f4, f6 = DstAddr4, DstAddr6
	}
	name += "_" + sideName(side)
	if r := prefixRanges(nets, false); len(r) > 0 {
		c.addSet(Set{Name: name + "4", Type: Addr4, Interval: true, Ranges: r})
		rules = append(rules, then(Rule{Lookup{By: []Field{f4}, Set: name + "4"}}, "4")...)
	}
	if r := prefixRanges(nets, true); len(r) > 0 {
		c.addSet(Set{Name: name + "6", Type: Addr6, Interval: true, Ranges: r})
		rules = append(rules, then(Rule{Lookup{By: []Field{f6}, Set: name + "6"}}, "6")...)
	}
	return rules
}

// serviceRules matches any of the services.
func (c *compiler) serviceRules(name string, services []policy.Service, v Verdict) (rules []Rule) {
	var exact []Elem
	for _, s := range services {
		cl := cell{proto: s.Proto, from: s.From, to: s.To}
		switch {
		case s.Proto == 0:
			return []Rule{{v}}
		case cl.exact():
			exact = append(exact, Elem{Service: uint32(s.Proto)<<16 | uint32(s.From)})
		default:
			rules = append(rules, append(cl.match(), v))
		}
	}
	slices.SortFunc(exact, compareElems)
	exact = slices.Compact(exact)
	return append(c.portRules(name+"_ports", exact, v, false), rules...)
}

// dispatch leads a packet to the chain of the group its protected end is in.
func (c *compiler) dispatch(side policy.Direction, groups []*group) (rules []Rule) {
	var first *group
	for _, g := range groups {
		if slices.ContainsFunc(g.ids, func(id *ident) bool { return id.first }) {
			first = g
		}
	}
	if c.host.Mode == ModeHost && len(groups) == 1 && first != nil && len(c.host.Self) == 1 {
		return []Rule{{Verdict{Goto, first.name}}}
	}
	maps := newDispatchMaps(sideName(side))
	c.fillDispatch(groups, maps)
	rules = maps.rules(c, side)
	if c.host.Mode == ModeHost && first != nil {
		rules = append(rules, Rule{Verdict{Goto, first.name}})
	}
	return rules
}

// base adds the chains packets come in by. An end that nobody is judged at has no
// chain and is not jumped to.
func (c *compiler) base() {
	known := Rule{CtEstablished | CtRelated, Verdict{Code: Accept}}
	cut := c.cutRules()
	jump := func(to string) []Rule {
		if !c.chains[to] {
			return nil
		}
		return []Rule{{Verdict{Jump, to}}}
	}
	if c.host.Mode == ModeGateway {
		c.addChain(Chain{Name: "forward", Hook: HookForward, Rules: slices.Concat([]Rule{known}, cut, jump("in"), jump("out"))})
		return
	}
	c.addChain(Chain{Name: "input", Hook: HookInput, Rules: slices.Concat(
		[]Rule{known, {Loopback{}, Verdict{Code: Accept}}}, cut, []Rule{
			{GroupCast{}, Verdict{Code: Accept}}, {GroupCast{Multicast: true}, Verdict{Code: Accept}},
		}, jump("in"))})
	c.addChain(Chain{Name: "output", Hook: HookOutput, Rules: slices.Concat(
		[]Rule{known, {Loopback{Out: true}, Verdict{Code: Accept}}}, cut, jump("out"))})
}

// Names of the sets that hold connections being cut.
const (
	cutSet4 = "cut4"
	cutSet6 = "cut6"
)

// cutRules end connections that were cut. Connection tracking picks up a TCP
// connection in its middle (nf_conntrack_tcp_loose), by whichever side speaks
// first, so forgetting a connection is not enough to end it. Monitoring cuts
// nothing and must not be able to.
func (c *compiler) cutRules() []Rule {
	enforced := func(p pol) bool { return p.stage == policy.Enforce }
	if !slices.ContainsFunc(c.pols, enforced) {
		return nil
	}
	note := "connections that a change forbade, being ended; filled at run time"
	c.addSet(Set{Name: cutSet4, Type: Tuple4, Timeout: true, Note: note})
	c.addSet(Set{Name: cutSet6, Type: Tuple6, Timeout: true, Note: note})
	c.addChain(Chain{Name: "cut", Rules: []Rule{
		{L4Proto(flow.TCP), Lookup{By: []Field{SrcAddr4, SrcPort, DstAddr4, DstPort}, Set: cutSet4}, Reset{}},
		{L4Proto(flow.TCP), Lookup{By: []Field{SrcAddr6, SrcPort, DstAddr6, DstPort}, Set: cutSet6}, Reset{}},
	}})
	return []Rule{{NotSYN{}, Verdict{Jump, "cut"}}}
}
