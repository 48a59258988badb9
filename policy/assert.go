package policy

import (
	"bufio"
	"bytes"
	"fmt"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// Assertion is one line of a policy test: who must or must not reach whom.
type Assertion struct {
	Line     int // in its file
	Text     string
	From, To Peer
	bareFrom string // "dev": a value of any label
	bareTo   string
	Services []Service // empty: any service
	Reaches  bool
}

// Failure is an assertion that does not hold, with the first counter-example.
type Failure struct {
	Assertion Assertion `json:"assertion"`
	Why       string    `json:"why"`
}

// ParseAssertions reads a test file: one assertion a line, "#" begins a comment.
//
//	role=web,app=shop reaches role=db on tcp/5432
//	dev cannot reach prod
//	any cannot reach app=payments on ssh
//	internet reaches role=lb on https
//	network:partners cannot reach 10.0.0.0/8
//
// A side is labels joined by commas, one bare word (a value of any label),
// "workloads", any, internet, network:NAME, or an address or prefix. Without "on",
// "cannot reach" means no service at all and "reaches" some service.
func ParseAssertions(data []byte, file string) ([]Assertion, error) {
	var out []Assertion
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		a, err := parseAssertion(text)
		if err != nil {
			return nil, &strictyaml.Error{File: file, Line: n, Msg: err.Error()}
		}
		a.Line, a.Text = n, text
		out = append(out, a)
	}
	return out, lines.Err()
}

func parseAssertion(text string) (a Assertion, err error) {
	words := strings.Fields(text)
	rest := words
	switch {
	case len(words) >= 3 && words[1] == "reaches":
		a.Reaches, rest = true, words[2:]
	case len(words) >= 4 && words[1] == "cannot" && words[2] == "reach":
		rest = words[3:]
	default:
		return a, fmt.Errorf("want FROM reaches TO or FROM cannot reach TO, then optionally: on SERVICE …")
	}
	if a.From, a.bareFrom, err = parseSide(words[0]); err != nil {
		return a, err
	}
	if a.To, a.bareTo, err = parseSide(rest[0]); err != nil {
		return a, err
	}
	if len(rest) == 1 {
		return a, nil
	}
	if rest[1] != "on" || len(rest) == 2 {
		return a, fmt.Errorf("after %q want: on SERVICE …", rest[0])
	}
	for _, w := range rest[2:] {
		list, err := ParseService(strings.TrimSuffix(w, ","))
		if err != nil {
			return a, err
		}
		a.Services = append(a.Services, list...)
	}
	return a, nil
}

func parseSide(word string) (pe Peer, bare string, err error) {
	if name, ok := strings.CutPrefix(word, "network:"); ok {
		return Peer{Network: name}, "", nil
	}
	if prefix, err := parsePrefix(word); err == nil {
		return Peer{Prefix: prefix}, "", nil
	}
	switch {
	case word == "any":
		return Peer{Any: true}, "", nil
	case word == "workloads":
		return Peer{Selector: Selector{}}, "", nil
	case word == InternetName:
		return Peer{Network: InternetName}, "", nil
	case !strings.Contains(word, "="):
		return Peer{}, word, nil
	}
	labels := topology.Labels{}
	for _, part := range strings.Split(word, ",") {
		k, v, ok := strings.Cut(part, "=")
		if !ok || k == "" || v == "" {
			return Peer{}, "", fmt.Errorf("%q: want labels such as role=web,app=shop", word)
		}
		labels[k] = v
	}
	return Peer{Selector: Select(labels)}, "", nil
}

// RunAssertions judges every assertion with all policies enforced. workloads are
// the inventory's; nil makes them up from the selectors (see Examples). An
// assertion about nobody fails: it tests nothing.
func RunAssertions(set *Set, assertions []Assertion, workloads []Party) []Failure {
	enforced := set.AtStage(Enforce)
	r := &assertionRun{set: enforced, examples: Examples(workloads, enforced), e: NewEvaluator(enforced)}
	var out []Failure
	for _, a := range assertions {
		if why := r.run(&a); why != "" {
			out = append(out, Failure{a, why})
		}
	}
	return out
}

type assertionRun struct {
	set      *Set
	examples []Example
	e        *Evaluator
}

func (r *assertionRun) run(a *Assertion) string {
	froms, tos := r.side(&a.From, a.bareFrom), r.side(&a.To, a.bareTo)
	switch {
	case len(froms) == 0:
		return "nobody is on the left-hand side"
	case len(tos) == 0:
		return "nobody is on the right-hand side"
	}
	tested := false
	for _, from := range froms {
		for _, to := range tos {
			if !from.Party.Workload && !to.Party.Workload {
				continue // no policy can say anything about strangers
			}
			tested = true
			if why := r.pair(a, from, to); why != "" {
				return why
			}
		}
	}
	if !tested {
		return "neither side is a workload"
	}
	return ""
}

// pair judges every service the assertion speaks of; a verdict against it is the
// counter-example. What is always allowed counts for neither side.
func (r *assertionRun) pair(a *Assertion, from, to *Example) string {
	client, server := r.e.Identify(&from.Party), r.e.Identify(&to.Party)
	tables := *r.e.pair(client, server)
	if tables == (pair{}) {
		if a.Reaches {
			return ""
		}
		return fmt.Sprintf("%s → %s is untouched: no policy protects either", from.Name, to.Name)
	}
	some := false
	for _, run := range commonRanges(tables, pair{}) {
		for _, s := range run.services() {
			at, ok := firstShared(s, a.Services)
			if !ok {
				continue
			}
			v := r.e.Judge(client, server, at, "", "")
			passes := v.Outcome == Allowed
			some = some || passes && v.Policy != ""
			byException := passes && v.Policy == "" && v.Rule != ""
			if passes != a.Reaches && !byException && (!a.Reaches || len(a.Services) > 0) {
				return fmt.Sprintf("%s → %s on %s is %s: %s", from.Name, to.Name, at, v.Outcome, v.Why)
			}
		}
	}
	if a.Reaches && len(a.Services) == 0 && !some {
		return fmt.Sprintf("%s → %s: no service is allowed", from.Name, to.Name)
	}
	return ""
}

// firstShared returns the first service that s and one of list have in common; an
// empty list is every service.
func firstShared(s Service, list []Service) (flow.Service, bool) {
	if len(list) == 0 {
		return flow.Service{Proto: s.Proto, Port: s.From}, true
	}
	for _, l := range list {
		if from, to := max(s.From, l.From), min(s.To, l.To); l.Proto == 0 || (l.Proto == s.Proto && from <= to) {
			if l.Proto == 0 {
				from = s.From
			}
			return flow.Service{Proto: s.Proto, Port: from}, true
		}
	}
	return flow.Service{}, false
}

func (r *assertionRun) side(pe *Peer, bare string) (out []*Example) {
	for i := range r.examples {
		x := &r.examples[i]
		if bare != "" {
			for _, v := range x.Party.Labels {
				if v == bare && x.Party.Workload {
					out = append(out, x)
					break
				}
			}
			continue
		}
		if pe.Matches(&x.Party, r.set.Network) {
			out = append(out, x)
		}
	}
	if len(out) == 0 && pe.Prefix.IsValid() {
		out = append(out, &Example{Name: pe.Prefix.String(), Party: Party{Addr: pe.Prefix.Addr()}})
	}
	return out
}
