package view

import (
	"cmp"
	"slices"
)

// ProposalGroup is all proposals of one label.
type ProposalGroup struct {
	Key      string     `json:"key"`
	Value    string     `json:"value"`
	Nodes    int        `json:"nodes"`
	Mean     float64    `json:"mean"`     // confidence, 0..1
	Least    float64    `json:"least"`    // confidence of the least certain one
	Sure     int        `json:"sure"`     // how many have at least the confidence asked about
	Examples []Proposal `json:"examples"` // the least certain ones: those to look at; at most 5
}

// GroupProposals adds proposals up by label, for one key or all (""), labels of
// most nodes first. atLeast is the confidence that counts as sure.
func (x *Index) GroupProposals(key string, atLeast float64) []ProposalGroup {
	at := map[[2]string]int{}
	out := []ProposalGroup{}
	var members [][]int32
	for i := range x.Map.Proposals {
		p := &x.Map.Proposals[i]
		if key != "" && p.Key != key {
			continue
		}
		k, ok := at[[2]string{p.Key, p.Value}]
		if !ok {
			k = len(out)
			at[[2]string{p.Key, p.Value}] = k
			out = append(out, ProposalGroup{Key: p.Key, Value: p.Value, Least: 1})
			members = append(members, nil)
		}
		g := &out[k]
		g.Nodes++
		g.Mean += p.Confidence
		g.Least = min(g.Least, p.Confidence)
		if p.Confidence >= atLeast {
			g.Sure++
		}
		members[k] = append(members[k], int32(i))
	}
	for k := range out {
		out[k].Mean /= float64(out[k].Nodes)
		slices.SortStableFunc(members[k], func(a, b int32) int {
			return cmp.Compare(x.Map.Proposals[a].Confidence, x.Map.Proposals[b].Confidence)
		})
		for _, i := range members[k][:min(5, len(members[k]))] {
			out[k].Examples = append(out[k].Examples, x.Proposal(i))
		}
	}
	slices.SortFunc(out, func(a, b ProposalGroup) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
	return out
}

// ProposalsOf returns the proposals of one label with at least that confidence.
func (x *Index) ProposalsOf(key, value string, atLeast float64) []Proposal {
	var out []Proposal
	for i := range x.Map.Proposals {
		if p := &x.Map.Proposals[i]; p.Key == key && p.Value == value && p.Confidence >= atLeast {
			out = append(out, x.Proposal(int32(i)))
		}
	}
	return out
}
