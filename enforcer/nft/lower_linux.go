package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// The kernel's registers: register 1 is the first 16 bytes; a concatenation goes
// on in 4-byte registers (nf_tables.h, enum nft_registers).
const (
	firstReg   = unix.NFT_REG_1
	firstReg32 = unix.NFT_REG32_00
)

// fieldSize is how many bytes a field fills, before padding to 4.
var fieldSize = [...]uint32{SrcAddr4: 4, DstAddr4: 4, SrcAddr6: 16, DstAddr6: 16, Proto: 1, SrcPort: 2, DstPort: 2, Family: 1}

// register names the register at a byte offset as the kernel reports it: whole
// 16-byte registers by their old numbers.
func register(offset uint32) uint32 {
	if offset%16 == 0 {
		return firstReg + offset/16
	}
	return firstReg32 + offset/4
}

// registerOffset is the inverse of register.
func registerOffset(reg uint32) uint32 {
	if reg < firstReg32 {
		return (reg - firstReg) * 16
	}
	return (reg - firstReg32) * 4
}

// lower translates a rule into the expressions nft itself would send.
func lower(r Rule) ([]expr.Any, error) {
	var out []expr.Any
	for _, e := range r {
		x, err := lowerExpr(e)
		if err != nil {
			return nil, fmt.Errorf("rule %q: %w", r, err)
		}
		out = append(out, x...)
	}
	return out, nil
}

func lowerExpr(e Expr) ([]expr.Any, error) {
	switch e := e.(type) {
	case Lookup:
		return lowerLookup(e), nil
	case CtState:
		return []expr.Any{
			&expr.Ct{Key: expr.CtKeySTATE, Register: firstReg},
			&expr.Bitwise{SourceRegister: firstReg, DestRegister: firstReg, Len: 4, Mask: native32(uint32(e)), Xor: native32(0)},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: firstReg, Data: native32(0)},
		}, nil
	case Loopback:
		key := expr.MetaKeyIIFNAME
		if e.Out {
			key = expr.MetaKeyOIFNAME
		}
		name := make([]byte, unix.IFNAMSIZ)
		copy(name, "lo")
		return []expr.Any{&expr.Meta{Key: key, Register: firstReg}, equals(name)}, nil
	case GroupCast:
		kind := uint32(unix.RTN_BROADCAST)
		if e.Multicast {
			kind = unix.RTN_MULTICAST
		}
		return []expr.Any{
			&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: firstReg},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: firstReg, Data: []byte{unix.PACKET_HOST}},
			&expr.Fib{Register: firstReg, FlagDADDR: true, ResultADDRTYPE: true}, equals(native32(kind)),
		}, nil
	case L4Proto:
		return l4proto(uint8(e)), nil
	case Ports:
		return append(l4proto(e.Proto), thBetween(2, be16(e.From), be16(e.To))...), nil
	case ICMP:
		from, to := be16(e.From), be16(e.To)
		if !e.wholeTypes() {
			return append(l4proto(e.Proto), thBetween(0, from, to)...), nil
		}
		guard := family(nfprotoIPv4) // as nft does for "icmp type"
		if e.Proto == unix.IPPROTO_ICMPV6 {
			guard = family(nfprotoIPv6)
		}
		return slices.Concat(guard, l4proto(e.Proto), thBetween(0, from[:1], to[:1])), nil
	case NotSYN:
		return append(l4proto(unix.IPPROTO_TCP),
			&expr.Payload{DestRegister: firstReg, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
			&expr.Bitwise{SourceRegister: firstReg, DestRegister: firstReg, Len: 1, Mask: []byte{0x17}, Xor: []byte{0}},
			&expr.Cmp{Op: expr.CmpOpNeq, Register: firstReg, Data: []byte{0x02}}), nil
	case Cgroup:
		return []expr.Any{
			&expr.Socket{Key: expr.SocketKeyCgroupv2, Level: e.Level, Register: firstReg},
			equals(binary.NativeEndian.AppendUint64(nil, e.ID)),
		}, nil
	}
	return lowerStatement(e)
}

func lowerStatement(e Expr) ([]expr.Any, error) {
	switch e := e.(type) {
	case Limit:
		return []expr.Any{&expr.Limit{Type: expr.LimitTypePkts, Rate: uint64(e.PerSecond), Unit: expr.LimitTimeSecond, Burst: e.Burst}}, nil
	case Count:
		return []expr.Any{&expr.Objref{Type: unix.NFT_OBJECT_COUNTER, Name: string(e)}}, nil
	case Log:
		return []expr.Any{&expr.Log{
			Key:   1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX | 1<<unix.NFTA_LOG_SNAPLEN,
			Group: e.Group, Data: []byte(e.Prefix), Snaplen: logSnaplen,
		}}, nil
	case Reset:
		return []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}, nil
	case Verdict:
		return []expr.Any{&expr.Verdict{Kind: verdictKind(e.Code), Chain: e.Chain}}, nil
	}
	return nil, fmt.Errorf("no netlink form for %T", e)
}

func verdictKind(c Code) expr.VerdictKind {
	return [...]expr.VerdictKind{expr.VerdictAccept, expr.VerdictDrop, expr.VerdictReturn, expr.VerdictJump, expr.VerdictGoto}[c]
}

// lowerLookup loads the fields side by side and asks the set. In an inet table an
// address needs its family checked first.
func lowerLookup(l Lookup) (out []expr.Any) {
	for _, f := range l.By {
		if a := f.address(); a <= DstAddr6 {
			out = family(nfprotoIPv4)
			if a >= SrcAddr6 {
				out = family(nfprotoIPv6)
			}
			break
		}
	}
	offset, key := uint32(0), register(0)
	if l.By[0] >= SrcIdent4 {
		offset, key = mappedOffset, register(mappedOffset)
		out = append(out, loadMapped(l)...)
	}
	for _, f := range l.By {
		if f >= SrcIdent4 {
			offset += 4
			continue
		}
		out = append(out, loadField(f, register(offset)))
		offset += (fieldSize[f] + 3) / 4 * 4
	}
	look := &expr.Lookup{SourceRegister: key, SetName: l.Set}
	if l.Map {
		look.IsDestRegSet = true // the verdict register, 0
	}
	return append(out, look)
}

// mappedOffset is where in the registers a key of mapped fields begins: behind the
// largest address.
const mappedOffset = 16

// loadMapped loads the mapped fields, which come first in a lookup; the last of
// them first, because a map's data begins before the word that is wanted.
func loadMapped(l Lookup) (out []expr.Any) {
	for i := len(l.By) - 1; i >= 0; i-- {
		at := uint32(mappedOffset + 4*i)
		switch f := l.By[i]; {
		case f == ThisGroup:
			own := l.By[i+1].address() ^ 1 // the other address of the peer's family
			out = append(out, showAddress(own, at), &expr.Immediate{Register: register(at - 4), Data: append(native32(l.Group), native32(l.Group)...)})
		case f.mapped():
			out = append(out, throughMaps(f, at)...)
		}
	}
	return out
}

// showAddress puts the last four bytes of an address where a number will be. The
// kernel does not need that, but nft, listing the rule, then says of what address
// the lookup is.
func showAddress(f Field, at uint32) expr.Any {
	p := loadField(f, register(at)).(*expr.Payload)
	p.Offset, p.Len = p.Offset+p.Len-4, 4
	return p
}

// throughMaps asks the maps for what they say of an address, to stand at an offset.
func throughMaps(f Field, at uint32) []expr.Any {
	look := func(from, to uint32, name string) expr.Any {
		return &expr.Lookup{SourceRegister: from, DestRegister: to, IsDestRegSet: true, SetName: name}
	}
	names := f.maps()
	word := uint32(2)
	if f >= SrcCircle4 && f < SrcGroup4 || f >= SrcPlace4 {
		word = 1 // the circle; the number of two words
	}
	out := []expr.Any{loadField(f.address(), firstReg), showAddress(f.address(), at), look(firstReg, register(at-4*word), names[0])}
	if len(names) > 1 {
		out = append(out, look(register(at), register(at-4), names[1]))
	}
	return out
}

func loadField(f Field, reg uint32) expr.Any {
	network := func(offset uint32) expr.Any {
		return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: fieldSize[f]}
	}
	transport := func(offset uint32) expr.Any {
		return &expr.Payload{DestRegister: reg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: fieldSize[f]}
	}
	switch f {
	case SrcAddr4:
		return network(12)
	case DstAddr4:
		return network(16)
	case SrcAddr6:
		return network(8)
	case DstAddr6:
		return network(24)
	case SrcPort:
		return transport(0)
	case DstPort:
		return transport(2)
	case Family:
		return &expr.Meta{Key: expr.MetaKeyNFPROTO, Register: reg}
	}
	return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: reg}
}

func family(nfproto byte) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: firstReg}, equals([]byte{nfproto})}
}

func l4proto(p uint8) []expr.Any {
	return []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: firstReg}, equals([]byte{p})}
}

// thBetween compares bytes of the transport header with an inclusive range.
func thBetween(offset uint32, from, to []byte) []expr.Any {
	load := &expr.Payload{DestRegister: firstReg, Base: expr.PayloadBaseTransportHeader, Offset: offset, Len: uint32(len(from))}
	if bytes.Equal(from, to) {
		return []expr.Any{load, equals(from)}
	}
	return []expr.Any{load,
		&expr.Cmp{Op: expr.CmpOpGte, Register: firstReg, Data: from},
		&expr.Cmp{Op: expr.CmpOpLte, Register: firstReg, Data: to},
	}
}

func be16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

func equals(data []byte) expr.Any {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: firstReg, Data: data}
}

func native32(v uint32) []byte { return binary.NativeEndian.AppendUint32(nil, v) }
