package nft

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

var typeNames = [...]string{
	Addr4:            "ipv4_addr",
	Addr6:            "ipv6_addr",
	Addr4Service:     "ipv4_addr . inet_proto . inet_service",
	Addr6Service:     "ipv6_addr . inet_proto . inet_service",
	Services:         "inet_proto . inet_service",
	NFProto:          "nf_proto",
	Tuple4:           "ipv4_addr . inet_service . ipv4_addr . inet_service",
	Tuple6:           "ipv6_addr . inet_service . ipv6_addr . inet_service",
	Ident:            "mark",
	GroupPeer:        "mark . mark",
	GroupPeerService: "mark . mark . inet_proto . inet_service",
}

// String gives the ruleset in nft's own language. Compiled for text it is a file
// that nft -f loads, which replaces the table and touches nothing else; otherwise
// rules that look identities up are written as they work, and nft refuses them.
func (r Ruleset) String() string {
	var b strings.Builder
	r.WriteTo(&b) // a strings.Builder does not fail
	return b.String()
}

// WriteTo writes what String gives.
func (r Ruleset) WriteTo(w io.Writer) (int64, error) {
	t := &textWriter{w: w, legend: r.Names}
	if r.Hash != "" {
		t.line(0, "# policy set %s", r.Hash)
	}
	for _, l := range r.Losses {
		t.line(0, "# not expressed: %s", strings.ReplaceAll(l, "\n", " "))
	}
	if slices.ContainsFunc(r.Sets, func(s Set) bool { return s.Words > 0 }) {
		t.line(0, "# Lookups of what a map gave are written as they work; nft -f has no words for them.")
	}
	t.line(0, "table inet %s", TableName)
	t.line(0, "delete table inet %s", TableName)
	t.line(0, "table inet %s {", TableName)
	for _, c := range r.Counters {
		t.line(1, "counter %s { }", c)
	}
	for i := range r.Sets {
		t.set(&r.Sets[i])
	}
	for _, base := range []bool{true, false} { // where packets come in, then the rest
		for i := range r.Chains {
			if (r.Chains[i].Hook != NoHook) == base {
				t.chain(&r.Chains[i])
			}
		}
	}
	t.line(0, "}")
	return t.n, t.err
}

type textWriter struct {
	w      io.Writer
	legend map[uint32]string // identities in words
	n      int64
	err    error
}

func (t *textWriter) line(indent int, format string, args ...any) {
	if t.err != nil {
		return
	}
	n, err := fmt.Fprintf(t.w, strings.Repeat("\t", indent)+format+"\n", args...)
	t.n += int64(n)
	t.err = err
}

func (t *textWriter) note(text string) {
	if text != "" {
		t.line(1, "# %s", strings.ReplaceAll(text, "\n", " "))
	}
}

func (t *textWriter) set(s *Set) {
	t.line(0, "")
	t.note(s.Note)
	kind, value := "set", ""
	switch {
	case s.Map:
		kind, value = "map", " : verdict"
	case s.Words > 0:
		kind, value = "map", " : mark"+strings.Repeat(" . mark", s.Words-1)
	}
	t.line(1, "%s %s {", kind, s.Name)
	t.line(2, "type %s%s", typeNames[s.Type], value)
	if s.Size > 0 {
		t.line(2, "size %d", s.Size)
	}
	switch {
	case s.Interval:
		t.line(2, "flags interval")
	case s.Timeout:
		t.line(2, "flags timeout")
	}
	if n := len(s.Elems) + len(s.Ranges); n > 0 {
		t.line(2, "elements = {")
		for i := range s.Elems {
			e := s.Elems[i]
			t.element(e.text(s.Type)+s.valueText(e.Target), t.legendOf(s, e))
		}
		for _, r := range s.Ranges {
			t.element(r.text()+s.valueText(r.Target), "")
		}
		t.line(2, "}")
	}
	t.line(1, "}")
}

func (t *textWriter) element(text, legend string) {
	text += ","
	if legend != "" {
		text += " # " + legend
	}
	t.line(3, "%s", text)
}

// legendOf says in words whom an element with an identity is about.
func (t *textWriter) legendOf(s *Set, e Elem) string {
	switch {
	case s.Words == identityWords:
		return t.legend[s.Identities[e.Target].Number]
	case s.Type == GroupPeer, s.Type == GroupPeerService:
		return t.legend[uint32(e.Lo)] + " at " + t.legend[uint32(e.Hi)]
	case s.Type == Ident:
		return t.legend[uint32(e.Lo)]
	}
	return ""
}

// valueText is what an element leads to, as nft writes it.
func (s *Set) valueText(target uint32) string {
	switch {
	case s.Map && int(target) < len(s.Targets):
		return " : " + s.Targets[target].String()
	case s.Words > 0 && int(target) < len(s.Identities):
		parts := make([]string, s.Words)
		for i, w := range s.Identities[target].words(s.Words) {
			parts[i] = fmt.Sprintf("0x%08x", w)
		}
		return " : " + strings.Join(parts, " . ")
	}
	return ""
}

func (t *textWriter) chain(c *Chain) {
	t.line(0, "")
	t.note(c.Note)
	t.line(1, "chain %s {", c.Name)
	if c.Hook != NoHook {
		t.line(2, "type filter hook %s priority %d; policy accept;", hookNames[c.Hook], Priority)
	}
	for _, r := range c.Rules {
		t.line(2, "%s", r)
	}
	t.line(1, "}")
}

// String gives the rule as nft writes it.
func (r Rule) String() string {
	parts := make([]string, len(r))
	for i, e := range r {
		parts[i] = e.String()
	}
	return strings.Join(parts, " ")
}

func (e Elem) text(t SetType) string {
	switch t {
	case Addr4:
		return e.addr4().String()
	case Addr6:
		return e.addr6().String()
	case Addr4Service:
		return e.addr4().String() + " . " + serviceText(e.Service)
	case Addr6Service:
		return e.addr6().String() + " . " + serviceText(e.Service)
	case Services:
		return serviceText(e.Service)
	case Ident:
		return fmt.Sprintf("0x%08x", e.Lo)
	case GroupPeer:
		return fmt.Sprintf("0x%08x . 0x%08x", e.Hi, e.Lo)
	case GroupPeerService:
		return fmt.Sprintf("0x%08x . 0x%08x . %s", e.Hi, e.Lo, serviceText(e.Service))
	case NFProto:
		if e.Lo == nfprotoIPv6 {
			return "ipv6"
		}
		return "ipv4"
	}
	return "?"
}

func serviceText(s uint32) string {
	return protoText(uint8(s>>16)) + " . " + strconv.Itoa(int(s&0xffff))
}

func (r Range) text() string {
	if r.From == r.To {
		return r.From.String()
	}
	if p, ok := rangePrefix(r.From, r.To); ok {
		return p.String()
	}
	return r.From.String() + "-" + r.To.String()
}

// rangePrefix returns the prefix that is exactly the range, if there is one.
func rangePrefix(from, to netip.Addr) (netip.Prefix, bool) {
	for bits := 0; bits <= from.BitLen(); bits++ {
		p := netip.PrefixFrom(from, bits)
		if p.Masked().Addr() == from && lastAddr(p) == to {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Values of the kernel's NFPROTO_IPV4 and NFPROTO_IPV6.
const (
	nfprotoIPv4 = 2
	nfprotoIPv6 = 10
)
