package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Read gives the table as it stands in the kernel, and the generation it was
// read at; false when there is no such table. Reports, losses and notes are not in
// the kernel and stay empty.
func (k *Kernel) Read() (r Ruleset, generation uint32, found bool, err error) {
	for range 100 { // somebody else may be busy
		r, generation, found, err = k.readOnce()
		if !errors.Is(err, ErrStale) {
			break
		}
	}
	if err != nil {
		return Ruleset{}, 0, false, fmt.Errorf("read table inet %s: %w", TableName, err)
	}
	r.sort()
	return r, generation, found, nil
}

func (k *Kernel) readOnce() (r Ruleset, generation uint32, found bool, err error) {
	if generation, err = k.Generation(); err != nil {
		return r, 0, false, err
	}
	tables, err := k.Tables()
	if err != nil || !slices.Contains(tables, Table{Family: "inet", Name: TableName}) {
		return r, generation, false, err
	}
	for _, step := range []func(*Ruleset) error{k.readCounters, k.readSets, k.readChains, k.readRules} {
		if err := step(&r); err != nil {
			return r, 0, false, err
		}
	}
	again, err := k.Generation()
	if err == nil && again != generation {
		err = errTorn
	}
	return r, generation, true, err
}

// Table names a table of any owner.
type Table struct{ Family, Name string }

// Tables lists the inet tables.
func (k *Kernel) Tables() (out []Table, err error) {
	err = k.dump(unix.NFT_MSG_GETTABLE, nil, func(a []byte) error {
		out = append(out, Table{"inet", attrString(a, unix.NFTA_TABLE_NAME)})
		return nil
	})
	return out, err
}

func (k *Kernel) readCounters(r *Ruleset) error {
	ours := func(b *batch) { b.str(unix.NFTA_OBJ_TABLE, TableName) }
	return k.dump(unix.NFT_MSG_GETOBJ, ours, func(a []byte) error {
		if attrString(a, unix.NFTA_OBJ_TABLE) == TableName {
			r.Counters = append(r.Counters, attrString(a, unix.NFTA_OBJ_NAME))
		}
		return nil
	})
}

func (k *Kernel) readSets(r *Ruleset) error {
	if _, err := k.listSets(r); err != nil {
		return err
	}
	for i := range r.Sets {
		if err := k.readElements(&r.Sets[i]); err != nil {
			return fmt.Errorf("set %s: %w", r.Sets[i].Name, err)
		}
	}
	return nil
}

// otherType stands for a type that is none of ours.
const otherType SetType = 0xff

func setType(magic uint32) SetType {
	for t, k := range setKey {
		if k.magic == magic {
			return SetType(t)
		}
	}
	return otherType
}

// readElements fills a set, but for those whose content is the kernel's business.
func (k *Kernel) readElements(s *Set) error {
	if s.Type == Tuple4 || s.Type == Tuple6 {
		return nil
	}
	d := elementReader{set: s, targets: map[string]uint32{}}
	which := func(b *batch) {
		b.str(unix.NFTA_SET_ELEM_LIST_TABLE, TableName)
		b.str(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
	}
	err := k.dump(unix.NFT_MSG_GETSETELEM, which, func(a []byte) error {
		eachAttr(attr(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS), func(_ uint16, e []byte) { d.add(e) })
		return nil
	})
	if s.Interval {
		s.Ranges = d.pair()
	}
	// A hash that grows while it is dumped shows elements twice.
	slices.SortFunc(s.Elems, compareElems)
	s.Elems = slices.Compact(s.Elems)
	return err
}

// elementReader decodes a set's elements.
type elementReader struct {
	set     *Set
	targets map[string]uint32 // index by the verdict's bytes
	bounds  []bound           // of intervals
}

// bound is one end of an interval: an address, and whether it is the first
// beyond one.
type bound struct {
	Elem
	end bool
}

func (d *elementReader) add(a []byte) {
	key := attr(attr(a, unix.NFTA_SET_ELEM_KEY), unix.NFTA_DATA_VALUE)
	if d.set.Type == otherType || len(key) < int(setKey[d.set.Type].length) {
		d.set.Elems = append(d.set.Elems, Elem{})
		return
	}
	e := parseKey(d.set.Type, key)
	end := attrU32(a, unix.NFTA_SET_ELEM_FLAGS)&unix.NFT_SET_ELEM_INTERVAL_END != 0
	if (d.set.Map || d.set.Words > 0) && !end {
		e.Target = d.target(attr(a, unix.NFTA_SET_ELEM_DATA))
	}
	if v := attr(a, unix.NFTA_SET_ELEM_TIMEOUT); len(v) == 8 {
		d.set.Expires = time.Duration(binary.BigEndian.Uint64(v)) * time.Millisecond
	}
	if d.set.Interval {
		d.bounds = append(d.bounds, bound{e, end})
		return
	}
	d.set.Elems = append(d.set.Elems, e)
}

func (d *elementReader) target(data []byte) uint32 {
	if i, ok := d.targets[string(data)]; ok {
		return i
	}
	var i uint32
	if d.set.Words > 0 {
		i = uint32(len(d.set.Identities))
		d.set.Identities = append(d.set.Identities, parseIdentity(attr(data, unix.NFTA_DATA_VALUE)))
	} else {
		v := attr(data, unix.NFTA_DATA_VERDICT)
		i = d.set.target(parseVerdict(int32(attrU32(v, unix.NFTA_VERDICT_CODE)), attrString(v, unix.NFTA_VERDICT_CHAIN)))
	}
	d.targets[string(data)] = i
	return i
}

// parseIdentity reads a map's data; data whose words contradict each other are
// nobody's.
func parseIdentity(data []byte) (id Identity) {
	n := len(data) / 4
	if n != identityWords && n != groupWords {
		return Identity{}
	}
	id.Number = binary.NativeEndian.Uint32(data[4*(n-1):])
	if n == identityWords {
		id.Circle = binary.NativeEndian.Uint32(data[4:])
	}
	for i, w := range id.words(n) {
		if binary.NativeEndian.Uint32(data[4*i:]) != w {
			return Identity{}
		}
	}
	return id
}

func parseVerdict(code int32, chain string) Verdict {
	for c := Accept; c <= Goto; c++ {
		if int32(verdictKind(c)) == code {
			return Verdict{c, chain}
		}
	}
	return Verdict{Code: Drop, Chain: fmt.Sprintf("verdict %d %s", code, chain)}
}

// parseKey is the inverse of appendKey.
func parseKey(t SetType, key []byte) (e Elem) {
	switch t {
	case Addr4, Addr4Service:
		e.Lo = uint64(binary.BigEndian.Uint32(key))
		key = key[4:]
	case Addr6, Addr6Service:
		e.Hi, e.Lo = binary.BigEndian.Uint64(key), binary.BigEndian.Uint64(key[8:])
		key = key[16:]
	case Ident:
		e.Lo = uint64(binary.NativeEndian.Uint32(key))
	case GroupPeer, GroupPeerService:
		e.Hi, e.Lo = uint64(binary.NativeEndian.Uint32(key)), uint64(binary.NativeEndian.Uint32(key[4:]))
		key = key[8:]
	case NFProto:
		e.Lo = uint64(key[0])
	}
	if t == Addr4Service || t == Addr6Service || t == Services || t == GroupPeerService {
		e.Service = uint32(key[0])<<16 | uint32(binary.BigEndian.Uint16(key[4:]))
	}
	return e
}

// pair joins the bounds of intervals.
func (d *elementReader) pair() (out []Range) {
	slices.SortFunc(d.bounds, func(a, b bound) int {
		if c := compareElems(a.Elem, b.Elem); c != 0 {
			return c
		}
		if a.end == b.end {
			return 0
		}
		if a.end {
			return -1 // one interval ends where the next begins
		}
		return 1
	})
	address, last := Elem.addr4, netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if d.set.Type == Addr6 {
		address, last = Elem.addr6, lastAddr(netip.PrefixFrom(netip.IPv6Unspecified(), 0))
	}
	for i, b := range d.bounds {
		if b.end {
			continue
		}
		r := Range{From: address(b.Elem), To: last, Target: b.Target}
		if i+1 < len(d.bounds) {
			r.To = address(d.bounds[i+1].Elem).Prev()
		}
		out = append(out, r)
	}
	return out
}

const nfAccept = 1 // NF_ACCEPT of linux/netfilter.h

var hookByNumber = map[uint32]Hook{unix.NF_INET_LOCAL_IN: HookInput, unix.NF_INET_FORWARD: HookForward, unix.NF_INET_LOCAL_OUT: HookOutput}

func (k *Kernel) readChains(r *Ruleset) error {
	return k.dump(unix.NFT_MSG_GETCHAIN, nil, func(a []byte) error {
		if attrString(a, unix.NFTA_CHAIN_TABLE) != TableName {
			return nil
		}
		c := Chain{Name: attrString(a, unix.NFTA_CHAIN_NAME)}
		if h := attr(a, unix.NFTA_CHAIN_HOOK); h != nil {
			c.Hook = hookByNumber[attrU32(h, unix.NFTA_HOOK_HOOKNUM)]
			if p := int32(attrU32(h, unix.NFTA_HOOK_PRIORITY)); p != Priority {
				c.Note = fmt.Sprintf("priority %d", p)
			}
			if attrU32(a, unix.NFTA_CHAIN_POLICY) != nfAccept {
				c.Note += "policy is not accept"
			}
		}
		r.Chains = append(r.Chains, c)
		return nil
	})
}

func (k *Kernel) readRules(r *Ruleset) error {
	ours := func(b *batch) { b.str(unix.NFTA_RULE_TABLE, TableName) }
	byName := map[string]*Chain{}
	for i := range r.Chains {
		byName[r.Chains[i].Name] = &r.Chains[i]
	}
	return k.dump(unix.NFT_MSG_GETRULE, ours, func(a []byte) error {
		c := byName[attrString(a, unix.NFTA_RULE_CHAIN)]
		if c == nil || attrString(a, unix.NFTA_RULE_TABLE) != TableName {
			return nil
		}
		c.Rules = append(c.Rules, raise(attr(a, unix.NFTA_RULE_EXPRESSIONS)))
		return nil
	})
}
