package names

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"strings"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/bulkhead/bulkhead/flow"
)

// maxAnswers bounds the records read from one message.
const maxAnswers = 256

// dns reads the answers of a response. An address gets the name it was found
// under, and the name that was asked for when aliases (CNAME) led there.
func (o *Observer) dns(b []byte, kind flow.NameKind) bool {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil {
		return false
	}
	if !h.Response {
		return true
	}
	var asked string
	q, err := p.Question()
	switch {
	case err == nil:
		asked = q.Name.String()
		if p.SkipAllQuestions() != nil {
			return false
		}
	case !errors.Is(err, dnsmessage.ErrSectionDone):
		return false
	}
	alias := ""
	for range maxAnswers {
		rh, err := p.AnswerHeader()
		if errors.Is(err, dnsmessage.ErrSectionDone) {
			break
		}
		if err != nil {
			return false
		}
		owner := rh.Name.String()
		if rh.Type == dnsmessage.TypeCNAME && strings.EqualFold(owner, asked) {
			alias = asked
		}
		if !o.answer(&p, rh, owner, alias, kind) {
			return false
		}
	}
	return true
}

// answer reads one resource record.
func (o *Observer) answer(p *dnsmessage.Parser, h dnsmessage.ResourceHeader, owner, alias string, kind flow.NameKind) bool {
	var addr netip.Addr
	switch h.Type {
	case dnsmessage.TypeA:
		r, err := p.AResource()
		if err != nil {
			return false
		}
		addr = netip.AddrFrom4(r.A)
	case dnsmessage.TypeAAAA:
		r, err := p.AAAAResource()
		if err != nil {
			return false
		}
		addr = netip.AddrFrom16(r.AAAA)
	case dnsmessage.TypePTR:
		r, err := p.PTRResource()
		if err != nil {
			return false
		}
		if a, ok := reverse(owner); ok {
			o.add(a, r.PTR.String(), flow.NamePTR)
		}
		return true
	default:
		return p.SkipAnswer() == nil
	}
	o.add(addr, owner, kind)
	if alias != "" && !strings.EqualFold(owner, alias) {
		o.add(addr, alias, kind)
	}
	return true
}

// reverse reads the address out of a reverse name (RFC 1035 §3.5, RFC 3596 §2.5).
func reverse(name string) (netip.Addr, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if four, ok := strings.CutSuffix(name, ".in-addr.arpa"); ok {
		parts := strings.Split(four, ".")
		if len(parts) != 4 {
			return netip.Addr{}, false
		}
		a, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
		return a, err == nil
	}
	six, ok := strings.CutSuffix(name, ".ip6.arpa")
	if !ok || len(six) != 63 {
		return netip.Addr{}, false
	}
	var digits [32]byte
	for i := range digits {
		digits[i] = six[62-2*i]
	}
	var b [16]byte
	if _, err := hex.Decode(b[:], digits[:]); err != nil {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16(b), true
}
