package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

func recommendCmd(a *app) *cobra.Command {
	var w window
	var level, scope, out, base string
	var restrict bool
	cmd := &cobra.Command{
		Use: "recommend", Short: "Least-privilege rules for what was seen, with the flows behind each", Args: cobra.NoArgs,
		Long: `Recommends the smallest set of rules that keeps every legitimate dependency of the
window working. What a person should decide — scans, one-off flows, access by
vendors, administration across environments — is listed, not allowed silently.

What people have already is built on: the policies of --base, or those saved with
"bulkhead policy save" or on the dashboard. Their rules keep their names; a
dependency they allow makes no rule, one that differs in one respect extends a
rule, and rules that nothing used are listed. --base none starts anew.

With -o the policy goes to a file, otherwise to standard output; the summary and
the list of decisions go to standard error.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opt, err := recommendOptions(level, scope, restrict)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *session) error {
				var from string
				if opt.Base, from, err = s.baseSet(cmd.Context(), base); err != nil {
					return err
				}
				rec, _, err := s.recommend(cmd.Context(), &w, opt)
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(rec)
				}
				if err := a.writePolicy(out, rec); err != nil {
					return err
				}
				if a.quiet {
					return nil
				}
				if from != "" {
					summarizeChanges(a.err, rec, from)
				}
				err = summarize(a.err, rec)
				next(a.err, out)
				return err
			})
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&level, "level", "service", "ringfence, tier, service or workload, from permissive to tight")
	cmd.Flags().StringVar(&scope, "scope", "", "only these workloads' policies: app=payments,env=prod")
	cmd.Flags().StringVarP(&out, "output", "o", "", "file for the policy")
	cmd.Flags().StringVar(&base, "base", "", "policy file to build on, or none; default: the saved policies")
	cmd.Flags().BoolVar(&restrict, "restrict-egress", false, "deny outbound by default too")
	return cmd
}

func recommendOptions(level, scope string, restrict bool) (recommender.Options, error) {
	var o recommender.Options
	if err := o.Level.UnmarshalText([]byte(level)); err != nil {
		return o, usagef("--level: %v", err)
	}
	labels, err := parseLabels(scope)
	if err != nil {
		return o, usagef("--scope: %v", err)
	}
	o.Scope = labels
	if restrict {
		o.Egress = policy.EgressRestrict
	}
	return o, nil
}

// parseLabels reads "app=payments,env=prod".
func parseLabels(s string) (topology.Labels, error) {
	if s == "" {
		return nil, nil
	}
	l := topology.Labels{}
	for _, pair := range strings.Split(s, ",") {
		k, v, ok := strings.Cut(pair, "=")
		if !ok || k == "" || v == "" {
			return nil, fmt.Errorf("%q is not key=value", pair)
		}
		if _, dup := l[k]; dup {
			return nil, fmt.Errorf("label %s is given twice", k)
		}
		l[k] = v
	}
	return l, nil
}

func (s *session) recommend(ctx context.Context, w *window, opt recommender.Options) (*policy.Recommendation, *topology.Map, error) {
	m, probes, err := s.windowMap(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	if opt.Networks, err = s.networks(ctx); err != nil {
		return nil, nil, err
	}
	if opt.Answers, err = s.answers(ctx); err != nil {
		return nil, nil, err
	}
	rec, err := recommender.Recommend(m, probes, opt)
	if err == nil && len(opt.Scope) > 0 && len(rec.Set.Policies) == 0 {
		err = usagef("--scope %s: no application on the map has these labels; `bulkhead map` lists them", opt.Scope)
	}
	return rec, m, err
}

// answers are what people said to decision cards, by policy.Decision.ID.
func (s *session) answers(ctx context.Context) (map[string]string, error) {
	book := decisionBook{}
	if _, err := s.load(ctx, docDecisions, docOnly, &book); err != nil {
		return nil, err
	}
	answers := make(map[string]string, len(book))
	for id, d := range book {
		answers[id] = d.Answer
	}
	return answers, nil
}

// networks are the named networks of the inventory.
func (s *session) networks(ctx context.Context) ([]topology.Network, error) {
	index, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	return index.Inventory().Networks, nil
}

func (a *app) writePolicy(file string, rec *policy.Recommendation) error {
	text := policy.Format(rec.Set)
	if file == "" {
		_, err := a.out.Write(text)
		return err
	}
	return writeFile(file, text)
}

// summarize says in words what was recommended and what waits for a person.
func summarize(w io.Writer, rec *policy.Recommendation) error {
	rules := 0
	for i := range rec.Set.Policies {
		rules += len(rec.Set.Policies[i].Rules)
	}
	fmt.Fprintf(w, "%s with %s, from what was seen %s to %s\n", count(len(rec.Set.Policies), "policy", "policies"),
		count(rules, "rule", "rules"), day(rec.Since), day(rec.Until))
	if len(rec.Coverage) > 0 {
		c := rec.Coverage[0]
		before := ""
		if len(rec.Before) > 0 {
			before = fmt.Sprintf("; before, %s of %d", percent(rec.Before[0].Allowed, rec.Before[0].Connections), rec.Before[0].Connections)
		}
		fmt.Fprintf(w, "they allow %s of %d connections (%d of %d dependencies)%s\n", percent(c.Allowed, c.Connections), c.Connections, c.AllowedDeps, c.Dependencies, before)
	}
	for _, n := range rec.Notes {
		fmt.Fprintf(w, "note: %s\n", printable(n))
	}
	rows := make([][]string, 0, len(rec.Decisions))
	for i := range rec.Decisions {
		if d := &rec.Decisions[i]; d.Answer == "" {
			rows = append(rows, []string{d.Priority.String(), string(d.Concern), d.Title, fmt.Sprint(d.Stats.Flows), day(d.Stats.Last), d.ID})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	fmt.Fprintf(w, "\n%s for you to take (bulkhead decide ID allow|deny|watch); until then they are not allowed:\n",
		count(len(rows), "decision", "decisions"))
	return table(w, []string{"PRIORITY", "CONCERN", "WHAT", "FLOWS", "LAST SEEN", "ID"}, rows)
}

// evidenceFor is what would be recommended beside a policy, with the evidence of
// the rules it has: the traffic of the window that each of them decides.
func (s *session) evidenceFor(ctx context.Context, set *policy.Set, m *topology.Map, probes []flow.Probe) (*policy.Recommendation, error) {
	networks, err := s.networks(ctx)
	if err != nil {
		return nil, err
	}
	rec, err := recommender.Recommend(m, probes, recommender.Options{Level: policy.ServiceLevel, Networks: networks, Base: set})
	if err != nil {
		return nil, err
	}
	has := map[[2]string]bool{}
	for i := range set.Policies {
		for j := range set.Policies[i].Rules {
			has[[2]string{set.Policies[i].Name, set.Policies[i].Rules[j].Name}] = true
		}
	}
	kept := rec.Evidence[:0]
	for _, e := range rec.Evidence {
		if has[[2]string{e.Policy, e.Rule}] {
			kept = append(kept, e)
		}
	}
	rec.Set, rec.Evidence = set, kept
	return rec, nil
}
