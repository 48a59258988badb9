package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/change"
	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/store"
)

// loadChange reads a change; one without an ID is none.
func (s *session) loadChange(ctx context.Context, id string) (ch change.Change, version uint64, err error) {
	version, err = s.load(ctx, docChange, id, &ch)
	return ch, version, err
}

// named is the change of that ID, or the newest.
func (s *session) named(ctx context.Context, args []string) (ch change.Change, err error) {
	if len(args) == 0 {
		list, err := s.plannedChanges(ctx)
		if err == nil && len(list) == 0 {
			err = usagef("no change is planned: `bulkhead change plan POLICY`")
		}
		if err != nil {
			return ch, err
		}
		return list[0], nil
	}
	if ch, _, err = s.loadChange(ctx, args[0]); err == nil && ch.ID == "" {
		err = usagef("there is no change %q; `bulkhead change status` lists them", args[0])
	}
	return ch, err
}

// plannedChanges lists all changes, the newest first.
func (s *session) plannedChanges(ctx context.Context) ([]change.Change, error) {
	docs, err := s.store.Documents(ctx, docChange)
	if err != nil {
		return nil, err
	}
	out := make([]change.Change, 0, len(docs))
	for _, d := range docs {
		if d.Deleted {
			continue
		}
		ch, _, err := s.loadChange(ctx, d.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, ch)
	}
	slices.SortFunc(out, func(a, b change.Change) int { return b.Created.Compare(a.Created) })
	return out, nil
}

// recordSteps keeps this machine's steps with their change. What was done is done:
// that the store cannot be reached is said, and the next command catches up from the
// journal.
func (c *changing) recordSteps(ctx context.Context, id string) {
	var journal []enforcer.Step
	err := c.withEnforcer(func(f *enforcer.Enforcer) (err error) {
		journal, err = f.Journal()
		return err
	})
	if err == nil {
		err = c.with(ctx, func(s *session) error { return s.appendSteps(ctx, id, c.sensorName(), journal) })
	}
	if err != nil {
		fmt.Fprintf(c.err, "note: this machine's journal has the step, change %s has it when `bulkhead change status` next runs here: %v\n", id, err)
	}
}

// appendSteps adds the steps of a machine's journal that a change does not have yet,
// however many others do so at the same time.
func (s *session) appendSteps(ctx context.Context, id, machine string, journal []enforcer.Step) error {
	for try := 0; ; try++ {
		ch, version, err := s.loadChange(ctx, id)
		if err != nil {
			return err
		}
		if ch.ID == "" {
			return fmt.Errorf("there is no change %q", id)
		}
		missing, err := missingSteps(&ch, machine, journal)
		if err != nil || len(missing) == 0 {
			return err
		}
		ch.Steps = append(ch.Steps, missing...)
		last := missing[len(missing)-1]
		err = s.save(ctx, docChange, id, version, last.By, last.Event+" on "+last.Host, ch)
		if !errors.Is(err, store.ErrStale) || try == 10 {
			return err
		}
	}
}

// stepEvents are the journal's events that are steps of a change, in its words.
var stepEvents = map[string]string{"applied": "applied", "confirmed": "confirmed", "rolled-back": "rolled-back", "expired": "rolled-back"}

// missingSteps turns journal entries into steps. How far a version goes is known by
// its policies.
func missingSteps(ch *change.Change, machine string, journal []enforcer.Step) (out []change.Step, err error) {
	upTo := map[string]int{}
	for n := range ch.Segments {
		set, err := ch.At(n + 1)
		if err != nil {
			return nil, err
		}
		upTo[set.Hash()] = n + 1
	}
	has := func(st change.Step) bool {
		return slices.ContainsFunc(ch.Steps, func(o change.Step) bool { return o.Host == st.Host && o.Event == st.Event && o.Time.Equal(st.Time) })
	}
	for _, j := range journal {
		st := change.Step{Time: j.Time.UTC(), Event: stepEvents[j.Event], By: j.Author, Why: cmp.Or(j.Reason, j.Detail), Host: machine, Version: j.Version, Hash: j.Hash}
		if j.Change != ch.ID || st.Event == "" || has(st) {
			continue
		}
		if st.Event != "rolled-back" {
			st.Segment = upTo[j.Hash]
		}
		out = append(out, st)
		if j.Event == "applied" && !strings.HasPrefix(j.Detail, "unconfirmed") { // nothing was gated
			st.Event, st.Why = "confirmed", "it blocks nothing new"
			out = append(out, st)
		}
	}
	return out, nil
}
