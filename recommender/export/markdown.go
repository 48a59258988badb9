package export

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// writeMarkdown writes the review pack: what is asked for first, then the
// questions, the rules with their evidence, what would break, what is always
// allowed.
func writeMarkdown(w io.Writer, in *Input) ([]string, error) {
	m := &markdown{Writer: bufio.NewWriter(w), in: in}
	m.head()
	m.decisions()
	for i := range in.Set.Policies {
		m.policy(&in.Set.Policies[i])
	}
	m.simulation()
	m.readiness()
	m.exposure()
	m.reach()
	m.always()
	return nil, m.Flush()
}

type markdown struct {
	*bufio.Writer
	in *Input
}

func (m *markdown) printf(format string, args ...any) { fmt.Fprintf(m, format, args...) }

func (m *markdown) head() {
	m.printf("# Policy review\n\n")
	rules := 0
	for _, p := range m.in.Set.Policies {
		rules += len(p.Rules)
	}
	m.printf("%d policies, %d rules. Content hash `%s`.", len(m.in.Set.Policies), rules, m.in.Set.Hash()[:16])
	if !m.in.At.IsZero() {
		m.printf(" Made %s.", m.in.At.UTC().Format(time.RFC3339))
	}
	m.printf("\n\n")
	r := m.in.Recommendation
	if r == nil {
		return
	}
	m.printf("Recommended at level **%s** from traffic of %s to %s.\n\n", r.Level, day(r.Since), day(r.Until))
	if len(r.Coverage) > 0 {
		c := r.Coverage[0]
		m.printf("Of %d observed connections (%d dependencies) the rules allow %d (%d dependencies), %s.\n\n",
			c.Connections, c.Dependencies, c.Allowed, c.AllowedDeps, percent(c.Allowed, c.Connections))
	}
	for _, n := range r.Notes {
		m.printf("- %s\n", escapeMarkdown(n))
	}
	if len(r.Notes) > 0 {
		m.printf("\n")
	}
}

func (m *markdown) decisions() {
	if m.in.Recommendation == nil || len(m.in.Recommendation.Decisions) == 0 {
		return
	}
	m.printf("## For decision\n\nEach needs a person to say allow, deny or watch; only what was answered allow is in the rules.\n\n")
	m.printf("| concern | what | why | connections | priority | decision |\n|---|---|---|--:|---|---|\n")
	for _, d := range m.in.Recommendation.Decisions {
		m.printf("| %s | %s | %s | %d | %s | %s |\n", d.Concern, escapeMarkdown(d.Title), escapeMarkdown(d.Why), d.Stats.Flows, d.Priority, escapeMarkdown(d.Answer))
	}
	m.printf("\n")
}

func (m *markdown) policy(p *policy.Policy) {
	m.printf("## %s\n\n", escapeMarkdown(p.Name))
	if p.Description != "" {
		m.printf("%s ", escapeMarkdown(p.Description))
	}
	m.printf("Scope: %s. Stage: %s. Egress: %s.\n\n", escapeMarkdown(p.Scope.String()), p.Stage, p.Egress)
	if len(p.Rules) == 0 {
		m.printf("No rules: nothing is allowed in.\n\n")
		return
	}
	m.printf("| rule | from | to | services | in words | seen | confidence |\n|---|---|---|---|---|---|--:|\n")
	for i := range p.Rules {
		r := &p.Rules[i]
		name := r.Name
		if r.Action != policy.Allow {
			name += " (" + r.Action.String() + ")"
		}
		seen, confidence := m.seen(p.Name, r.Name)
		m.printf("| %s | %s | %s | %s | %s | %s | %s |\n", escapeMarkdown(name), escapeMarkdown(peerText(r.From)), escapeMarkdown(peerText(r.To)),
			escapeMarkdown(serviceText(r.Services)), escapeMarkdown(r.Description), seen, confidence)
	}
	m.printf("\n")
}

func (m *markdown) seen(policyName, rule string) (seen, confidence string) {
	e := m.in.evidenceOf(policyName, rule)
	if e == nil {
		return "", ""
	}
	return m.in.evidenceText(e), fmt.Sprintf("%.2f", e.Confidence)
}

func (m *markdown) simulation() {
	s := m.in.Simulation
	if s == nil {
		return
	}
	m.printf("## Replayed over recorded traffic\n\n%s to %s, every policy taken as enforced.\n\n", day(s.Since), day(s.Until))
	m.printf("| | dependencies | connections |\n|---|--:|--:|\n")
	for class, t := range s.Totals {
		m.printf("| %s | %d | %d |\n", policy.Class(class), t.Dependencies, t.Connections)
	}
	m.printf("\n%d connections touch no policy.\n\n", s.Untouched)
	if len(s.Breaks) > 0 {
		m.printf("What would break, what looks legitimate first:\n\n| concern | what | services | dependencies | connections | why | decision |\n|---|---|---|--:|--:|---|---|\n")
	}
	for i := range s.Breaks[:min(len(s.Breaks), maxBreaks)] {
		b := &s.Breaks[i]
		m.printf("| %s | %s | %s | %d | %d | %s | %s |\n", concernText(b.Concern), escapeMarkdown(b.What), usedServices(b.Services), b.Dependencies, b.Connections, escapeMarkdown(b.Why), b.Decision)
	}
	if more := len(s.Breaks) - maxBreaks; more > 0 {
		m.printf("\n%d more are in the JSON export.\n", more)
	}
	m.printf("\n")
}

// maxBreaks is how many lines of what would break a review pack lists.
const maxBreaks = 50

func concernText(c policy.Concern) string {
	if c == "" {
		return "looks legitimate"
	}
	return string(c)
}

func usedServices(list []flow.Service) string {
	words := make([]string, 0, len(list))
	for _, s := range list {
		words = append(words, s.String())
	}
	if more := len(words) - 8; more > 0 {
		words = append(words[:8], fmt.Sprintf("and %d more", more))
	}
	return strings.Join(words, " ")
}

// readiness says whether the traffic was watched for long enough.
func (m *markdown) readiness() {
	if len(m.in.Readiness) == 0 {
		return
	}
	m.printf("## Watched long enough?\n\n%s\n\n", escapeMarkdown(m.in.Readiness[0].Words))
	m.printf("| policy | days | dependencies | seen once | month-end | unseen (95 %%) | coverage | at risk in %d days |\n|---|--:|--:|--:|--:|---|--:|--:|\n", m.in.Readiness[0].Horizon)
	for i := range m.in.Readiness {
		r := &m.in.Readiness[i]
		if i > 0 && r.Once == 0 && r.Monthly == 0 && r.AtRisk == 0 {
			continue
		}
		m.printf("| %s | %d | %d | %d | %d | %s | %.2f %% | %.1f |\n", escapeMarkdown(policyOrAll(r.Policy)), r.Days, r.Observed, r.Once, r.Monthly, interval(r), 100*r.Coverage, r.AtRisk)
	}
	m.printf("\n")
}

func policyOrAll(name string) string {
	if name == "" {
		return "the whole estate"
	}
	return name
}

func interval(r *policy.Readiness) string {
	return fmt.Sprintf("%.1f (%.1f to %.1f)", r.Unseen, r.UnseenLow, r.UnseenHigh)
}

func (m *markdown) exposure() {
	if text := m.in.exposureText(); text != "" {
		m.printf("## Spread of a compromise\n\n%s\n\n", escapeMarkdown(text))
	}
}

// exposureText compares the estate's exposure without and with the set; "" when it
// was not measured.
func (in *Input) exposureText() string {
	a, b := in.ExposureToday, in.ExposureDraft
	if a == nil || b == nil {
		return ""
	}
	return fmt.Sprintf("A compromise of one workload could spread, over the dependencies seen, to %.1f %% of the others on average and %.1f %% at worst (%s) today; once these policies are enforced, to %.1f %% and %.1f %% (%s).",
		100*a.Mean, 100*a.Worst, a.WorstNode, 100*b.Mean, 100*b.Worst, b.WorstNode)
}

func (m *markdown) reach() {
	if m.in.Today == nil || m.in.Draft == nil {
		return
	}
	m.printf("## Blast radius\n\nFrom %s an intruder could reach %d of %d workloads today, %d once these policies are enforced.\n\n",
		escapeMarkdown(m.in.Today.From), m.in.Today.Reachable, m.in.Today.Inside, m.in.Draft.Reachable)
	if m.in.Map == nil {
		return
	}
	for _, p := range m.in.Today.Paths {
		m.printf("- %s\n", escapeMarkdown(pathText(m.in.Map, p)))
	}
	m.printf("\n")
}

func pathText(tm *topology.Map, p policy.AttackPath) string {
	var b strings.Builder
	for i, n := range p.Nodes {
		if i > 0 {
			fmt.Fprintf(&b, " → (%s) ", p.Services[i-1])
		}
		b.WriteString(tm.Graph.Nodes[n].Name)
	}
	return b.String()
}

func (m *markdown) always() {
	m.printf("## Always allowed\n\n- %s\n", policy.Stateful)
	for _, x := range m.in.Set.AlwaysAllowed {
		m.printf("- %s (%s): %s%s\n", escapeMarkdown(x.Name), x.Direction, escapeMarkdown(serviceText(x.Services)), escapeMarkdown(dash(x.Why)))
	}
	for _, p := range m.in.Set.BreakGlass {
		m.printf("- break-glass: %s may reach every protected workload\n", p)
	}
}

func dash(s string) string {
	if s == "" {
		return ""
	}
	return " — " + s
}

func percent(part, whole uint64) string {
	if whole == 0 {
		return "no traffic"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(whole))
}

// escapeMarkdown makes text stand for itself in a table cell (CommonMark §2.4:
// any ASCII punctuation may be escaped with a backslash; GFM §4.10: a pipe ends a
// cell even in code).
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range printable(s) {
		if strings.ContainsRune("\\`*_{}[]<>#!|~&$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
