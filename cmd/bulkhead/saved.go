package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
)

// noBase says on the command line that nothing is to be built on.
const noBase = "none"

// baseSet is what a recommendation builds on: a file, the saved policies when no
// file is named, or nothing. from says it in words, "" for nothing.
func (s *session) baseSet(ctx context.Context, file string) (set *policy.Set, from string, err error) {
	switch file {
	case noBase:
		return nil, "", nil
	case "":
		set, n, err := s.savedPolicies(ctx)
		if err != nil || n == 0 {
			return nil, "", err
		}
		return set, count(n, "saved document", "saved documents"), nil
	}
	set, err = readPolicy(file)
	return set, file, err
}

// savedPolicies joins the policy documents people saved; n says how many there
// are.
func (s *session) savedPolicies(ctx context.Context) (set *policy.Set, n int, err error) {
	docs, err := s.store.Documents(ctx, docPolicy)
	if err != nil {
		return nil, 0, err
	}
	var sets []*policy.Set
	for _, d := range docs {
		full, err := s.store.LoadDocument(ctx, docPolicy, d.Name, d.Version)
		if err != nil {
			return nil, 0, err
		}
		one, err := policy.Parse(full.Content, "saved policy "+d.Name)
		if err != nil {
			return nil, 0, err
		}
		sets = append(sets, one)
	}
	if len(sets) == 0 {
		return nil, 0, nil
	}
	if set, err = policy.Join(sets...); err != nil {
		return nil, 0, usagef("the saved policies do not go together: %v; name a file with --base, or --base none", err)
	}
	return set, len(sets), nil
}

// policySave keeps a file as a document with versions, which recommend builds on.
func policySave(a *app) *cobra.Command {
	var name, reason string
	cmd := &cobra.Command{
		Use: "save FILE", Short: "Keep a policy file as a document with versions, which `bulkhead recommend` builds on", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *session) error {
				text := policy.Format(set)
				old, err := s.store.LoadDocument(cmd.Context(), docPolicy, name, 0)
				if err == nil && !old.Deleted && string(old.Content) == string(text) {
					a.say("policy %s is saved like this already, as version %d", name, old.Version)
					return nil
				}
				version, err := s.store.SaveDocument(cmd.Context(), store.Document{Kind: docPolicy, Name: name, Base: old.Version,
					Author: author(), Time: time.Now(), Reason: reason, Content: text})
				if err != nil {
					return err
				}
				a.say("policy %s is saved as version %d; `bulkhead recommend` builds on it", name, version)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&name, "name", docOnly, "name of the document; several stand together")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}

// summarizeChanges says what of the base was kept, extended, added or never used,
// with the difference for each rule that is not as it was.
func summarizeChanges(w io.Writer, rec *policy.Recommendation, from string) {
	n := map[policy.RuleOrigin]int{}
	for _, c := range rec.Changes {
		n[c.Origin]++
	}
	fmt.Fprintf(w, "built on %s: %d kept, %d extended, %d new, %d never used in this window\n", from,
		n[policy.OriginKept], n[policy.OriginExtended], n[policy.OriginNew], n[policy.OriginUnused])
	for _, c := range rec.Changes {
		if c.Origin != policy.OriginKept {
			fmt.Fprintf(w, "  %s\n", printable(c.String()))
		}
	}
}

// next says which command comes after a recommendation.
func next(w io.Writer, file string) {
	if file == "" {
		fmt.Fprint(w, "\nnext: keep the policy with -o policy.yaml, then bulkhead simulate policy.yaml\n")
		return
	}
	fmt.Fprintf(w, "\nnext: bulkhead simulate %[1]s   what it would break, by the traffic recorded\n      bulkhead export %[1]s --format html -o review.html   for a reviewer\n", file)
}

// writeFile writes a result with the permissions of a document others may read.
func writeFile(file string, text []byte) error {
	if err := os.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write policy: %w", err)
	}
	return nil
}
