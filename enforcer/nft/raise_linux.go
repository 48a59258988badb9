package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// Foreign is an expression in our table that Compile would never write: somebody
// edited it.
type Foreign struct{ What string }

func (f Foreign) String() string { return "<" + f.What + ">" }

// raise is the inverse of lower: the kernel's expressions as a Rule. What it does
// not recognise becomes one Foreign, so that it differs from every rule of ours.
func raise(list []byte) Rule {
	var exprs []expr.Any
	var foreign string
	eachAttr(list, func(_ uint16, e []byte) {
		x := parseExpr(attrString(e, unix.NFTA_EXPR_NAME), attr(e, unix.NFTA_EXPR_DATA))
		if x == nil {
			foreign += " " + attrString(e, unix.NFTA_EXPR_NAME)
			return
		}
		exprs = append(exprs, x)
	})
	if foreign != "" {
		return Rule{Foreign{"unknown expressions:" + foreign}}
	}
	r := (&raiser{x: exprs}).rule()
	again, err := lower(r)
	if err != nil || !sameExprs(again, exprs) {
		return Rule{Foreign{describe(exprs)}}
	}
	return r
}

// parseExpr decodes one expression of the kinds we use; nil for others. Decoders
// of google/nftables index into what they are given without looking at its length.
func parseExpr(name string, data []byte) (x expr.Any) {
	defer func() {
		if recover() != nil {
			x = nil
		}
	}()
	switch name {
	case "ct":
		x = &expr.Ct{}
	case "bitwise":
		x = &expr.Bitwise{}
	case "cmp":
		x = &expr.Cmp{}
	case "meta":
		x = &expr.Meta{}
	case "payload":
		x = &expr.Payload{}
	case "lookup":
		x = &expr.Lookup{}
	case "fib":
		x = &expr.Fib{}
	case "socket":
		x = &expr.Socket{}
	case "limit":
		x = &expr.Limit{}
	case "objref":
		x = &expr.Objref{}
	case "log":
		x = &expr.Log{}
	case "reject":
		x = &expr.Reject{}
	case "immediate":
		x = &expr.Verdict{}
		if attrU32(data, unix.NFTA_IMMEDIATE_DREG) != unix.NFT_REG_VERDICT {
			x = &expr.Immediate{}
		}
	default:
		return nil
	}
	if expr.Unmarshal(unix.NFPROTO_INET, data, x) != nil {
		return nil
	}
	if l, ok := x.(*expr.Log); ok {
		l.Data = bytes.TrimRight(l.Data, "\x00")
	}
	if o, ok := x.(*expr.Objref); ok {
		o.Name = string(bytes.TrimRight([]byte(o.Name), "\x00"))
	}
	return x
}

// sameExprs compares by encoding.
func sameExprs(a, b []expr.Any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, err1 := expr.Marshal(unix.NFPROTO_INET, a[i])
		y, err2 := expr.Marshal(unix.NFPROTO_INET, b[i])
		if err1 != nil || err2 != nil || !bytes.Equal(x, y) {
			return false
		}
	}
	return true
}

func describe(exprs []expr.Any) string {
	var b bytes.Buffer
	for _, x := range exprs {
		fmt.Fprintf(&b, "[%T %+v] ", x, x)
	}
	return b.String()
}

// raiser guesses the Rule behind expressions; raise checks the guess, so it need
// not be careful.
type raiser struct {
	x []expr.Any
	i int
}

func (r *raiser) rule() (out Rule) {
	for r.i < len(r.x) {
		before := r.i
		if e := r.next(); e != nil {
			out = append(out, e)
		}
		if r.i == before {
			r.i++
		}
	}
	return out
}

func (r *raiser) next() Expr {
	switch e := r.x[r.i].(type) {
	case *expr.Ct:
		if b, ok := at[*expr.Bitwise](r, 1); ok && len(b.Mask) == 4 {
			r.i += 3
			return CtState(binary.NativeEndian.Uint32(b.Mask))
		}
	case *expr.Fib:
		if c, ok := at[*expr.Cmp](r, 1); ok && len(c.Data) == 4 {
			r.i += 2
			return GroupCast{Multicast: binary.NativeEndian.Uint32(c.Data) == unix.RTN_MULTICAST}
		}
	case *expr.Socket:
		if c, ok := at[*expr.Cmp](r, 1); ok && len(c.Data) == 8 {
			r.i += 2
			return Cgroup{Level: e.Level, ID: binary.NativeEndian.Uint64(c.Data)}
		}
	case *expr.Meta:
		return r.meta(e)
	case *expr.Payload:
		return r.lookup()
	}
	return r.statement()
}

func (r *raiser) statement() Expr {
	switch e := r.x[r.i].(type) {
	case *expr.Limit:
		return Limit{PerSecond: uint32(e.Rate), Burst: e.Burst}
	case *expr.Objref:
		return Count(e.Name)
	case *expr.Log:
		return Log{Prefix: string(e.Data), Group: e.Group}
	case *expr.Reject:
		return Reset{}
	case *expr.Verdict:
		return parseVerdict(int32(e.Kind), e.Chain)
	}
	return nil
}

func (r *raiser) meta(m *expr.Meta) Expr {
	c, compared := at[*expr.Cmp](r, 1)
	if !compared || len(c.Data) == 0 {
		return r.lookup()
	}
	r.i += 2
	switch m.Key {
	case expr.MetaKeyIIFNAME:
		return Loopback{}
	case expr.MetaKeyOIFNAME:
		return Loopback{Out: true}
	case expr.MetaKeyNFPROTO, expr.MetaKeyPKTTYPE:
		return nil // the guard before an address or a routing lookup
	}
	return r.transport(c.Data[0])
}

// transport is what follows a check of the transport protocol.
func (r *raiser) transport(proto uint8) Expr {
	p, ok := at[*expr.Payload](r, 0)
	if !ok || p.Base != expr.PayloadBaseTransportHeader {
		return L4Proto(proto)
	}
	if _, masked := at[*expr.Bitwise](r, 1); masked {
		r.i += 3
		return NotSYN{}
	}
	first, ok := at[*expr.Cmp](r, 1)
	if !ok || len(first.Data) == 0 || len(first.Data) > 2 {
		return L4Proto(proto)
	}
	low, high := first.Data, first.Data
	r.i += 2
	if second, ok := at[*expr.Cmp](r, 0); ok && first.Op == expr.CmpOpGte && len(second.Data) == len(low) {
		high = second.Data
		r.i++
	}
	if len(low) == 1 {
		return ICMP{proto, uint16(low[0]) << 8, uint16(high[0])<<8 | 0xff}
	}
	from, to := binary.BigEndian.Uint16(low), binary.BigEndian.Uint16(high)
	if p.Offset == 0 {
		return ICMP{proto, from, to}
	}
	return Ports{proto, from, to}
}

// lookup collects fields up to the question asked of a set.
func (r *raiser) lookup() Expr {
	var by []Field
	var out Lookup
	for r.i < len(r.x) {
		switch e := r.x[r.i].(type) {
		case *expr.Meta:
			by = append(by, map[expr.MetaKey]Field{expr.MetaKeyL4PROTO: Proto, expr.MetaKeyNFPROTO: Family}[e.Key])
		case *expr.Payload:
			if i, ok := at[*expr.Immediate](r, 1); ok && len(i.Data) == 8 {
				by, out.Group = append([]Field{ThisGroup}, by...), binary.NativeEndian.Uint32(i.Data)
				r.i += 2
				continue
			}
			if f, n := r.mapped(e); n > 0 { // later ones stand before
				by, r.i = append([]Field{f}, by...), r.i+n
				continue
			}
			by = append(by, fieldOf(e))
		case *expr.Lookup:
			r.i++
			out.By, out.Set, out.Map = by, e.SetName, e.IsDestRegSet
			return out
		default:
			return nil
		}
		r.i++
	}
	return nil
}

// mapped recognises a field that goes through maps, and how many expressions it
// takes: an address, what nft shows in its place, one or two lookups.
func (r *raiser) mapped(address *expr.Payload) (f Field, n int) {
	shown, ok1 := at[*expr.Payload](r, 1)
	first, ok2 := at[*expr.Lookup](r, 2)
	if !ok1 || !ok2 || !first.IsDestRegSet || first.DestRegister == 0 {
		return 0, 0
	}
	f = fieldOf(address)
	if second, ok := at[*expr.Lookup](r, 3); ok && second.IsDestRegSet && second.DestRegister != 0 {
		return SrcGroup4 + f, 4
	}
	switch {
	case first.SetName != identity4 && first.SetName != identity6:
		return SrcPlace4 + f, 3
	case registerOffset(shown.DestRegister)-registerOffset(first.DestRegister) == 4:
		return SrcCircle4 + f, 3
	}
	return SrcIdent4 + f, 3
}

func fieldOf(p *expr.Payload) Field {
	type where struct {
		base        expr.PayloadBase
		offset, len uint32
	}
	const network, transport = expr.PayloadBaseNetworkHeader, expr.PayloadBaseTransportHeader
	return map[where]Field{
		{network, 12, 4}: SrcAddr4, {network, 16, 4}: DstAddr4, {network, 8, 16}: SrcAddr6, {network, 24, 16}: DstAddr6,
		{transport, 0, 2}: SrcPort, {transport, 2, 2}: DstPort,
	}[where{p.Base, p.Offset, p.Len}]
}

// at returns the expression ahead places on, if it is a T.
func at[T expr.Any](r *raiser, ahead int) (T, bool) {
	var none T
	if r.i+ahead >= len(r.x) {
		return none, false
	}
	x, ok := r.x[r.i+ahead].(T)
	return x, ok
}
