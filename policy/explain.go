package policy

import (
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// Explanation is how a verdict came about, end by end and rule by rule.
type Explanation struct {
	Verdict Verdict        `json:"verdict"`
	Ends    []EndExplained `json:"ends"` // the server's, then the client's
}

// EndExplained is the judgement at one end.
type EndExplained struct {
	Direction Direction       `json:"direction"` // Inbound: the server's end
	Protected []string        `json:"protected"` // policies past draft that protect it
	Drafts    []string        `json:"drafts"`    // policies that would, were they not in draft
	Verdict   Verdict         `json:"verdict"`
	Rules     []RuleExplained `json:"rules"` // of the protecting policies
}

// RuleExplained says whether a rule matches, and if not why not.
type RuleExplained struct {
	Policy  string `json:"policy"`
	Rule    string `json:"rule"`
	Action  Action `json:"action"`
	Matches bool   `json:"matches"`
	Why     string `json:"why"`
}

// Explain evaluates one flow and says what every rule that could decide made of
// it. It is for people: it walks everything.
func Explain(set *Set, f Facts) *Explanation {
	out := &Explanation{Verdict: Evaluate(set, f)}
	for _, side := range []Direction{Inbound, Outbound} {
		self := &f.Server
		if side == Outbound {
			self = &f.Client
		}
		judged := judgeEnd(set, &f, side)
		x := EndExplained{Direction: side, Verdict: judged.Verdict}
		if !judged.protected {
			x.Verdict = Verdict{Outcome: Untouched, Why: "no policy past draft protects it"}
		}
		for i := range set.Policies {
			p := &set.Policies[i]
			if !self.Workload || !p.Scope.Matches(self.Labels) {
				continue
			}
			if p.Stage == Draft {
				x.Drafts = append(x.Drafts, p.Name)
				continue
			}
			x.Protected = append(x.Protected, p.Name)
			for j := range p.Rules {
				x.Rules = append(x.Rules, explainRule(set, p, &p.Rules[j], &f, side))
			}
		}
		out.Ends = append(out.Ends, x)
	}
	return out
}

func explainRule(set *Set, p *Policy, r *Rule, f *Facts, side Direction) RuleExplained {
	x := RuleExplained{Policy: p.Name, Rule: r.Name, Action: r.Action}
	process := f.Process
	if side == Outbound {
		process = f.ClientProcess
	}
	var not []string
	if !anyPeer(set, r.From, &f.Client) {
		not = append(not, fmt.Sprintf("the client is not %s", peerWords(r.From)))
	}
	if !anyPeer(set, r.To, &f.Server) {
		not = append(not, fmt.Sprintf("the server is not %s", peerWords(r.To)))
	}
	if !anyService(r.Services, f.Service) {
		not = append(not, fmt.Sprintf("%s is not %s", f.Service, strings.Join(ServiceStrings(r.Services), " or ")))
	}
	if r.Process != "" && r.Process != process {
		not = append(not, fmt.Sprintf("the process is not known to be %s", r.Process))
	}
	x.Matches = len(not) == 0
	x.Why = "it matches"
	if !x.Matches {
		x.Why = strings.Join(not, "; ")
	}
	return x
}

func peerWords(peers []Peer) string {
	words := make([]string, len(peers))
	for i, p := range peers {
		words[i] = p.String()
	}
	return strings.Join(words, " or ")
}

// String gives the explanation as lines of text, matching rules first.
func (x *Explanation) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", x.Verdict.Outcome, x.Verdict.Why)
	for _, e := range x.Ends {
		name := "server's end (inbound)"
		if e.Direction == Outbound {
			name = "client's end (outbound)"
		}
		fmt.Fprintf(&b, "\n%s: %s, %s\n", name, e.Verdict.Outcome, e.Verdict.Why)
		if len(e.Protected) > 0 {
			fmt.Fprintf(&b, "  protected by %s\n", strings.Join(e.Protected, ", "))
		}
		if len(e.Drafts) > 0 {
			fmt.Fprintf(&b, "  in the scope of drafts, which have no effect: %s\n", strings.Join(e.Drafts, ", "))
		}
		for _, matches := range []bool{true, false} {
			for _, r := range e.Rules {
				if r.Matches == matches {
					fmt.Fprintf(&b, "  %s/%s (%s): %s\n", r.Policy, r.Rule, r.Action, r.Why)
				}
			}
		}
	}
	return b.String()
}

// ParseFlow reads "CLIENT SERVER SERVICE", as policy explain takes it, with party
// turning a word into who it is.
func ParseFlow(words []string, party func(string) (Party, error)) (Facts, error) {
	if len(words) != 3 {
		return Facts{}, fmt.Errorf("a flow is CLIENT SERVER SERVICE, got %d words", len(words))
	}
	var f Facts
	var err error
	if f.Client, err = party(words[0]); err != nil {
		return Facts{}, err
	}
	if f.Server, err = party(words[1]); err != nil {
		return Facts{}, err
	}
	f.Service, err = flow.ParseService(words[2])
	return f, err
}
