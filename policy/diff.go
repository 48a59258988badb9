package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// Change says that a kind of traffic is judged otherwise by a new set.
type Change struct {
	Before   Outcome   `json:"before"`
	After    Outcome   `json:"after"`
	From     []string  `json:"from"` // names of Examples
	To       []string  `json:"to"`
	Services []Service `json:"services"`
}

// Opens reports whether traffic passes that did not.
func (c Change) Opens() bool { return severity(c.After) < severity(c.Before) }

// Closes reports whether traffic is blocked, or would be, that was not.
func (c Change) Closes() bool { return severity(c.After) > severity(c.Before) }

// String gives the change in words.
func (c Change) String() string {
	verb := map[bool]string{true: "can newly reach", false: "can no longer reach"}[c.Opens()]
	switch {
	case c.Before == WouldBlock && c.After == Blocked:
		verb = "is now blocked, no longer only logged, towards"
	case c.Before == Blocked && c.After == WouldBlock:
		verb = "is now only logged, no longer blocked, towards"
	case c.After == WouldBlock:
		verb = "is now logged as a violation towards"
	case c.Before == WouldBlock:
		verb = "is no longer logged as a violation towards"
	}
	return fmt.Sprintf("%s %s %s on %s", wordList(c.From), verb, wordList(c.To), serviceListWords(c.Services))
}

// Diff says who can reach what otherwise under new than under old, whatever the
// documents look like: two ways to write one policy do not differ. parties are the
// workloads to say it about; nil makes them up from the selectors (see Examples).
// Changes between allowed and untouched are left out: both pass.
func Diff(old, new *Set, parties []Party) []Change {
	examples := Examples(parties, old, new)
	a, b := NewEvaluator(old), NewEvaluator(new)
	cells := map[shift][]Cell{}
	lists := serviceLists{at: map[string]int32{}}
	newSuspects(old, new, examples).each(func(c, s int) {
		for k, list := range shifts(a, b, &examples[c].Party, &examples[s].Party) {
			cells[k] = append(cells[k], Cell{int32(c), int32(s), lists.number(list)})
		}
	})
	var out []Change
	for k, list := range cells {
		for _, cover := range Covers(list) {
			for _, n := range cover[ByService] {
				out = append(out, Change{Before: k.before, After: k.after, From: exampleNames(examples, cover[ByFrom]),
					To: exampleNames(examples, cover[ByTo]), Services: lists.lists[n]})
			}
		}
	}
	slices.SortFunc(out, compareChanges)
	return out
}

// shift is a change of outcome; untouched counts as allowed.
type shift struct{ before, after Outcome }

// shifts compares two evaluators over all services between two parties.
func shifts(a, b *Evaluator, client, server *Party) map[shift][]Service {
	aClient, aServer, bClient, bServer := a.Identify(client), a.Identify(server), b.Identify(client), b.Identify(server)
	var out map[shift][]Service
	for _, r := range commonRanges(*a.pair(aClient, aServer), *b.pair(bClient, bServer)) {
		k := shift{passing(a.Judge(aClient, aServer, r.first(), "", "")), passing(b.Judge(bClient, bServer, r.first(), "", ""))}
		if k.before == k.after {
			continue
		}
		if out == nil {
			out = map[shift][]Service{}
		}
		out[k] = append(out[k], r.services()...)
	}
	for k, list := range out {
		out[k] = united(list)
		if len(out[k]) == 0 {
			delete(out, k)
		}
	}
	return out
}

func passing(v Verdict) Outcome {
	if v.Outcome == Untouched {
		return Allowed
	}
	return v.Outcome
}

func compareChanges(a, b Change) int {
	return cmp.Or(boolRank(a.Opens())-boolRank(b.Opens()), cmp.Compare(b.After, a.After), cmp.Compare(a.Before, b.Before),
		slices.Compare(a.To, b.To), slices.Compare(a.From, b.From), cmp.Compare(fmt.Sprint(a.Services), fmt.Sprint(b.Services)))
}

func boolRank(first bool) int {
	if first {
		return 0
	}
	return 1
}

func exampleNames(examples []Example, numbers []int32) []string {
	var out []string
	for _, n := range numbers {
		out = append(out, examples[n].Name)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// wordList joins names, a few of them.
func wordList(names []string) string {
	const shown = 6
	if len(names) > shown+1 {
		names = append(slices.Clone(names[:shown]), fmt.Sprintf("%d more", len(names)-shown))
	}
	if len(names) == 1 {
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// serviceRange is a run of service keys (proto<<16|port) judged alike.
type serviceRange struct{ from, to uint32 }

func (r serviceRange) first() flow.Service {
	return flow.Service{Proto: uint8(r.from >> 16), Port: uint16(r.from)}
}

// protocols are those a range of all services is told in.
var protocols = []uint8{flow.ICMP, flow.TCP, flow.UDP, flow.GRE, flow.ICMPv6, flow.SCTP}

// services splits a range at protocol borders.
func (r serviceRange) services() (out []Service) {
	for _, proto := range protocols {
		from, to := max(r.from, uint32(proto)<<16), min(r.to, uint32(proto)<<16|0xffff)
		if from <= to {
			out = append(out, Service{Proto: proto, From: uint16(from), To: uint16(to)})
		}
	}
	return out
}

// commonRanges cuts the services where either pair's verdict may change.
func commonRanges(a, b pair) []serviceRange {
	var starts []uint32
	for _, t := range []*table{a.in, a.out, b.in, b.out} {
		if t != nil {
			starts = append(starts, t.starts...)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	out := make([]serviceRange, len(starts))
	for i, s := range starts {
		out[i] = serviceRange{s, 1<<24 - 1}
		if i+1 < len(starts) {
			out[i].to = starts[i+1] - 1
		}
	}
	return out
}

// united sorts ranges and joins those that touch.
func united(list []Service) []Service {
	list = sortedServices(list)
	out := list[:0]
	for _, s := range list {
		if k := len(out); k > 0 && out[k-1].Proto == s.Proto && out[k-1].To != 65535 && out[k-1].To+1 >= s.From {
			out[k-1].To = max(out[k-1].To, s.To)
			continue
		}
		out = append(out, s)
	}
	return out
}

// serviceListWords says what is there, or what is not when that is shorter.
func serviceListWords(list []Service) string {
	var missing []Service
	for _, proto := range protocols {
		next := 0
		for _, s := range list {
			if s.Proto != proto {
				continue
			}
			if int(s.From) > next {
				missing = append(missing, Service{Proto: proto, From: uint16(next), To: s.From - 1})
			}
			next = int(s.To) + 1
		}
		if next <= 65535 {
			missing = append(missing, Service{Proto: proto, From: uint16(next), To: 65535})
		}
	}
	var always []Service // the default list passes in any case and is no news
	for _, x := range DefaultAlwaysAllowed() {
		always = append(always, x.Services...)
	}
	missing = slices.DeleteFunc(missing, func(s Service) bool { return servicesCover(always, []Service{s}) })
	switch {
	case len(missing) == 0:
		return "every service"
	case len(missing) < len(list):
		return "every service but " + strings.Join(ServiceStrings(missing), ", ")
	}
	return strings.Join(ServiceStrings(list), ", ")
}

// serviceLists numbers lists of services for Cells.
type serviceLists struct {
	lists [][]Service
	at    map[string]int32
}

func (l *serviceLists) number(list []Service) int32 {
	key := fmt.Sprint(list)
	i, ok := l.at[key]
	if !ok {
		i = int32(len(l.lists))
		l.at[key] = i
		l.lists = append(l.lists, list)
	}
	return i
}
