package nft

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// batch is one netlink transaction under construction, as bytes. google/nftables
// encodes the expressions; the messages are built here because its set elements
// overflow a 16-bit attribute length silently and its acknowledgements overflow
// the socket (issues 103 and 350).
type batch struct {
	buf   []byte
	open  []int // offsets of the message and attributes not closed yet
	count int
}

const nlaNested = unix.NLA_F_NESTED

// newBatch begins a transaction that the kernel refuses if the ruleset is no
// longer of that generation; 0 for any.
func newBatch(generation uint32) *batch {
	b := &batch{}
	b.message(unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	if generation != 0 {
		b.u32(unix.NFNL_BATCH_GENID, generation)
	}
	return b
}

// expect makes room for the elements of changes, so that the buffer is not copied
// again and again as it grows.
func (b *batch) expect(c Changes) {
	n := 1 << 16
	for i := range c.Elements {
		e := &c.Elements[i]
		size := 16 + int(setKey[e.Set.Type].length) // key and three attributes
		switch {
		case e.Set.Words > 0:
			size += 8 + 4*e.Set.Words
		case e.Set.Map:
			size += 64
		}
		n += (len(e.Add)+len(e.Del))*size + (len(e.AddRanges)+len(e.DelRanges))*2*size
	}
	b.buf = slices.Grow(b.buf, n)
}

// finish asks for one acknowledgement, on the last message, and ends the
// transaction.
func (b *batch) finish() []byte {
	b.end()
	b.message(unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, unix.AF_UNSPEC, unix.NFNL_SUBSYS_NFTABLES)
	b.end()
	return b.buf
}

// message closes the message before and opens the next.
func (b *batch) message(kind, flags uint16, family uint8, resource uint16) {
	b.end()
	b.count++
	b.open = append(b.open, len(b.buf))
	b.buf = append(b.buf, 0, 0, 0, 0) // length, set by end
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, flags)
	b.buf = binary.NativeEndian.AppendUint32(b.buf, uint32(b.count))
	b.buf = append(b.buf, 0, 0, 0, 0) // port
	b.buf = append(b.buf, family, unix.NFNETLINK_V0)
	b.buf = binary.BigEndian.AppendUint16(b.buf, resource)
}

// nft opens a message of the nf_tables subsystem about our table.
func (b *batch) nft(kind, flags uint16) {
	b.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_REQUEST|flags, unix.NFPROTO_INET, 0)
}

func (b *batch) end() {
	if len(b.open) == 0 {
		return
	}
	if len(b.open) > 1 {
		panic("nft: message ended inside an attribute")
	}
	at := b.open[0]
	binary.NativeEndian.PutUint32(b.buf[at:], uint32(len(b.buf)-at))
	b.open = b.open[:0]
}

func (b *batch) nest(kind uint16) {
	b.open = append(b.open, len(b.buf))
	b.buf = append(b.buf, 0, 0)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind|nlaNested)
}

// unnest closes the innermost attribute; its length must fit 16 bits.
func (b *batch) unnest() {
	at := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	n := len(b.buf) - at
	if n > 0xffff {
		panic(fmt.Sprintf("nft: netlink attribute of %d bytes", n))
	}
	binary.NativeEndian.PutUint16(b.buf[at:], uint16(n))
}

func (b *batch) bytes(kind uint16, data []byte) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(4+len(data)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, data...)
	b.pad()
}

func (b *batch) str(kind uint16, s string) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(5+len(s)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = append(b.buf, s...)
	b.buf = append(b.buf, 0)
	b.pad()
}

func (b *batch) pad() {
	for len(b.buf)%4 != 0 {
		b.buf = append(b.buf, 0)
	}
}

func (b *batch) u32(kind uint16, v uint32) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, 8)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.BigEndian.AppendUint32(b.buf, v)
}

func (b *batch) u64(kind uint16, v uint64) {
	b.buf = binary.NativeEndian.AppendUint16(b.buf, 12)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, kind)
	b.buf = binary.BigEndian.AppendUint64(b.buf, v)
}

// table creates or deletes our table. owned adds the flags by which only our
// socket may change it, and by which it outlives that socket.
func (b *batch) table(kind, flags uint16, owned bool) {
	b.nft(kind, flags)
	b.str(unix.NFTA_TABLE_NAME, TableName)
	if owned {
		b.u32(unix.NFTA_TABLE_FLAGS, tableOwner|tablePersist)
	}
}

func (b *batch) counter(kind, flags uint16, name string) {
	b.nft(kind, flags)
	b.str(unix.NFTA_OBJ_TABLE, TableName)
	b.str(unix.NFTA_OBJ_NAME, name)
	b.u32(unix.NFTA_OBJ_TYPE, unix.NFT_OBJECT_COUNTER)
	if kind == unix.NFT_MSG_NEWOBJ {
		b.nest(unix.NFTA_OBJ_DATA)
		b.unnest()
	}
}

func (b *batch) newChain(c *Chain) {
	b.nft(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE)
	b.str(unix.NFTA_CHAIN_TABLE, TableName)
	b.str(unix.NFTA_CHAIN_NAME, c.Name)
	if c.Hook == NoHook {
		return
	}
	b.nest(unix.NFTA_CHAIN_HOOK)
	b.u32(unix.NFTA_HOOK_HOOKNUM, uint32(c.Hook)) // NF_INET_LOCAL_IN 1, FORWARD 2, LOCAL_OUT 3
	b.u32(unix.NFTA_HOOK_PRIORITY, uint32(int32(hookPriority)))
	b.unnest()
	b.u32(unix.NFTA_CHAIN_POLICY, uint32(expr.VerdictAccept))
	b.str(unix.NFTA_CHAIN_TYPE, "filter")
}

var hookPriority = Priority

func (b *batch) deleteChain(name string) {
	b.nft(unix.NFT_MSG_DELCHAIN, 0)
	b.str(unix.NFTA_CHAIN_TABLE, TableName)
	b.str(unix.NFTA_CHAIN_NAME, name)
}

// flushChain deletes all rules of a chain.
func (b *batch) flushChain(name string) {
	b.nft(unix.NFT_MSG_DELRULE, 0)
	b.str(unix.NFTA_RULE_TABLE, TableName)
	b.str(unix.NFTA_RULE_CHAIN, name)
}

func (b *batch) rule(chain string, r Rule) error {
	exprs, err := lower(r)
	if err != nil {
		return fmt.Errorf("chain %s: %w", chain, err)
	}
	b.nft(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND)
	b.str(unix.NFTA_RULE_TABLE, TableName)
	b.str(unix.NFTA_RULE_CHAIN, chain)
	b.nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, x := range exprs {
		raw, err := expr.Marshal(unix.NFPROTO_INET, x)
		if err != nil {
			return fmt.Errorf("chain %s: rule %q: %w", chain, r, err)
		}
		b.bytes(unix.NFTA_LIST_ELEM|nlaNested, raw)
	}
	b.unnest()
	return nil
}

// setKey is what nft's libraries note about a type: their number for it, and the
// bytes of a key.
var setKey = [...]struct{ magic, length uint32 }{
	Addr4:            {typeIPv4, 4},
	Addr6:            {typeIPv6, 16},
	Addr4Service:     {typeIPv4<<12 | typeProto<<6 | typePort, 12},
	Addr6Service:     {typeIPv6<<12 | typeProto<<6 | typePort, 24},
	Services:         {typeProto<<6 | typePort, 8},
	NFProto:          {typeNFProto, 1},
	Tuple4:           {typeIPv4<<18 | typePort<<12 | typeIPv4<<6 | typePort, 16},
	Tuple6:           {typeIPv6<<18 | typePort<<12 | typeIPv6<<6 | typePort, 40},
	Ident:            {typeMark, 4},
	GroupPeer:        {typeMark<<6 | typeMark, 8},
	GroupPeerService: {typeMark<<18 | typeMark<<12 | typeProto<<6 | typePort, 16},
}

// Numbers of nft's data types (nftables src/include/datatype.h, enum datatypes).
const (
	typeNFProto = 2
	typeIPv4    = 7
	typeIPv6    = 8
	typeProto   = 12
	typePort    = 13
	typeMark    = 19
)

func (b *batch) newSet(s *Set) {
	var flags uint32
	if s.Map || s.Words > 0 {
		flags |= unix.NFT_SET_MAP
	}
	if s.Interval {
		flags |= unix.NFT_SET_INTERVAL
	}
	if s.Timeout {
		flags |= unix.NFT_SET_TIMEOUT
	}
	b.nft(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE)
	b.str(unix.NFTA_SET_TABLE, TableName)
	b.str(unix.NFTA_SET_NAME, s.Name)
	b.u32(unix.NFTA_SET_FLAGS, flags)
	b.u32(unix.NFTA_SET_KEY_TYPE, setKey[s.Type].magic)
	b.u32(unix.NFTA_SET_KEY_LEN, setKey[s.Type].length)
	if s.Map {
		b.u32(unix.NFTA_SET_DATA_TYPE, unix.NFT_DATA_VERDICT)
		b.u32(unix.NFTA_SET_DATA_LEN, 0)
	}
	if s.Words > 0 {
		b.u32(unix.NFTA_SET_DATA_TYPE, [...]uint32{groupWords: typeMark<<6 | typeMark, identityWords: typeMark<<12 | typeMark<<6 | typeMark}[s.Words])
		b.u32(unix.NFTA_SET_DATA_LEN, uint32(4*s.Words))
	}
	if s.Size > 0 {
		b.nest(unix.NFTA_SET_DESC)
		b.u32(unix.NFTA_SET_DESC_SIZE, uint32(s.Size))
		b.unnest()
	}
	b.u32(unix.NFTA_SET_ID, uint32(b.count))
}

func (b *batch) deleteSet(name string) {
	b.nft(unix.NFT_MSG_DELSET, 0)
	b.str(unix.NFTA_SET_TABLE, TableName)
	b.str(unix.NFTA_SET_NAME, name)
}

// Bounds of one element message: the list is one attribute of at most 64 KiB.
const (
	maxElemsPerMessage = 1000
	maxElemBytes       = 60000
)

// elements adds (or with del takes away) elements, in as many messages as it
// needs; they are still one transaction.
func (b *batch) elements(s *Set, elems []Elem, del bool) {
	for len(elems) > 0 {
		b.elementMessage(s.Name, del)
		start := len(b.buf)
		n := 0
		for n < len(elems) && n < maxElemsPerMessage && len(b.buf)-start < maxElemBytes {
			b.element(s, elems[n], del)
			n++
		}
		b.unnest()
		elems = elems[n:]
	}
}

func (b *batch) elementMessage(set string, del bool) {
	kind, flags := uint16(unix.NFT_MSG_NEWSETELEM), uint16(unix.NLM_F_CREATE)
	if del {
		kind, flags = unix.NFT_MSG_DELSETELEM, 0
	}
	b.nft(kind, flags)
	b.str(unix.NFTA_SET_ELEM_LIST_TABLE, TableName)
	b.str(unix.NFTA_SET_ELEM_LIST_SET, set)
	b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
}

func (b *batch) element(s *Set, e Elem, del bool) {
	b.nest(unix.NFTA_LIST_ELEM)
	b.nest(unix.NFTA_SET_ELEM_KEY)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(4+setKey[s.Type].length))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, unix.NFTA_DATA_VALUE)
	b.buf = appendKey(b.buf, s.Type, e)
	b.pad()
	b.unnest()
	if !del {
		if s.Map {
			b.verdict(s.Targets[e.Target])
		}
		if s.Words > 0 {
			b.words(s.Identities[e.Target].words(s.Words))
		}
		if s.Timeout && s.Expires > 0 {
			b.u64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(s.Expires/time.Millisecond))
		}
	}
	b.unnest()
}

func (b *batch) verdict(v Verdict) {
	b.nest(unix.NFTA_SET_ELEM_DATA)
	b.nest(unix.NFTA_DATA_VERDICT)
	b.u32(unix.NFTA_VERDICT_CODE, uint32(int32(verdictKind(v.Code))))
	if v.Chain != "" {
		b.str(unix.NFTA_VERDICT_CHAIN, v.Chain)
	}
	b.unnest()
	b.unnest()
}

func (b *batch) words(words []uint32) {
	b.nest(unix.NFTA_SET_ELEM_DATA)
	b.buf = binary.NativeEndian.AppendUint16(b.buf, uint16(4+4*len(words)))
	b.buf = binary.NativeEndian.AppendUint16(b.buf, unix.NFTA_DATA_VALUE)
	for _, v := range words {
		b.buf = binary.NativeEndian.AppendUint32(b.buf, v)
	}
	b.unnest()
}

// ranges adds or deletes intervals: the kernel keeps each as a first address and,
// flagged as an end, the address after the last.
func (b *batch) ranges(s *Set, ranges []Range, del bool) {
	for len(ranges) > 0 {
		b.elementMessage(s.Name, del)
		start := len(b.buf)
		n := 0
		for n < len(ranges) && n < maxElemsPerMessage && len(b.buf)-start < maxElemBytes {
			r := ranges[n]
			e := addrElem(r.From)
			e.Target = r.Target
			b.element(s, e, del)
			if next := r.To.Next(); next.IsValid() {
				b.rangeEnd(s, addrElem(next))
			}
			n++
		}
		b.unnest()
		ranges = ranges[n:]
	}
}

func (b *batch) rangeEnd(s *Set, e Elem) {
	b.nest(unix.NFTA_LIST_ELEM)
	b.nest(unix.NFTA_SET_ELEM_KEY)
	b.bytes(unix.NFTA_DATA_VALUE, appendKey(nil, s.Type, e))
	b.unnest()
	b.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	b.unnest()
}
