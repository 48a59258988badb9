package nft

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// Applied says what an Apply did.
type Applied struct {
	Changes  Changes
	Elements int           // elements in the table afterwards
	Took     time.Duration // reading, changing and reading back
	Attempts int           // more than one when others changed rulesets meanwhile
}

// ErrVerify says that the kernel does not hold what was sent.
var ErrVerify = errors.New("the kernel's table differs from what was applied")

// applyAttempts bounds the races against others that Apply runs before it gives
// up.
const applyAttempts = 20

// Apply brings the kernel's table to want: at every instant packets meet the old
// ruleset or the new one, whole. It changes only what
// differs. An error from the kernel leaves the outcome unknown, so whatever the
// kernel answered, the table is read back and compared: nil means that the kernel
// holds want.
func (k *Kernel) Apply(ctx context.Context, want Ruleset) (Applied, error) {
	began := time.Now()
	var out Applied
	for out.Attempts = 1; ; out.Attempts++ {
		have, generation, err := k.current()
		if err != nil {
			return out, fmt.Errorf("apply: %w", err)
		}
		changes := Diff(have, want)
		if out.Attempts == 1 || !changes.Empty() {
			out.Changes = changes
		}
		k.known = nil
		transactions, err := k.change(ctx, changes, &want, generation)
		if errors.Is(err, ErrStale) && out.Attempts < applyAttempts && ctx.Err() == nil {
			continue
		}
		verified := k.verify(ctx, &want, out.Changes)
		out.Elements, out.Took = want.Elements(), time.Since(began)
		switch {
		case verified == nil: // whatever the socket said
			k.remember(&want, generation+transactions)
			return out, nil
		case err != nil:
			return out, fmt.Errorf("apply: %w", k.explain(err))
		}
		return out, fmt.Errorf("apply: %w", verified)
	}
}

// current is what the kernel holds: as remembered when nobody has changed any
// ruleset since, else read.
func (k *Kernel) current() (Ruleset, uint32, error) {
	if k.known != nil {
		generation, err := k.Generation()
		if err == nil && generation == k.knownAt {
			return *k.known, generation, nil
		}
	}
	have, generation, _, err := k.Read()
	return have, generation, err
}

// remember keeps what was just verified, if the generation shows that ours was the
// only change since it was read. Sets whose elements expire are not remembered
// across that.
func (k *Kernel) remember(want *Ruleset, expected uint32) {
	for i := range want.Sets {
		if want.Sets[i].Timeout && want.Sets[i].Expires > 0 {
			return
		}
	}
	if now, err := k.Generation(); err == nil && now == expected {
		k.known, k.knownAt = want, now
	}
}

// change sends the changes and returns how many transactions that took.
//
// The one that matters is a single one; see phases.
func (k *Kernel) change(ctx context.Context, c Changes, want *Ruleset, generation uint32) (transactions uint32, err error) {
	hold, err := k.claims(c.NewTable)
	if err != nil {
		return 0, err
	}
	parts := []Changes{c}
	switch {
	case hold == makeAnew:
		parts = []Changes{Diff(Ruleset{}, *want)}
	case c.Empty() && hold != takeOver:
		return 0, nil
	case !c.NewTable && !c.Empty():
		parts = c.phases()
	}
	for i, part := range parts {
		b := newBatch(generation + uint32(i))
		b.expect(part)
		if hold == makeAnew {
			b.table(unix.NFT_MSG_DELTABLE, 0, false)
		}
		if err := b.changes(part, hold != noClaim); err != nil {
			return transactions, err
		}
		err := k.commit(ctx, b)
		if hold != noClaim && errors.Is(err, unix.EOPNOTSUPP) {
			k.own = false // a kernel before 6.9
			return transactions, ErrStale
		}
		if err != nil {
			return transactions, err
		}
		transactions++
	}
	return transactions, nil
}

// changes orders the messages so that nothing is referred to before it exists or
// deleted while referred to.
func (b *batch) changes(c Changes, owned bool) error {
	b.table(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, owned)
	b.tearDown(c)
	for _, name := range c.AddCounters {
		b.counter(unix.NFT_MSG_NEWOBJ, unix.NLM_F_CREATE, name)
	}
	for i := range c.AddSets {
		b.newSet(&c.AddSets[i])
	}
	for i := range c.AddChains {
		b.newChain(&c.AddChains[i])
	}
	for i := range c.Elements {
		e := &c.Elements[i]
		b.elements(e.Set, e.Add, false)
		b.ranges(e.Set, e.AddRanges, false)
	}
	for _, ch := range c.Rules {
		for _, r := range ch.New {
			if err := b.rule(ch.Chain, r); err != nil {
				return err
			}
		}
	}
	return nil
}

// tearDown takes away what is replaced: rules first, for they refer to sets,
// counters and chains; then elements and sets, which refer to chains.
func (b *batch) tearDown(c Changes) {
	for _, ch := range c.Rules {
		if len(ch.Old) > 0 {
			b.flushChain(ch.Chain)
		}
	}
	for _, ch := range c.DelChains {
		if len(ch.Rules) > 0 {
			b.flushChain(ch.Name)
		}
	}
	for i := range c.Elements {
		e := &c.Elements[i]
		b.elements(e.Set, e.Del, true)
		b.ranges(e.Set, e.DelRanges, true)
	}
	for _, s := range c.DelSets {
		b.deleteSet(s.Name)
	}
	for _, ch := range c.DelChains {
		b.deleteChain(ch.Name)
	}
	for _, name := range c.DelCounters {
		b.counter(unix.NFT_MSG_DELOBJ, 0, name)
	}
}

// Remove deletes the table with everything in it. That it is not there is no
// error.
func (k *Kernel) Remove(ctx context.Context) error {
	_, _, found, err := k.Read()
	if err != nil || !found {
		return err
	}
	b := newBatch(0)
	b.table(unix.NFT_MSG_DELTABLE, 0, false)
	sent := k.commit(ctx, b)
	if _, _, found, err = k.Read(); err != nil {
		return err
	}
	if found {
		return fmt.Errorf("remove table inet %s: still there: %w", TableName, k.explain(sent))
	}
	return nil
}
