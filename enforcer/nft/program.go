package nft

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// kind of outcome at one end.
type kind uint8

const (
	allowed kind = iota
	wouldBlock
	blocked
)

// outcome is what happens to a service at one end, and who decided it.
type outcome struct {
	kind kind
	pol  int32 // index into compiler.pols
	rule int32 // index into compiler.rules; -1 for the policy's default
}

// cell is a range of one protocol's services with one outcome. For protocols
// without ports the range is everything.
type cell struct {
	proto    uint8
	from, to uint16
	out      outcome
}

// exact reports whether the cell is one port that a hash set can hold.
func (c cell) exact() bool { return c.from == c.to && flow.HasPorts(c.proto) }

// program is a function from service to outcome: the cells, disjoint and sorted,
// and other for everything else. Where a rule names a process there is a variant
// for it.
type program struct {
	cells     []cell
	other     outcome
	processes []variant
	chain     string // set once it has a chain
}

type variant struct {
	process string
	*program
}

// decider knows how one end judges: the policies of its pool and the rules that
// match both ends, each sorted as policy.Evaluate names them.
type decider struct {
	c    *compiler
	side policy.Direction
	pool []int32
	subs []int32 // rules
	// agent says that the end is judged by an agent there, too: this decider is a
	// gateway's, which knows no process and reports nothing twice.
	agent bool
}

// program computes the whole function of a decider.
func (d decider) program() *program {
	p := d.programFor("")
	if d.agent {
		return p
	}
	for _, n := range d.units() {
		if v := d.programFor(n); !v.equal(p) {
			p.processes = append(p.processes, variant{n, v})
		}
	}
	return p
}

// units lists the processes that rules name, sorted.
func (d decider) units() (names []string) {
	for _, r := range d.subs {
		if n := d.c.rules[r].Process; n != "" {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (d decider) programFor(process string) *program {
	starts := map[uint8][]int{} // where the outcome may change, by protocol
	for _, r := range d.subs {
		for _, s := range d.c.rules[r].Services {
			if s.Proto == 0 {
				continue
			}
			if !flow.HasPorts(s.Proto) && s.Proto != flow.ICMP && s.Proto != flow.ICMPv6 {
				s.From, s.To = 0, 0xffff
			}
			starts[s.Proto] = append(starts[s.Proto], int(s.From), int(s.To)+1)
		}
	}
	p := &program{other: d.decide(flow.Service{Proto: unnamed(starts)}, process)}
	for proto, at := range starts {
		at = append(at, 0)
		slices.Sort(at)
		at = slices.Compact(at)
		for i, from := range at {
			if from > 0xffff {
				break
			}
			to := 0xffff
			if i+1 < len(at) {
				to = at[i+1] - 1
			}
			out := d.decide(flow.Service{Proto: proto, Port: uint16(from)}, process)
			p.cells = append(p.cells, cell{proto, uint16(from), uint16(to), out})
		}
	}
	p.normalise()
	return p
}

// unnamed returns a protocol that no service names.
func unnamed(named map[uint8][]int) uint8 {
	for p := uint8(255); p > 0; p-- {
		if _, ok := named[p]; !ok {
			return p
		}
	}
	return 0
}

// normalise sorts and joins cells and drops those that say what other says.
func (p *program) normalise() {
	slices.SortFunc(p.cells, func(a, b cell) int {
		if c := cmp.Compare(a.proto, b.proto); c != 0 {
			return c
		}
		return cmp.Compare(a.from, b.from)
	})
	out := p.cells[:0]
	for _, c := range p.cells {
		if n := len(out); n > 0 && out[n-1].proto == c.proto && out[n-1].out == c.out && int(out[n-1].to)+1 == int(c.from) {
			out[n-1].to = c.to
			continue
		}
		out = append(out, c)
	}
	p.cells = slices.DeleteFunc(out, func(c cell) bool { return c.out == p.other })
}

func (p *program) equal(o *program) bool {
	return p.other == o.other && slices.Equal(p.cells, o.cells) &&
		slices.EqualFunc(p.processes, o.processes, func(a, b variant) bool {
			return a.process == b.process && a.equal(b.program)
		})
}

// constant reports whether the program allows everything.
func (p *program) open() bool {
	return len(p.cells) == 0 && len(p.processes) == 0 && p.other.kind == allowed
}

// decide is policy.Evaluate at one end, exceptions aside: by the enforced
// policies alone, then by all.
func (d decider) decide(svc flow.Service, process string) outcome {
	if d.agent {
		return d.decideForAgent(svc)
	}
	return d.decideFor(svc, process)
}

// decideForAgent is a gateway's judgement where the end has an agent: blocked only
// if the agent blocks it whichever process it is. With the agent's own judgement
// that is exactly the agent's.
func (d decider) decideForAgent(svc flow.Service) outcome {
	out := d.decideFor(svc, "")
	for _, n := range d.units() {
		if other := d.decideFor(svc, n); other.kind < out.kind {
			out = other
		}
	}
	if out.kind != blocked {
		return outcome{}
	}
	return out
}

func (d decider) decideFor(svc flow.Service, process string) outcome {
	for _, p := range d.pool {
		if d.c.pols[p].stage == policy.Enforce {
			if out := d.decideBy(svc, process, true); out.kind != allowed {
				out.kind = blocked
				return out
			}
			break
		}
	}
	out := d.decideBy(svc, process, false)
	if out.kind != allowed {
		out.kind = wouldBlock
		return out
	}
	return outcome{} // who allowed it makes no difference to the kernel
}

// decideBy returns an outcome whose kind is allowed or not.
func (d decider) decideBy(svc flow.Service, process string, enforcedOnly bool) outcome {
	for _, action := range []policy.Action{policy.OverrideDeny, policy.Allow, policy.Deny} {
		for _, i := range d.subs {
			r := &d.c.rules[i]
			if r.Action != action || (r.Process != "" && r.Process != process) || !covers(r.Services, svc) ||
				(enforcedOnly && d.c.pols[r.pol].stage != policy.Enforce) {
				continue
			}
			if action == policy.Allow {
				return outcome{}
			}
			return outcome{kind: blocked, pol: r.pol, rule: i}
		}
	}
	for _, p := range d.pool {
		if enforcedOnly && d.c.pols[p].stage != policy.Enforce {
			continue
		}
		if d.side == policy.Inbound || d.c.pols[p].Egress == policy.EgressRestrict {
			return outcome{kind: blocked, pol: p, rule: -1}
		}
	}
	return outcome{}
}

func covers(services []policy.Service, svc flow.Service) bool {
	for _, s := range services {
		if s.Matches(svc) {
			return true
		}
	}
	return len(services) == 0
}

// delta returns the exact cells in which p differs from base, with p's outcome;
// false when they differ in more than exact cells.
func (p *program) delta(base *program) ([]cell, bool) {
	if p.other != base.other || len(p.processes) > 0 || len(base.processes) > 0 ||
		!slices.Equal(p.wide(), base.wide()) {
		return nil, false
	}
	var out []cell
	for _, c := range p.cells {
		if c.exact() && !slices.Contains(base.cells, c) {
			out = append(out, c)
		}
	}
	for _, c := range base.cells { // what base says and p leaves to other
		same := func(d cell) bool { return d.proto == c.proto && d.from == c.from && d.to == c.to }
		if c.exact() && !slices.ContainsFunc(p.cells, same) {
			c.out = p.other
			out = append(out, c)
		}
	}
	return out, true
}

func (p *program) wide() (out []cell) {
	for _, c := range p.cells {
		if !c.exact() {
			out = append(out, c)
		}
	}
	return out
}
