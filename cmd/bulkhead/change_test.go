package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/change"
	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/policy"
)

// What a machine's journal says about a change becomes steps once, however often
// it is read; what belongs to others, or is no step, does not.
func TestJournalBecomesSteps(t *testing.T) {
	set, err := policy.Parse([]byte("apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: shop}\nspec: {scope: {app: shop}, stage: enforce}\n"), "test")
	if err != nil {
		t.Fatal(err)
	}
	ch := change.Change{ID: "c", Policy: string(policy.Format(set))}
	ch.Plan(change.Input{Before: &policy.Set{}, After: set})
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	step := func(minute int, event, id, detail string) enforcer.Step {
		return enforcer.Step{Time: at.Add(time.Duration(minute) * time.Minute), Event: event, Change: id, Version: 3, Hash: set.Hash(), Author: "ann", Detail: detail}
	}
	journal := []enforcer.Step{
		step(0, "applied", "c", "unconfirmed: shop drops until …"), step(1, "confirmed", "c", ""), step(2, "tampered", "c", ""),
		step(3, "applied", "other", "unconfirmed"), step(4, "rolled-back", "c", "harm 3, 2 is borne"),
		step(5, "applied", "c", "nothing newly enforced"), step(6, "expired", "c", "it was not confirmed in time"),
	}
	for round := range 2 {
		missing, err := missingSteps(&ch, "gw", journal)
		if err != nil {
			t.Fatal(err)
		}
		if round == 1 && len(missing) > 0 {
			t.Errorf("the second reading adds %+v", missing)
		}
		ch.Steps = append(ch.Steps, missing...)
	}
	var got []string
	for _, s := range ch.Steps {
		got = append(got, fmt.Sprintf("%s %s %d %s", s.Time.Format("04"), s.Event, s.Segment, s.By))
	}
	want := []string{"00 applied 1 ann", "01 confirmed 1 ann", "04 rolled-back 0 ann", "05 applied 1 ann", "05 confirmed 1 ann", "06 rolled-back 0 ann"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("steps (-want +got):\n%s", d)
	}
	if state, _ := ch.On("gw"); state != change.RolledBack {
		t.Errorf("state %s", state)
	}
}

// --follow shows what comes late and nothing twice.
func TestFollowShowsNothingTwice(t *testing.T) {
	v := func(second int, policyName string) policy.Violation {
		var out policy.Violation
		if err := out.Time.UnmarshalText([]byte(fmt.Sprintf("2026-03-01T09:00:%02dZ", second))); err != nil {
			t.Fatal(err)
		}
		out.Policy = policyName
		return out
	}
	var n newlyShown
	if got := n.keep([]policy.Violation{v(1, "a"), v(5, "b")}); len(got) != 2 {
		t.Fatalf("first %v", got)
	}
	got := n.keep([]policy.Violation{v(1, "a"), v(2, "late"), v(5, "b"), v(6, "c")})
	if len(got) != 2 || got[0].Policy != "late" || got[1].Policy != "c" {
		t.Errorf("then %+v, want the late one and the new one", got)
	}
}
