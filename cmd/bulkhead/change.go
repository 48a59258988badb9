package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/change"
	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
)

// docChange is the kind of documents that keep changes, by change.Change.ID.
const docChange = "change"

// changing is the verb `change`.
type changing struct {
	enforcing
	share   float64
	segment int
	all     bool
	canary  bool
	to      int
}

func changeCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "change", Short: "Plan a change of policy, take it part by part, confirm it or take it back; every step is recorded",
		Long: `A change goes from the policies in force on this machine to those of a file. Its
plan says who can newly reach what, what changes in the kernel, what it does to
recorded traffic, and in which order its parts, one policy each, are best taken: the
least risky first. Each part is applied behind the gate that the kernel closes by
itself, confirmed, and watched.

  bulkhead change plan policy.yaml --mode enforce --reason 'ticket 4711'
  bulkhead change apply ID
  bulkhead change confirm
  bulkhead change status ID
  bulkhead change rollback --reason 'the till in store 12 is down'

Every step is kept with the change, and in this machine's journal: who, when, why,
and the hash of the policies. Confirming and going back work without the store.`,
	}
	cmd.AddCommand(changePlan(a), changeApply(a), changeConfirm(a), changeStatus(a), changeRollback(a))
	return cmd
}

func newChanging(a *app) *changing {
	return &changing{enforcing: enforcing{app: a, hostFlags: hostFlags{app: a}, established: string(enforcer.Keep)}}
}

func changePlan(a *app) *cobra.Command {
	c := newChanging(a)
	cmd := &cobra.Command{
		Use: "plan POLICY", Short: "Say what a change to these policies does, and record the plan", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.share < 0 || c.share > 1 {
				return usagef("--canary %g: want a share between 0 and 1", c.share)
			}
			return c.plan(cmd.Context(), args[0])
		},
	}
	c.hostFlags.flags(cmd)
	cmd.Flags().StringVar(&c.mode, "mode", "", "monitor or enforce, for every policy of the file; default: the stages in the file")
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for the record")
	cmd.Flags().Float64Var(&c.share, "canary", 0.1, "share of each part's workloads that take it first; one of each role is always kept out")
	return cmd
}

func changeApply(a *app) *cobra.Command {
	c := newChanging(a)
	cmd := &cobra.Command{
		Use: "apply [ID]", Short: "Take the next part of a change, the newest by default, on this machine", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.all && c.segment != 0 {
				return usagef("change apply: --all and --segment do not go together")
			}
			if c.established != string(enforcer.Keep) && c.established != string(enforcer.Cut) {
				return usagef("--established %s: want keep or cut", c.established)
			}
			return c.take(cmd.Context(), args)
		},
	}
	c.hostFlags.flags(cmd)
	cmd.Flags().IntVar(&c.segment, "segment", 0, "up to which part, from 1; default: the next one")
	cmd.Flags().BoolVar(&c.all, "all", false, "every part that is left")
	cmd.Flags().BoolVar(&c.canary, "canary", false, "only if this machine's workloads are among those that take the part first")
	cmd.Flags().StringVar(&c.established, "established", string(enforcer.Keep), "keep or cut connections that exist and that the change forbids")
	cmd.Flags().StringVar(&c.reason, "reason", "", "why, for the record")
	cmd.Flags().BoolVar(&c.confirm, "confirm", false, "confirm at once, without the kernel's way back")
	cmd.Flags().BoolVar(&c.force, "force", false, "take it although it cuts this session off")
	return cmd
}

// plan makes a change and records it.
func (c *changing) plan(ctx context.Context, file string) error {
	set, err := readPolicy(file)
	if err != nil {
		return err
	}
	if set, err = c.staged(set); err != nil {
		return err
	}
	host, err := c.host(ctx, set)
	if err != nil {
		return err
	}
	before, err := c.inForce()
	if err != nil {
		return err
	}
	now := time.Now()
	ch := change.Change{Author: author(), Reason: c.reason, Created: now.UTC(), Hash: set.Hash(), Policy: string(policy.Format(set)), BaseHash: before.Hash()}
	if len(before.Policies) > 0 {
		ch.Base = string(policy.Format(before))
	}
	ch.ID = now.UTC().Format("20060102") + "-" + ch.Hash[:6]
	if ch.Ruleset, err = c.rulesetDiff(set, host); err != nil {
		return err
	}
	return c.with(ctx, func(s *session) error {
		in := change.Input{Before: before, After: set, Canary: c.share}
		if err := s.judge(ctx, &in); err != nil {
			return err
		}
		existing, _, err := s.loadChange(ctx, ch.ID)
		for n := 2; err == nil && existing.ID != ""; n++ {
			ch.ID = fmt.Sprintf("%s-%s-%d", now.UTC().Format("20060102"), ch.Hash[:6], n)
			existing, _, err = s.loadChange(ctx, ch.ID)
		}
		if err != nil {
			return err
		}
		in.Seed = ch.ID
		ch.Plan(in)
		ch.Steps = []change.Step{{Time: now.UTC(), Event: change.Planned, By: ch.Author, Why: c.reason, Hash: ch.Hash}}
		if err := s.save(ctx, docChange, ch.ID, 0, ch.Author, c.reason, ch); err != nil {
			return err
		}
		return c.showPlan(&ch)
	})
}

// inForce is what this machine has confirmed; nothing is an empty set.
func (c *changing) inForce() (*policy.Set, error) {
	before := &policy.Set{}
	err := c.withEnforcer(func(f *enforcer.Enforcer) error {
		v := f.Status().Confirmed
		if v == nil {
			return nil
		}
		set, err := policy.Parse([]byte(v.Policy), fmt.Sprintf("version %d", v.Number))
		before = set
		return err
	})
	return before, err
}

// rulesetDiff is what changes in the kernel, a line each.
func (c *changing) rulesetDiff(set *policy.Set, host nft.Host) ([]string, error) {
	want, err := nft.Compile(set, host)
	if err != nil {
		return nil, err
	}
	have, err := readKernel()
	if err != nil {
		return nil, err
	}
	changes := nft.Diff(have, want)
	if changes.Empty() {
		return []string{}, nil
	}
	return strings.Split(strings.TrimRight(changes.String(), "\n"), "\n"), nil
}

// judge adds what recorded traffic says about a change; without any, nothing.
func (s *session) judge(ctx context.Context, in *change.Input) error {
	m, probes, err := s.windowMap(ctx, &window{})
	if errors.Is(err, errNothingRecorded) {
		return nil
	}
	if err != nil {
		return err
	}
	in.Map = m
	if in.Simulation, err = recommender.Simulate(in.After, m, probes, recommender.SimulateOptions{KeepStages: true}); err != nil {
		return err
	}
	in.Readiness, err = s.readiness(ctx, m, probes, recommender.DefaultHorizon)
	return err
}

// take applies the next part of a change on this machine.
func (c *changing) take(ctx context.Context, args []string) error {
	var ch change.Change
	err := c.with(ctx, func(s *session) (err error) {
		c.catchUp(ctx, s)
		ch, err = s.named(ctx, args)
		return err
	})
	if err != nil {
		return err
	}
	machine := c.sensorName()
	n, err := c.upTo(&ch, machine)
	if err != nil {
		return err
	}
	set, err := ch.At(n)
	if err != nil {
		return err
	}
	if err := c.onItsBase(&ch, n); err != nil {
		return err
	}
	host, err := c.host(ctx, set)
	if err != nil {
		return err
	}
	if err := c.mayGoFirst(&ch, n, host); err != nil {
		return err
	}
	care, err := c.aftercare(ctx, set)
	if err != nil {
		return err
	}
	c.change = ch.ID
	if c.reason == "" {
		c.reason = ch.Reason
	}
	if err := c.withEnforcer(func(f *enforcer.Enforcer) error { return c.apply(ctx, f, set, host, care) }); err != nil {
		return err
	}
	c.say("part %d of %d: %s", n, len(ch.Segments), ch.Segments[n-1].Policy)
	c.recordSteps(ctx, ch.ID)
	return nil
}

// upTo is the part to take on this machine.
func (c *changing) upTo(ch *change.Change, machine string) (int, error) {
	state, done := ch.On(machine)
	n := done + 1
	switch {
	case c.all:
		n = len(ch.Segments)
	case c.segment != 0:
		n = c.segment
	}
	if state == change.Done || n > len(ch.Segments) && done == len(ch.Segments) {
		return 0, usagef("change %s: every part is confirmed here already", ch.ID)
	}
	if n < 1 || n > len(ch.Segments) {
		return 0, usagef("change %s: it has %s", ch.ID, count(len(ch.Segments), "part", "parts"))
	}
	return n, nil
}

// onItsBase refuses a change that was planned on other policies than those in force.
func (c *changing) onItsBase(ch *change.Change, n int) error {
	now, err := c.inForce()
	if err != nil {
		return err
	}
	allowed := []string{ch.BaseHash}
	for i := range n {
		set, err := ch.At(i)
		if err != nil {
			return err
		}
		allowed = append(allowed, set.Hash())
	}
	if !slices.Contains(allowed, now.Hash()) {
		return usagef("change %s was planned on other policies than those in force here (%.12s): plan it again", ch.ID, now.Hash())
	}
	return nil
}

// mayGoFirst refuses --canary on machines that are not canaries.
func (c *changing) mayGoFirst(ch *change.Change, n int, host nft.Host) error {
	if !c.canary {
		return nil
	}
	if host.Mode == nft.ModeGateway {
		return usagef("--canary: a gateway takes a part for all workloads behind it")
	}
	canary := ch.Segments[n-1].Canary
	for _, id := range host.Self {
		if slices.Contains(canary, id) {
			return nil
		}
	}
	return usagef("--canary: part %d goes first to %s; here it comes later, without --canary", n, strings.Join(canary, ", "))
}

// windowWords is a forecast's window in words.
func windowWords(since, until flow.Time) string {
	if until == 0 {
		return "no recorded traffic"
	}
	return day(since) + " to " + day(until)
}
