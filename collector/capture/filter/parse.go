package filter

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// expr is a parsed filter: a test, or a combination.
type expr interface {
	compile(c *compiler, yes, no label)
}

type (
	and    struct{ a, b expr }
	or     struct{ a, b expr }
	not    struct{ e expr }
	etype  struct{ kind uint32 }  // EtherType
	proto  struct{ number uint8 } // IPv4 protocol or IPv6 next header
	vlan   struct{ id int }       // -1: any
	prefix struct {               // an address within
		net      netip.Prefix
		src, dst bool
	}
	ports struct { // a port between
		proto    uint8 // 0: TCP, UDP or SCTP
		from, to uint16
		src, dst bool
	}
)

type parser struct {
	words []string
	at    int
	last  []string // qualifiers of the last primitive, for "port 80 or 443"
}

// split takes an expression apart; operators need no blanks around them.
func split(text string) []string {
	for _, op := range []string{"(", ")", "&&", "||", "!"} {
		text = strings.ReplaceAll(text, op, " "+op+" ")
	}
	return strings.Fields(text)
}

func (p *parser) peek() string {
	if p.at < len(p.words) {
		return p.words[p.at]
	}
	return ""
}

func (p *parser) next() string {
	w := p.peek()
	p.at++
	return w
}

// maxDepth bounds parentheses and negations.
const maxDepth = 32

// expression parses terms joined from left to right.
func (p *parser) expression(depth int) (expr, error) {
	left, err := p.term(depth)
	for err == nil {
		op := p.peek()
		if op != "and" && op != "&&" && op != "or" && op != "||" {
			return left, nil
		}
		p.next()
		var right expr
		if right, err = p.term(depth); err != nil {
			break
		}
		if op == "and" || op == "&&" {
			left = and{left, right}
		} else {
			left = or{left, right}
		}
	}
	return nil, err
}

func (p *parser) term(depth int) (expr, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("more than %d parentheses inside each other", maxDepth)
	}
	switch p.peek() {
	case "not", "!":
		p.next()
		e, err := p.term(depth + 1)
		return not{e}, err
	case "(":
		p.next()
		e, err := p.expression(depth + 1)
		if err == nil && p.next() != ")" {
			err = fmt.Errorf("missing )")
		}
		return e, err
	case "":
		return nil, fmt.Errorf("an expression is missing at the end")
	}
	return p.primitive()
}

var protocols = map[string]uint8{"tcp": flow.TCP, "udp": flow.UDP, "icmp": flow.ICMP, "icmp6": flow.ICMPv6, "sctp": flow.SCTP, "gre": flow.GRE, "esp": 50, "ah": 51}

var etherTypes = map[string]uint32{"ip": 0x0800, "ip6": 0x86dd, "arp": 0x0806}

// primitive parses qualifiers and what they qualify.
func (p *parser) primitive() (expr, error) {
	start := p.at
	l4 := uint8(0)
	if n, ok := protocols[p.peek()]; ok {
		p.next()
		if !flow.HasPorts(n) || !isPortWord(p.peek()) {
			return proto{n}, nil
		}
		l4 = n
	}
	if n, ok := etherTypes[p.peek()]; ok {
		p.next()
		return etype{n}, nil
	}
	src, dst := true, true
	switch p.peek() {
	case "src":
		p.next()
		dst = false
	case "dst":
		p.next()
		src = false
	}
	word := p.next()
	switch word {
	case "vlan":
		return p.vlan()
	case "proto":
		n, err := strconv.ParseUint(p.next(), 10, 8)
		return proto{uint8(n)}, err
	case "host", "net", "port", "portrange":
		p.last = p.words[start:p.at:p.at]
		return operand(word, p.next(), l4, src, dst)
	}
	if len(p.last) > 0 && word != "" && (word[0] >= '0' && word[0] <= '9' || strings.Contains(word, ":")) { // port 80 or 443
		again := parser{words: append(p.last, word)}
		return again.primitive()
	}
	return nil, fmt.Errorf("%q is not a filter word; see the documentation, or compile with tcpdump -ddd", word)
}

func isPortWord(w string) bool { return w == "port" || w == "portrange" || w == "src" || w == "dst" }

func (p *parser) vlan() (expr, error) {
	n, err := strconv.ParseUint(p.peek(), 10, 12)
	if err != nil {
		return vlan{-1}, nil
	}
	p.next()
	return vlan{int(n)}, nil
}

func operand(word, value string, l4 uint8, src, dst bool) (expr, error) {
	switch word {
	case "host":
		a, err := netip.ParseAddr(value)
		if err != nil {
			return nil, fmt.Errorf("host %q: want an address", value)
		}
		return prefix{netip.PrefixFrom(a, a.BitLen()), src, dst}, nil
	case "net":
		n, err := netip.ParsePrefix(value)
		if err != nil {
			return nil, fmt.Errorf("net %q: want a prefix such as 10.0.0.0/8", value)
		}
		return prefix{n.Masked(), src, dst}, nil
	}
	from, to := value, value
	if word == "portrange" {
		var ok bool
		if from, to, ok = strings.Cut(value, "-"); !ok {
			return nil, fmt.Errorf("portrange %q: want FROM-TO", value)
		}
	}
	a, err1 := strconv.ParseUint(from, 10, 16)
	b, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || a > b {
		return nil, fmt.Errorf("%s %q: want numbers up to 65535", word, value)
	}
	return ports{l4, uint16(a), uint16(b), src, dst}, nil
}
