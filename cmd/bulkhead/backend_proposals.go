package main

import (
	"context"
	"slices"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/store"
)

// proposedFrom bounds the violations that proposals are made of, the newest first.
const proposedFrom = 100_000

// Proposals implements httpapi.ProposalSource: the saved policies are what is in
// force.
func (b *backend) Proposals(ctx context.Context, w httpapi.Window) (*policy.Proposals, error) {
	base, n, err := b.s.savedPolicies(ctx)
	if err != nil {
		return nil, apiError(err)
	}
	if n == 0 {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "no policy is saved yet: `bulkhead policy save FILE` keeps what is in force, and violations are then judged against it")
	}
	m, probes, err := b.view(ctx, httpapi.Window{})
	if err != nil {
		return nil, err
	}
	seen, err := b.s.store.Violations(ctx, store.ViolationQuery{Query: store.Query{Since: w.Since, Until: w.Until}, Limit: proposedFrom})
	if err != nil {
		return nil, err
	}
	opt := recommender.Options{Level: policy.ServiceLevel, Base: base}
	if opt.Networks, err = b.s.networks(ctx); err != nil {
		return nil, err
	}
	if opt.Answers, err = b.s.answers(ctx); err != nil {
		return nil, err
	}
	return recommender.Propose(m, probes, seen, opt)
}

// AcceptProposals implements httpapi.ProposalSource.
func (b *backend) AcceptProposals(ctx context.Context, author string, names []string, reason string) ([]string, error) {
	found, err := b.Proposals(ctx, httpapi.Window{})
	if err != nil {
		return nil, err
	}
	byPolicy := map[string][]policy.RuleChange{}
	for _, c := range found.Rules {
		if i := slices.Index(names, c.Policy+"/"+c.Rule); i >= 0 {
			byPolicy[c.Policy] = append(byPolicy[c.Policy], c)
			names = slices.Delete(slices.Clone(names), i, i+1)
		}
	}
	if len(names) > 0 {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "%s is not proposed any more; look again", names[0])
	}
	docs, err := b.s.store.Documents(ctx, docPolicy)
	if err != nil {
		return nil, err
	}
	var saved []string
	for _, d := range docs {
		done, err := b.acceptInto(ctx, author, d.Name, d.Version, byPolicy, reason)
		if err != nil {
			return saved, err
		}
		if done {
			saved = append(saved, d.Name)
		}
	}
	return saved, nil
}

// acceptInto puts the rules of the policies that one document holds into it.
func (b *backend) acceptInto(ctx context.Context, author, name string, version uint64, byPolicy map[string][]policy.RuleChange, reason string) (bool, error) {
	doc, err := b.s.store.LoadDocument(ctx, docPolicy, name, version)
	if err != nil {
		return false, err
	}
	set, err := policy.Parse(doc.Content, name)
	if err != nil {
		return false, err
	}
	changed := false
	for i := range set.Policies {
		for _, c := range byPolicy[set.Policies[i].Name] {
			set.Policies[i].Rules = withRule(set.Policies[i].Rules, c)
			changed = true
		}
	}
	if !changed {
		return false, nil
	}
	if reason == "" {
		reason = "rules accepted that violations spoke for"
	}
	_, err = b.SaveDocument(ctx, httpapi.Document{Kind: docPolicy, Name: name, Version: version, Author: author, Reason: reason, Body: string(policy.Format(set.Normal()))})
	return true, err
}

// withRule is a list of rules with one added, or put in the place of what it extends.
func withRule(rules []policy.Rule, c policy.RuleChange) []policy.Rule {
	kept := slices.DeleteFunc(slices.Clone(rules), func(r policy.Rule) bool {
		return r.Name == c.Rule || c.Before != nil && r.Name == c.Before.Name
	})
	return append(kept, c.After)
}
