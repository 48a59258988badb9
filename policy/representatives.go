package policy

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// Example is a party that stands for all those some sets cannot tell from it.
type Example struct {
	Name  string // how a person would call them
	Party Party
	Count int // parties it stands for; 0 when it was made up
}

// maxMadeUp bounds the parties made up for one selector.
const maxMadeUp = 64

// Examples returns one party for each kind that the sets together can tell apart
// among parties, sorted by name. With no parties it makes them up: workloads as
// each selector asks for, one address of each network and prefix, the internet
// and a workload without labels. Made-up ones miss workloads that several
// selectors select at once; an inventory does not.
func Examples(parties []Party, sets ...*Set) []Example {
	var all []Example
	for _, p := range parties {
		all = append(all, Example{partyName(&p), p, 1})
	}
	for _, s := range sets {
		if len(parties) == 0 {
			all = append(all, madeUp(s)...)
		}
		all = append(all, outsiders(s, parties)...)
	}
	vocabularies := make([]*vocabulary, len(sets))
	for i, s := range sets {
		vocabularies[i] = newVocabulary(s)
	}
	at := map[string]int{}
	var out []Example
	for _, x := range all {
		var key []byte
		for _, v := range vocabularies {
			key = append(v.appendKey(key, &x.Party), '|')
		}
		if i, ok := at[string(key)]; ok {
			out[i].Count += x.Count
			continue
		}
		at[string(key)] = len(out)
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b Example) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// partyName is the labels a person goes by, else the address.
func partyName(p *Party) string {
	if l := labelWords(p.Labels); l != "" {
		return l
	}
	if p.Workload {
		return "unlabelled workload"
	}
	return p.Addr.String()
}

// labelWords gives "web of shop (prod)", with other labels as key=value behind.
func labelWords(l topology.Labels) string {
	role, app, env := l[topology.LabelRole], l[topology.LabelApp], l[topology.LabelEnv]
	words := cmp.Or(role, app)
	if role != "" && app != "" && role != app {
		words = role + " of " + app
	}
	switch {
	case env != "" && words == "":
		words = "env=" + env
	case env != "":
		words = strings.TrimSpace(words + " (" + env + ")")
	}
	for _, k := range l.Keys() {
		if k != topology.LabelRole && k != topology.LabelApp && k != topology.LabelEnv && k != topology.LabelLoc {
			words = strings.TrimSpace(words + " " + k + "=" + l[k])
		}
	}
	return words
}

func madeUp(s *Set) []Example {
	out := []Example{{Name: "unlabelled workload", Party: Party{Workload: true}}}
	seen := map[string]bool{}
	eachSelector(s, func(sel Selector) {
		for _, l := range expand(sel) {
			if text := l.String(); !seen[text] && len(l) > 0 {
				seen[text] = true
				p := Party{Workload: true, Labels: l}
				out = append(out, Example{Name: partyName(&p), Party: p})
			}
		}
	})
	return out
}

// expand gives the label sets a selector asks for, at most maxMadeUp.
func expand(s Selector) []topology.Labels {
	out := []topology.Labels{{}}
	for _, r := range s {
		values := slices.DeleteFunc(slices.Clone(r.In), func(v string) bool { return slices.Contains(r.Not, v) })
		if len(r.In) == 0 {
			values = []string{"other"}
			for slices.Contains(r.Not, values[0]) {
				values[0] += "-than-that"
			}
		}
		var next []topology.Labels
		for _, l := range out {
			for _, v := range values {
				if len(next) < maxMadeUp {
					next = append(next, l.Merge(topology.Labels{r.Key: v}))
				}
			}
		}
		out = next
	}
	return out
}

// outsiders are addresses of the networks, prefixes and domains a set names. An
// address that one of the parties has is no stranger's.
func outsiders(s *Set, parties []Party) []Example {
	internet := Internet()
	known := make(map[netip.Addr]bool, len(parties))
	for i := range parties {
		known[parties[i].Addr.Unmap()] = true
	}
	out := []Example{{Name: "the internet", Party: Party{Addr: internet.Prefixes[len(internet.Prefixes)/2].Addr()}}}
	for name := range usedNetworks(s) {
		n := s.Network(name)
		if n == nil || name == InternetName {
			continue
		}
		for _, p := range n.Prefixes {
			out = append(out, Example{Name: "network " + name, Party: Party{Addr: p.Addr()}})
		}
		for _, d := range n.Domains {
			out = append(out, Example{Name: "network " + name, Party: Party{Addr: internet.Prefixes[0].Addr(), Domains: []string{strings.Replace(d, "*", "any", 1)}}})
		}
	}
	eachPeer(s, func(pe *Peer) {
		switch {
		case pe.Prefix.IsValid() && pe.Prefix.IsSingleIP() && known[pe.Prefix.Addr()]:
		case pe.Prefix.IsValid():
			out = append(out, Example{Name: pe.Prefix.String(), Party: Party{Addr: pe.Prefix.Masked().Addr()}})
		case pe.Domain != "":
			out = append(out, Example{Name: pe.Domain, Party: Party{Addr: internet.Prefixes[0].Addr(), Domains: []string{strings.Replace(pe.Domain, "*", "any", 1)}}})
		}
	})
	for _, p := range s.BreakGlass {
		out = append(out, Example{Name: fmt.Sprintf("break-glass %s", p), Party: Party{Addr: p.Addr()}})
	}
	slices.SortStableFunc(out, func(a, b Example) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
