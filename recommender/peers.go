package recommender

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// place is one end of a rule before it is written down: a group, a whole
// application, every workload, or a single node.
type place struct {
	every bool
	groupKey
	wholeApp bool
}

// id tells places apart in hashes that must not change between versions.
func (p place) id() string {
	return fmt.Sprintf("%t|%t|%q|%q|%q|%q", p.every, p.wholeApp, p.node, p.app, p.env, p.role)
}

func (p place) compare(o place) int {
	return cmp.Or(boolCompare(o.every, p.every), p.groupKey.compare(o.groupKey))
}

func boolCompare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// placeOf is where node i stands at a level.
func (e *estate) placeOf(i int32, level policy.Level) place {
	g := &e.groups[e.groupOf[i]]
	switch {
	case g.app < 0:
		return place{groupKey: g.groupKey}
	case level == policy.WorkloadLevel:
		return place{groupKey: groupKey{node: e.m.Graph.Nodes[i].ID}}
	case level == policy.Ringfence:
		return place{groupKey: groupKey{appKey: g.appKey}, wholeApp: true}
	}
	return place{groupKey: g.groupKey}
}

// peers writes places as few peers as are exact: applications whose roles are all
// there lose the role, applications with the same roles share a selector.
func (e *estate) peers(places []place) []policy.Peer {
	var out []policy.Peer
	roles := map[appKey][]string{}
	for _, p := range places {
		switch {
		case p.every:
			return []policy.Peer{{Selector: policy.Selector{}}}
		case p.node != "":
			out = append(out, e.nodePeers(p.node)...)
		case p.wholeApp:
			roles[p.appKey] = nil
		default:
			roles[p.appKey] = append(roles[p.appKey], p.role)
		}
	}
	for k, list := range roles {
		out = append(out, e.unspeakable(k, list, roles)...)
	}
	return append(e.selectors(roles), out...)
}

// unspeakable takes out of roles what no selector can say exactly, because it can
// ask for a label but not for its absence, and gives it by address.
func (e *estate) unspeakable(k appKey, list []string, roles map[appKey][]string) (out []policy.Peer) {
	byAddress := func(role string) {
		i, ok := slices.BinarySearchFunc(e.groups, groupKey{role: role, appKey: k}, func(g group, k groupKey) int { return g.groupKey.compare(k) })
		if !ok {
			return
		}
		for _, n := range e.groups[i].nodes {
			out = append(out, e.nodePeers(e.m.Graph.Nodes[n].ID)...)
		}
	}
	if k.env == "" && e.envsOf[k.app] > 1 {
		if list == nil {
			list = e.rolesIn(k)
		}
		for _, role := range list {
			byAddress(role)
		}
		delete(roles, k)
		return out
	}
	if at := slices.Index(list, ""); at >= 0 && len(list) < e.rolesOf[k] {
		byAddress("")
		roles[k] = slices.Delete(slices.Clone(list), at, at+1)
		if len(roles[k]) == 0 {
			delete(roles, k)
		}
	}
	return out
}

func (e *estate) rolesIn(k appKey) (roles []string) {
	for i := range e.groups {
		if g := &e.groups[i]; g.app >= 0 && g.appKey == k {
			roles = append(roles, g.role)
		}
	}
	return roles
}

// block is a selector in the making: every role (nil: all) in every application
// in every environment.
type block struct{ roles, apps, envs []string }

func (e *estate) selectors(roles map[appKey][]string) []policy.Peer {
	var blocks []block
	for _, k := range sortedApps(roles) {
		list := roles[k]
		slices.Sort(list)
		if n := e.rolesOf[k]; len(list) == n && n > 1 || slices.Equal(list, []string{""}) {
			list = nil
		}
		blocks = append(blocks, block{list, []string{k.app}, []string{k.env}})
	}
	blocks = uniteBlocks(blocks, func(b block) string { return strings.Join(b.roles, "\x00") + "\x01" + strings.Join(b.envs, "\x00") },
		func(b *block, o block) { b.apps = append(b.apps, o.apps...) })
	blocks = uniteBlocks(blocks, func(b block) string { return strings.Join(b.roles, "\x00") + "\x01" + strings.Join(b.apps, "\x00") },
		func(b *block, o block) { b.envs = append(b.envs, o.envs...) })
	var out []policy.Peer
	for _, b := range blocks {
		s := policy.Selector{}
		for _, r := range []policy.Requirement{{Key: topology.LabelRole, In: b.roles}, {Key: topology.LabelApp, In: b.apps}, {Key: topology.LabelEnv, In: b.envs}} {
			if r.In = slices.DeleteFunc(r.In, func(v string) bool { return v == "" }); len(r.In) > 0 {
				s = append(s, r)
			}
		}
		out = append(out, policy.Peer{Selector: s})
	}
	return out
}

func uniteBlocks(blocks []block, key func(block) string, join func(*block, block)) []block {
	at := map[string]int{}
	var out []block
	for _, b := range blocks {
		k := key(b)
		// An environment that is not known cannot share a selector: it leaves the key out.
		if i, ok := at[k]; ok && !slices.Contains(b.envs, "") {
			join(&out[i], b)
			continue
		}
		at[k] = len(out)
		out = append(out, b)
	}
	return out
}

func sortedApps[V any](m map[appKey]V) []appKey {
	keys := make([]appKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b appKey) int { return cmp.Or(cmp.Compare(a.app, b.app), cmp.Compare(a.env, b.env)) })
	return keys
}

// nodePeers is a node that has no group: by network, domain or address.
func (e *estate) nodePeers(id string) []policy.Peer {
	i, ok := slices.BinarySearchFunc(e.m.Graph.Nodes, id, func(n topology.Node, id string) int { return cmp.Compare(n.ID, id) })
	if !ok {
		return nil
	}
	n := &e.m.Graph.Nodes[i]
	switch n.Kind {
	case topology.NodeInternet:
		return []policy.Peer{{Network: policy.InternetName}}
	case topology.NodeNetwork, topology.NodeNAT:
		if d, ok := strings.CutPrefix(id, domainPrefix); ok {
			return []policy.Peer{{Domain: d}, {Domain: "*." + d}}
		}
		return []policy.Peer{{Network: networkName(n.Name)}}
	}
	var out []policy.Peer
	for _, p := range e.addrPrefixes(int32(i)) {
		out = append(out, policy.Peer{Prefix: p})
	}
	return out
}

// short names a place in a rule's name; the policy's own application is left out.
func (p place) short(own appKey) string {
	switch {
	case p.every:
		return "all"
	case p.node != "":
		return slug(strings.TrimPrefix(strings.TrimPrefix(p.node, networkPrefix), domainPrefix))
	case p.wholeApp || p.role == "":
		return slug(p.app)
	case p.appKey == own || p.role == p.app:
		return slug(p.role)
	}
	return slug(p.app + "-" + p.role)
}

// words names a place for a reader.
func (p place) words(own appKey) string {
	switch {
	case p.every:
		return "every workload"
	case p.node == "internet":
		return "the internet"
	case strings.HasPrefix(p.node, networkPrefix):
		return "the " + strings.TrimPrefix(p.node, networkPrefix) + " network"
	case p.node != "":
		return strings.TrimPrefix(p.node, domainPrefix)
	case p.wholeApp || p.role == "" || p.role == p.app:
		return p.appKey.String()
	case p.appKey == own:
		return p.role
	}
	return p.role + " of " + p.appKey.String()
}

// listWords joins a few and counts the rest.
func listWords(list []string) string {
	list = slices.Compact(list)
	const shown = 4
	if len(list) > shown+1 {
		list = append(slices.Clone(list[:shown]), fmt.Sprintf("%d more", len(list)-shown))
	}
	switch len(list) {
	case 0:
		return "nobody"
	case 1:
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// networkName is the name a network goes by in rules: its own where that is fit,
// otherwise a slug with a hash that keeps two of them apart.
func networkName(name string) string {
	s := slug(name)
	if s == name {
		return name
	}
	h := fnv.New32a()
	h.Write([]byte(name))
	return fmt.Sprintf("%s-%08x", s, h.Sum32())
}

// slug is a name fit for rules, policies and networks: what it cannot hold
// becomes a dash. Two names with one slug are told apart by whoever makes the
// list.
func slug(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '.' || r == '_':
			b.WriteRune(r)
		default:
			if t := b.String(); t != "" && t[len(t)-1] != '-' {
				b.WriteByte('-')
			}
		}
	}
	out := strings.Trim(b.String(), "-._")
	if len(out) > 60 {
		out = strings.TrimRight(out[:60], "-._")
	}
	if out == "" {
		return "x"
	}
	return out
}
