package export

import (
	"fmt"
	"html/template"
	"io"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// writeHTML writes the review pack as one file that needs nothing else: no
// script, no style sheet, no account. html/template escapes by context, so names
// from the wire stay text.
func writeHTML(w io.Writer, in *Input) ([]string, error) {
	return nil, reviewPage.Execute(w, newReview(in))
}

// review is what the page shows, put into words.
type review struct {
	*Input
	Rules     int
	Coverage  *policy.Coverage
	Decisions []policy.Decision
	Broken    []policy.Break
	More      int
	Watched   []*policy.Readiness // the whole estate, and where something is left to say
	Spread    string
	Paths     []string
	Members   int
	Stateful  string
}

func newReview(in *Input) *review {
	r := &review{Input: in, Stateful: policy.Stateful, Members: len(in.members())}
	for _, p := range in.Set.Policies {
		r.Rules += len(p.Rules)
	}
	if in.Recommendation != nil {
		r.Decisions = in.Recommendation.Decisions
		if len(in.Recommendation.Coverage) > 0 {
			r.Coverage = &in.Recommendation.Coverage[0]
		}
	}
	if s := in.Simulation; s != nil {
		r.Broken = s.Breaks[:min(len(s.Breaks), maxBreaks)]
		r.More = len(s.Breaks) - len(r.Broken)
	}
	for i := range in.Readiness {
		if x := &in.Readiness[i]; i == 0 || x.Once > 0 || x.Monthly > 0 || x.AtRisk > 0 {
			r.Watched = append(r.Watched, x)
		}
	}
	r.Spread = in.exposureText()
	if in.Today != nil && in.Map != nil {
		for _, p := range in.Today.Paths {
			r.Paths = append(r.Paths, pathText(in.Map, p))
		}
	}
	return r
}

var reviewPage = template.Must(template.New("review").Funcs(template.FuncMap{
	"peers": peerText, "services": serviceText, "day": func(t flow.Time) string { return day(t) }, "plain": printable,
	"percent": func(c *policy.Coverage) string { return percent(c.Allowed, c.Connections) },
	"hash":    func(s *policy.Set) string { return s.Hash() },
	"concern": concernText, "used": usedServices, "whose": policyOrAll, "interval": interval, "share": func(x float64) string { return fmt.Sprintf("%.2f %%", 100*x) },
	"class": func(i int) string { return policy.Class(i).String() },
	"evidence": func(r *review, p, rule string) string {
		if e := r.evidenceOf(p, rule); e != nil {
			return fmt.Sprintf("%s, confidence %.2f", r.evidenceText(e), e.Confidence)
		}
		return ""
	},
	"hits": func(r *review, p, rule string) string {
		u := r.useOf(p, rule)
		switch {
		case u == nil:
			return ""
		case u.Connections == 0:
			return "never used"
		}
		return fmt.Sprintf("%d, last %s", u.Connections, day(u.LastHit))
	},
}).Parse(reviewTemplate))

const reviewTemplate = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Policy review</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>
:root{color-scheme:light dark;--line:#8884}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
h1{margin-bottom:.2rem} h2{margin-top:2.2rem;border-bottom:1px solid var(--line)}
table{border-collapse:collapse;width:100%;font-size:14px} td,th{border:1px solid var(--line);padding:.35rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
td.n{text-align:right} code{font-size:13px} .muted{opacity:.7} details summary{cursor:pointer;font-weight:600;font-size:1.1rem;margin-top:1.2rem}
@media print{details{display:block}}
</style></head><body>
<h1>Policy review</h1>
<p class="muted">{{len .Set.Policies}} policies, {{.Rules}} rules. Content hash <code>{{hash .Set}}</code>.{{if not .At.IsZero}} Made {{.At.UTC.Format "2006-01-02 15:04"}} UTC.{{end}}</p>
{{with .Recommendation}}<p>Recommended at level <b>{{.Level}}</b> from traffic of {{day .Since}} to {{day .Until}}.</p>
{{if .Notes}}<ul>{{range .Notes}}<li>{{plain .}}</li>{{end}}</ul>{{end}}{{end}}
{{with .Coverage}}<p>Of {{.Connections}} observed connections the rules allow {{.Allowed}} ({{percent .}}).</p>{{end}}
{{if and .Today .Draft}}<h2>Blast radius</h2>
<p>From <b>{{plain .Today.From}}</b> an intruder could reach <b>{{.Today.Reachable}}</b> of {{.Today.Inside}} workloads today, <b>{{.Draft.Reachable}}</b> once these policies are enforced.</p>
{{if .Paths}}<p>Paths to what matters most, today:</p><ul>{{range .Paths}}<li>{{plain .}}</li>{{end}}</ul>{{end}}{{end}}
{{if .Decisions}}<h2>For decision</h2><p>Each needs a person to say allow, deny or watch; only what was answered allow is in the rules.</p>
<table><tr><th>Concern</th><th>What</th><th>Why</th><th>Connections</th><th>Priority</th><th>Allow, deny or watch?</th></tr>
{{range .Decisions}}<tr><td>{{.Concern}}</td><td>{{plain .Title}}</td><td>{{plain .Why}}</td><td class="n">{{.Stats.Flows}}</td><td>{{.Priority}}</td><td>{{.Answer}}</td></tr>
{{end}}</table>{{end}}
<h2>Rules</h2>
{{$r := .}}{{range .Set.Policies}}{{$p := .Name}}<details open><summary>{{.Name}}</summary>
<p>{{plain .Description}} Scope: {{plain .Scope.String}}. Stage: {{.Stage}}. Egress: {{.Egress}}.</p>
<table><tr><th>Rule</th><th>From</th><th>To</th><th>Services</th><th>In words</th><th>Evidence</th>{{if $r.Simulation}}<th>Hits</th>{{end}}</tr>
{{range .Rules}}<tr><td>{{.Name}}{{if .Action}} <b>({{.Action}})</b>{{end}}</td><td>{{plain (peers .From)}}</td><td>{{plain (peers .To)}}</td><td>{{services .Services}}</td><td>{{plain .Description}}</td><td>{{evidence $r $p .Name}}</td>{{if $r.Simulation}}<td>{{hits $r $p .Name}}</td>{{end}}</tr>
{{end}}</table></details>
{{end}}
{{with .Simulation}}<h2>Replayed over recorded traffic</h2><p>{{day .Since}} to {{day .Until}}, every policy taken as enforced.</p>
<table><tr><th></th><th>Dependencies</th><th>Connections</th></tr>{{range $i, $t := .Totals}}<tr><td>{{class $i}}</td><td class="n">{{$t.Dependencies}}</td><td class="n">{{$t.Connections}}</td></tr>{{end}}</table>{{end}}
{{if .Broken}}<h3>What would break</h3><table><tr><th>Concern</th><th>What</th><th>Services</th><th>Dependencies</th><th>Connections</th><th>Why</th><th>Decision</th></tr>
{{range .Broken}}<tr><td>{{concern .Concern}}</td><td>{{plain .What}}</td><td>{{used .Services}}</td><td class="n">{{.Dependencies}}</td><td class="n">{{.Connections}}</td><td>{{plain .Why}}</td><td>{{.Decision}}</td></tr>
{{end}}</table>{{if .More}}<p>{{.More}} more are in the JSON export.</p>{{end}}{{end}}
{{if .Watched}}<h2>Watched long enough?</h2><p>{{plain (index .Watched 0).Words}}</p>
<table><tr><th>Policy</th><th>Days</th><th>Dependencies</th><th>Seen once</th><th>Month-end</th><th>Unseen (95 %)</th><th>Coverage</th><th>At risk</th></tr>
{{range .Watched}}<tr><td>{{plain (whose .Policy)}}</td><td class="n">{{.Days}}</td><td class="n">{{.Observed}}</td><td class="n">{{.Once}}</td><td class="n">{{.Monthly}}</td><td>{{interval .}}</td><td class="n">{{share .Coverage}}</td><td class="n">{{printf "%.1f" .AtRisk}}</td></tr>
{{end}}</table>{{end}}
{{if .Spread}}<h2>Spread of a compromise</h2><p>{{plain .Spread}}</p>{{end}}
<h2>Always allowed</h2><ul><li>{{.Stateful}}</li>{{range .Set.AlwaysAllowed}}<li><b>{{.Name}}</b> ({{.Direction}}) {{services .Services}} {{plain .Why}}</li>{{end}}
{{range .Set.BreakGlass}}<li>break-glass: {{.}} may reach every protected workload</li>{{end}}</ul>
<p class="muted">Selectors meant {{.Members}} workloads when this was made.</p>
</body></html>
`
