package nft

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// nftaSetCount is how many elements a set has (linux/netfilter/nf_tables.h since
// 6.17); older kernels do not say.
const nftaSetCount = 20

const (
	// dumpable is the largest hash set that is read back whole. The kernel walks the
	// hash from its beginning for every 32 KiB of a dump, so that reading costs
	// the square of the size: 0.1 s at 50,000 elements, 20 s at 500,000.
	dumpable = 20_000
	// sampled elements of a larger set are looked up one by one.
	sampled = 4096
	// Reading back is repeated a little: a hash that has just grown is still being
	// rehashed, and a dump may then miss elements or show them twice
	// (rhashtable_walk_next returns EAGAIN, which nft_rhash_walk passes over).
	verifyAttempts = 20
	verifyPause    = 25 * time.Millisecond
)

// verify compares the kernel with want: all names, rules and element counts; the
// content of every changed set, a sample of it where that is larger than dumpable.
func (k *Kernel) verify(ctx context.Context, want *Ruleset, c Changes) error {
	for attempt := 1; ; attempt++ {
		err := k.verifyOnce(want, c)
		if err == nil || attempt == verifyAttempts {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(verifyPause):
		}
	}
}

func (k *Kernel) verifyOnce(want *Ruleset, c Changes) error {
	var have Ruleset
	counts, err := k.listSets(&have)
	if err != nil {
		return fmt.Errorf("read back: %w", err)
	}
	whole := len(c.Rules)+len(c.AddChains)+len(c.DelChains)+len(c.AddCounters)+len(c.DelCounters) > 0
	if whole {
		for _, step := range []func(*Ruleset) error{k.readCounters, k.readChains, k.readRules} {
			if err := step(&have); err != nil {
				return fmt.Errorf("read back: %w", err)
			}
		}
	} else {
		have.Counters, have.Chains = want.Counters, want.Chains
	}
	have.sort()
	if d := Diff(have.withoutElements(), want.withoutElements()); !d.Empty() {
		return fmt.Errorf("%w:\n%s", ErrVerify, d)
	}
	for i := range want.Sets {
		s := &want.Sets[i]
		if n, known := counts[s.Name]; known && !s.Interval && !s.Timeout && int(n) != len(s.Elems) {
			return fmt.Errorf("%w: set %s has %d elements, want %d", ErrVerify, s.Name, n, len(s.Elems))
		}
	}
	for i := range c.Elements {
		if err := k.verifySet(&c.Elements[i], counts); err != nil {
			return err
		}
	}
	return nil
}

// withoutElements is the ruleset with all its sets empty.
func (r *Ruleset) withoutElements() Ruleset {
	out := *r
	out.Sets = make([]Set, len(r.Sets))
	for i := range r.Sets {
		out.Sets[i] = r.Sets[i]
		out.Sets[i].Elems, out.Sets[i].Ranges, out.Sets[i].Expires = nil, nil, 0
	}
	return out
}

// verifySet compares a changed set's content.
func (k *Kernel) verifySet(c *SetChange, counts map[string]uint32) error {
	_, counted := counts[c.Set.Name]
	if c.Set.Interval || len(c.Set.Elems) <= dumpable || !counted {
		have := *c.Set
		have.Elems, have.Ranges, have.Targets, have.Identities, have.Expires = nil, nil, nil, nil, 0
		if err := k.readElements(&have); err != nil {
			return fmt.Errorf("read back set %s: %w", c.Set.Name, err)
		}
		if d := Diff(Ruleset{Sets: []Set{have}}, Ruleset{Sets: []Set{*c.Set}}); !d.Empty() {
			return fmt.Errorf("%w:\n%s", ErrVerify, d)
		}
		return nil
	}
	return k.lookUp(c.Set, everyNth(c.Add))
}

// lookUp asks the kernel for elements and compares their verdicts.
func (k *Kernel) lookUp(s *Set, elems []Elem) error {
	for len(elems) > 0 {
		n := min(len(elems), maxElemsPerMessage)
		if err := k.lookUpSome(s, elems[:n]); err != nil {
			return err
		}
		elems = elems[n:]
	}
	return nil
}

func (k *Kernel) lookUpSome(s *Set, elems []Elem) error {
	want := make(map[Elem]string, len(elems))
	for _, e := range elems {
		v := s.valueText(e.Target)
		e.Target = 0
		want[e] = v
	}
	ask := func(b *batch) {
		b.str(unix.NFTA_SET_ELEM_LIST_TABLE, TableName)
		b.str(unix.NFTA_SET_ELEM_LIST_SET, s.Name)
		b.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for _, e := range elems {
			b.element(s, e, true) // the key alone
		}
		b.unnest()
	}
	d := elementReader{set: &Set{Type: s.Type, Map: s.Map, Words: s.Words}, targets: map[string]uint32{}}
	err := k.ask(unix.NFT_MSG_GETSETELEM, unix.NLM_F_ACK, ask, func(a []byte) error {
		eachAttr(attr(a, unix.NFTA_SET_ELEM_LIST_ELEMENTS), func(_ uint16, e []byte) { d.add(e) })
		return nil
	})
	if err != nil {
		return fmt.Errorf("%w: set %s lacks elements: %w", ErrVerify, s.Name, err)
	}
	for _, e := range d.set.Elems {
		v := d.set.valueText(e.Target)
		e.Target = 0
		if w, ok := want[e]; !ok || w != v {
			return fmt.Errorf("%w: set %s: %s%s, want %q", ErrVerify, s.Name, e.text(s.Type), v, w)
		}
		delete(want, e)
	}
	if len(want) > 0 {
		return fmt.Errorf("%w: set %s lacks %d elements", ErrVerify, s.Name, len(want))
	}
	return nil
}

// listSets reads the sets without their elements, and the counts of those, where
// the kernel says.
func (k *Kernel) listSets(r *Ruleset) (counts map[string]uint32, err error) {
	counts = map[string]uint32{}
	ours := func(b *batch) { b.str(unix.NFTA_SET_TABLE, TableName) }
	err = k.dump(unix.NFT_MSG_GETSET, ours, func(a []byte) error {
		flags := attrU32(a, unix.NFTA_SET_FLAGS)
		s := Set{
			Name:     attrString(a, unix.NFTA_SET_NAME),
			Type:     setType(attrU32(a, unix.NFTA_SET_KEY_TYPE)),
			Interval: flags&unix.NFT_SET_INTERVAL != 0,
			Timeout:  flags&unix.NFT_SET_TIMEOUT != 0,
			Size:     int(attrU32(attr(a, unix.NFTA_SET_DESC), unix.NFTA_SET_DESC_SIZE)),
		}
		s.Map = flags&unix.NFT_SET_MAP != 0 && attrU32(a, unix.NFTA_SET_DATA_TYPE) == unix.NFT_DATA_VERDICT
		if flags&unix.NFT_SET_MAP != 0 && !s.Map {
			s.Words = int(attrU32(a, unix.NFTA_SET_DATA_LEN)) / 4
		}
		r.Sets = append(r.Sets, s)
		if v := attr(a, nftaSetCount); len(v) == 4 {
			counts[s.Name] = binary.BigEndian.Uint32(v)
		}
		return nil
	})
	return counts, err
}

// Drift says how the kernel's table has come to differ from want, which was
// applied before: what leads from the one to the other. Elements that expire by
// design are left out. Of sets larger than dumpable only the number of elements is
// compared, and a sample.
func (k *Kernel) Drift(want *Ruleset) (Changes, error) {
	tables, err := k.Tables()
	if err != nil {
		return Changes{}, fmt.Errorf("look for drift: %w", err)
	}
	if !slices.Contains(tables, Table{Family: "inet", Name: TableName}) {
		return Diff(Ruleset{}, *want), nil
	}
	var have Ruleset
	counts, err := k.listSets(&have)
	if err != nil {
		return Changes{}, fmt.Errorf("look for drift: %w", err)
	}
	for _, step := range []func(*Ruleset) error{k.readCounters, k.readChains, k.readRules} {
		if err := step(&have); err != nil {
			return Changes{}, fmt.Errorf("look for drift: %w", err)
		}
	}
	have.sort()
	for i := range have.Sets {
		s := &have.Sets[i]
		w, ok := want.Set(s.Name)
		switch {
		case !ok:
		case w.Timeout && w.Expires > 0:
			s.Elems, s.Expires = w.Elems, w.Expires
		case len(w.Elems) > dumpable && int(counts[s.Name]) == len(w.Elems) && k.lookUp(w, everyNth(w.Elems)) == nil:
			s.Elems, s.Targets, s.Identities = w.Elems, w.Targets, w.Identities
		default:
			if err := k.readElements(s); err != nil {
				return Changes{}, fmt.Errorf("look for drift in set %s: %w", s.Name, err)
			}
		}
	}
	return Diff(have, *want), nil
}

// everyNth is an even sample.
func everyNth(elems []Elem) (out []Elem) {
	step := len(elems)/sampled + 1
	for i := 0; i < len(elems); i += step {
		out = append(out, elems[i])
	}
	return out
}
