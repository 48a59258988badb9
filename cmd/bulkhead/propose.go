package main

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// proposing is `violations --propose`.
type proposing struct {
	*app
	file   string
	out    string
	accept []string
}

// maxJudged bounds the violations that proposals are made of, the newest first.
const maxJudged = 200000

func (p *proposing) run(ctx context.Context, s *session, q store.ViolationQuery) error {
	set, err := readPolicy(p.file)
	if err != nil {
		return err
	}
	found, m, err := s.proposals(ctx, set, q)
	if err != nil {
		return err
	}
	next, err := p.accepted(set, found)
	if err != nil {
		return err
	}
	diff := policy.Diff(set.Live(), next.Live(), workloadsOf(m))
	if p.json {
		err = p.printJSON(struct {
			*policy.Proposals
			Diff []policy.Change `json:"diff"`
		}{found, diff})
	} else {
		err = p.print(found, diff)
	}
	if err != nil || p.out == "" {
		return err
	}
	if err := os.WriteFile(p.out, policy.Format(next), 0o644); err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	p.say("written to %s: see `bulkhead policy diff %s %s`", p.out, p.file, p.out)
	return nil
}

// proposals says what to do about the violations that q selects of set, which is
// in force: rules with their evidence, and decisions.
func (s *session) proposals(ctx context.Context, set *policy.Set, q store.ViolationQuery) (*policy.Proposals, *topology.Map, error) {
	m, probes, err := s.windowMap(ctx, &window{})
	if err != nil {
		return nil, nil, err
	}
	q.Limit = maxJudged
	seen, err := s.store.Violations(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	opt := recommender.Options{Level: policy.ServiceLevel, Base: set}
	if opt.Networks, err = s.networks(ctx); err != nil {
		return nil, nil, err
	}
	if opt.Answers, err = s.answers(ctx); err != nil {
		return nil, nil, err
	}
	found, err := recommender.Propose(m, probes, seen, opt)
	if err == nil && len(seen) == maxJudged {
		found.Notes = append(found.Notes, fmt.Sprintf("only the newest %d violations were looked at", maxJudged))
	}
	return found, m, err
}

// accepted is the set with the accepted proposals in.
func (p *proposing) accepted(base *policy.Set, found *policy.Proposals) (*policy.Set, error) {
	if len(p.accept) == 0 {
		return found.Set, nil
	}
	want := map[string]bool{}
	for _, name := range p.accept {
		want[name] = true
	}
	next := *base
	next.Policies = slices.Clone(base.Policies)
	next.Networks = found.Set.Networks
	for _, c := range found.Rules {
		name := c.Policy + "/" + c.Rule
		if !want[name] {
			continue
		}
		delete(want, name)
		at := slices.IndexFunc(next.Policies, func(x policy.Policy) bool { return x.Name == c.Policy })
		if at < 0 {
			return nil, fmt.Errorf("accept %s: %s has no policy of that name", name, p.file)
		}
		rules := slices.DeleteFunc(slices.Clone(next.Policies[at].Rules), func(r policy.Rule) bool {
			return r.Name == c.Rule || c.Before != nil && r.Name == c.Before.Name
		})
		next.Policies[at].Rules = append(rules, c.After)
	}
	for _, name := range p.accept {
		if want[name] {
			return nil, usagef("--accept %s: no proposal is called so; --propose without --accept lists them", name)
		}
	}
	return next.Normal(), next.Validate()
}

// print lists proposals, decisions and the difference.
func (p *proposing) print(found *policy.Proposals, diff []policy.Change) error {
	for _, note := range found.Notes {
		fmt.Fprintf(p.err, "note: %s\n", printable(note))
	}
	if len(found.Rules)+len(found.Decisions) == 0 {
		fmt.Fprintln(p.app.out, "nothing to propose: what was stopped is what the policy is for, or there were no violations")
		return nil
	}
	rows := make([][]string, 0, len(found.Rules))
	for i, c := range found.Rules {
		e := &found.Evidence[i]
		rows = append(rows, []string{c.Policy + "/" + c.Rule, string(c.Origin), fmt.Sprint(c.Violations), fmt.Sprint(e.Flows),
			day(e.First), day(e.Last), c.Why})
	}
	fmt.Fprintf(p.app.out, "%s from what was seen in monitor and missed in discovery\n", count(len(rows), "proposed rule", "proposed rules"))
	if err := table(p.app.out, []string{"POLICY/RULE", "IS", "VIOLATIONS", "FLOWS", "FIRST SEEN", "LAST SEEN", "WHY"}, rows); err != nil {
		return err
	}
	if len(diff) > 0 {
		fmt.Fprintln(p.app.out, "\nwith them:")
		for _, c := range diff {
			fmt.Fprintf(p.app.out, "  %s\n", printable(c.String()))
		}
	}
	rows = rows[:0]
	for i := range found.Decisions {
		if d := &found.Decisions[i]; d.Answer == "" {
			rows = append(rows, []string{d.Priority.String(), string(d.Concern), d.Title, d.ID})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintf(p.app.out, "\n%s for you to take (bulkhead decide ID allow|deny|watch):\n", count(len(rows), "decision", "decisions"))
	return table(p.app.out, []string{"PRIORITY", "CONCERN", "WHAT", "ID"}, rows)
}
