package mapper

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/bulkhead/bulkhead/topology"
)

// identify gives groups identities. A group inherits the identity, and the name
// that was made up for it, of the previous map's group it shares most members
// with, each of which is inherited once; a group that resembles none gets a new
// identity made from its first member's.
//
// It returns the former roles and applications by the identities inherited.
func (w *work) identify() (map[string]*topology.Role, map[string]*topology.Application) {
	roles, apps := make([][]int32, len(w.m.Roles)), make([][]int32, len(w.m.Applications))
	for r := range roles {
		roles[r] = w.m.Roles[r].Members
	}
	for a := range apps {
		apps[a] = w.m.Applications[a].Members
	}
	formerRoles, formerApps := map[string]*topology.Role{}, map[string]*topology.Application{}
	var oldRoles, oldApps []former
	if prev := w.in.Previous; prev != nil {
		for i := range prev.Roles {
			oldRoles = append(oldRoles, former{prev.Roles[i].ID, prev.Roles[i].Members})
			formerRoles[prev.Roles[i].ID] = &prev.Roles[i]
		}
		for i := range prev.Applications {
			oldApps = append(oldApps, former{prev.Applications[i].ID, prev.Applications[i].Members})
			formerApps[prev.Applications[i].ID] = &prev.Applications[i]
		}
	}
	for r, id := range w.inherit("role", roles, oldRoles, w.rolePin) {
		w.m.Roles[r].ID = id
	}
	for a, id := range w.inherit("app", apps, oldApps, w.pin) {
		w.m.Applications[a].ID = id
		pin, share := vote(apps[a], w.pin)
		w.m.Applications[a].Pinned = pin == id && share > 0.5
	}
	return formerRoles, formerApps
}

// former is a group of the previous map; members index its nodes.
type former struct {
	id      string
	members []int32
}

// overlapping is how many members a group shares with a former one.
type overlapping struct {
	group, old int32
	common     int
}

// inherit matches groups with former ones, largest overlap first, and returns
// every group's identity. A group that was accepted has the one it was accepted
// under.
func (w *work) inherit(kind string, groups [][]int32, old []former, pin func(int32) string) []string {
	out := make([]string, len(groups))
	taken := map[string]bool{}
	for _, g := range bySize(groups) {
		if id, _ := vote(groups[g], pin); id != "" && !taken[id] {
			out[g], taken[id] = id, true
		}
	}
	for _, m := range w.overlaps(groups, old) {
		if id := old[m.old].id; out[m.group] == "" && !taken[id] {
			out[m.group], taken[id] = id, true
		}
	}
	for g := range out {
		for n := 0; out[g] == ""; n++ {
			if id := groupID(kind, w.nodes[groups[g][0]].ID, n); !taken[id] {
				out[g], taken[id] = id, true
			}
		}
	}
	return out
}

// bySize are the indexes of groups, largest first.
func bySize(groups [][]int32) []int {
	order := make([]int, len(groups))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(len(groups[b]), len(groups[a])) })
	return order
}

func (w *work) overlaps(groups [][]int32, old []former) []overlapping {
	if len(old) == 0 {
		return nil
	}
	prev := &w.in.Previous.Graph
	was := make([]int32, len(prev.Nodes))
	for i := range was {
		was[i] = -1
	}
	for k := range old {
		for _, i := range old[k].members {
			was[i] = int32(k)
		}
	}
	at := indexNodes(prev)
	var out []overlapping
	for g, members := range groups {
		common := map[int32]int{}
		for _, i := range members {
			if j, ok := at[w.nodes[i].ID]; ok && was[j] >= 0 {
				common[was[j]]++
			}
		}
		for k, n := range common {
			out = append(out, overlapping{int32(g), k, n})
		}
	}
	slices.SortFunc(out, func(a, b overlapping) int {
		return cmp.Or(cmp.Compare(b.common, a.common), cmp.Compare(a.group, b.group), cmp.Compare(a.old, b.old))
	})
	return out
}

func groupID(kind, member string, n int) string {
	return kind + "-" + strconv.FormatUint(mix(topology.WorkloadKey(kind+"\x00"+member)+uint64(n))>>20, 36)
}
