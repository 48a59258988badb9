package view

import (
	"cmp"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// Members returns the nodes a box id stands for under a grouping, in order; nil
// when there is no such box. A plain node id works too.
func (x *Index) Members(id string, keys []string) []int32 {
	if n, ok := x.byID[strings.TrimPrefix(id, idNode)]; ok {
		return []int32{n}
	}
	if strings.HasPrefix(id, idAlike) {
		return x.membersAlike(id, keys)
	}
	if whole, ok := strings.CutPrefix(id, idMore); ok {
		return x.membersMore(whole, keys)
	}
	outer, role, split := strings.Cut(id, idRole)
	var out []int32
	for n := range x.Map.Graph.Nodes {
		if x.groupOf(int32(n), keys).id != outer {
			continue
		}
		if !split || x.roleID(x.role(int32(n))) == role {
			out = append(out, int32(n))
		}
	}
	return out
}

// membersMore answers for a box of what the budget left out with the whole that it
// is part of: a group, a role, or a zone.
func (x *Index) membersMore(whole string, keys []string) []int32 {
	if whole != zoneOutside && whole != zoneInfra && !strings.HasPrefix(whole, zoneEnv) {
		return x.Members(whole, keys)
	}
	var out []int32
	for n := range x.Map.Graph.Nodes {
		if x.groupOf(int32(n), keys).zone == whole {
			out = append(out, int32(n))
		}
	}
	return out
}

func (x *Index) membersAlike(id string, keys []string) []int32 {
	classes := x.classes(keys)
	var out []int32
	for n := range x.Map.Graph.Nodes {
		if c := classes[x.groupOf(int32(n), keys).id]; c != nil && c.id == id {
			out = append(out, int32(n))
		}
	}
	return out
}

// Path returns the ids of the boxes around node n, outermost first, the node's
// own last.
func (x *Index) Path(n int32, keys []string) []string {
	g := x.groupOf(n, keys)
	own := idNode + x.Map.Graph.Nodes[n].ID
	switch {
	case g.id == own:
		return []string{own}
	case g.kind == KindInfrastructure, g.kind == KindDomains:
		return []string{g.id, own}
	}
	return []string{g.id, g.id + idRole + x.roleID(x.role(n)), own}
}

// Hit is something a search found.
type Hit struct {
	ID   string   `json:"id"`
	Kind Kind     `json:"kind"`
	Name string   `json:"name"`
	Why  string   `json:"why"`  // what matched
	Path []string `json:"path"` // boxes to open to see it, outermost first, itself last
}

// Search finds applications, roles and nodes whose name, id, address or label
// contains text; the best matches first, at most limit.
func (x *Index) Search(text string, keys []string, limit int) []Hit {
	text = strings.ToLower(strings.TrimSpace(text))
	hits := []Hit{}
	if text == "" {
		return hits
	}
	for i := range x.Map.Applications {
		if a := &x.Map.Applications[i]; len(hits) < limit && len(keys) == 0 && contains(a.Name, text) {
			hits = append(hits, applicationHit(a))
		}
	}
	// Whole matches before partial ones: two passes keep the order stable.
	for _, exact := range []bool{true, false} {
		for n := 0; n < len(x.Map.Graph.Nodes) && len(hits) < limit; n++ {
			why, whole := x.matches(int32(n), text)
			if why == "" || whole != exact {
				continue
			}
			node := &x.Map.Graph.Nodes[n]
			hits = append(hits, Hit{ID: idNode + node.ID, Kind: kindOf(node), Name: nameOf(node), Why: why, Path: x.Path(int32(n), keys)})
		}
	}
	return hits
}

// applicationHit points at an application's box; shared infrastructure has one per
// kind.
func applicationHit(a *topology.Application) Hit {
	h := Hit{ID: idApp + escape(a.ID), Kind: KindApplication, Name: a.Name, Why: strings.TrimSpace("application " + a.Env)}
	if a.Infrastructure != "" {
		h.ID, h.Kind, h.Why = idInfra+escape(a.Infrastructure), KindInfrastructure, "shared infrastructure"
	}
	h.Path = []string{h.ID}
	return h
}

// matches says what of node n contains text, "" for nothing, and whether all of
// it does.
func (x *Index) matches(n int32, text string) (why string, whole bool) {
	node := &x.Map.Graph.Nodes[n]
	if name := nameOf(node); contains(name, text) {
		return "name", len(name) == len(text)
	}
	if contains(node.ID, text) {
		return "id " + node.ID, len(node.ID) == len(text)
	}
	for _, a := range node.Addrs {
		if s := a.String(); strings.HasPrefix(s, text) {
			return "address " + s, s == text
		}
	}
	for _, s := range node.Names {
		if contains(s, text) {
			return "known as " + s, len(s) == len(text)
		}
	}
	labels := x.labels(n)
	for _, k := range labels.Keys() {
		if contains(labels[k], text) || contains(k+"="+labels[k], text) {
			return "label " + k + "=" + labels[k], false
		}
	}
	return "", false
}

func contains(s, lower string) bool { return strings.Contains(strings.ToLower(s), lower) }

// Nodes returns the nodes behind a box id, for queries about raw flows.
func (x *Index) Nodes(id string, keys []string) []topology.Node {
	if id == "" {
		return nil
	}
	members := x.Members(id, keys)
	out := make([]topology.Node, len(members))
	for i, n := range members {
		out[i] = x.Map.Graph.Nodes[n]
	}
	return out
}

// Clients counts the nodes that use n, or that n uses when nobody does: scanners and
// collectors are shared the other way round.
func (x *Index) Clients(n int32) int {
	seen := map[int32]bool{}
	for _, i := range x.in(n) {
		seen[x.Map.Graph.Deps[i].Client] = true
	}
	if len(seen) == 0 {
		for _, d := range x.out(n) {
			seen[d.Server] = true
		}
	}
	return len(seen)
}

// ListProposals returns a page of the label proposals for one key ("" for every
// key), most certain first, and how many there are.
func (x *Index) ListProposals(key string, skip, limit int) ([]Proposal, int) {
	var which []int32
	for i := range x.Map.Proposals {
		if key == "" || x.Map.Proposals[i].Key == key {
			which = append(which, int32(i))
		}
	}
	slices.SortStableFunc(which, func(a, b int32) int {
		return cmp.Compare(x.Map.Proposals[b].Confidence, x.Map.Proposals[a].Confidence)
	})
	total := len(which)
	which = which[min(skip, total):min(skip+limit, total)]
	out := make([]Proposal, len(which))
	for i, p := range which {
		out[i] = x.Proposal(p)
	}
	return out, total
}
