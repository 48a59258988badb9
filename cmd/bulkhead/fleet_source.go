package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/bundle"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// fleetSource says what every host shall enforce: the live policies of the store,
// for the workloads that the map and the inventory know. Safe for concurrent use.
type fleetSource struct {
	b    *backend
	auth *authority.Authority

	mu       sync.Mutex
	from     string // what contents were made of
	contents map[string]*controller.Content
}

// bundleLife is how long a bundle may be taken after it was fetched. What was taken
// in time stays in force without limit.
const bundleLife = time.Hour

// Contents implements controller.Source.
func (f *fleetSource) Contents(ctx context.Context, hosts []controller.Host, lines []netip.AddrPort) (map[string]*controller.Content, error) {
	set, networks, err := f.b.s.livePolicies(ctx)
	if err != nil {
		return nil, err
	}
	members, err := f.b.everybody(ctx)
	if err != nil {
		return nil, err
	}
	from, err := fingerprint(set.Hash(), networks, members, hosts, lines, f.b.s.app.cfg.Controller.Confirm)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if from == f.from {
		return f.contents, nil
	}
	f.contents = f.make(set, networks, withHosts(members, hosts), hosts, lines)
	f.from = from
	return f.contents, nil
}

func fingerprint(parts ...any) (string, error) {
	h := sha256.New()
	if err := json.NewEncoder(h).Encode(parts); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (f *fleetSource) make(set *policy.Set, networks []topology.Network, members []topology.Member,
	hosts []controller.Host, lines []netip.AddrPort) map[string]*controller.Content {
	out := map[string]*controller.Content{}
	change := set.Hash()
	ws := hostWorkloads(members)
	behind := withAgents(ws, members, hosts)
	for i := range hosts {
		h := &hosts[i]
		target := nft.Host{Name: h.Name, Mode: nft.ModeHost, Networks: networks, Workloads: ws, Controllers: lines}
		if h.Role == fleet.Gateway {
			target.Mode, target.Workloads = nft.ModeGateway, behind
		} else {
			target.Self = selfOf(h, members)
		}
		out[h.Name] = f.content(h, set, target, change)
	}
	return out
}

func (f *fleetSource) content(h *controller.Host, set *policy.Set, target nft.Host, change string) *controller.Content {
	if target.Mode == nft.ModeHost && len(target.Self) == 0 {
		return &controller.Content{Err: errors.New("it has not said which addresses it has")}
	}
	own, target := bundle.Select(set, target)
	if _, err := nft.Compile(own, target); err != nil {
		return &controller.Content{Err: err}
	}
	b := bundle.Make(h.Name, own, target, f.b.s.app.cfg.Controller.Confirm)
	b.Again = h.Again
	digest, err := b.Digest()
	if err != nil {
		return &controller.Content{Err: err}
	}
	return &controller.Content{Digest: digest, Hash: b.Hash, Change: change, Workloads: target.Self,
		Sign: func(serial uint64, now time.Time) ([]byte, error) {
			signed := b
			signed.Serial, signed.Issued, signed.Expires = serial, now, now.Add(bundleLife)
			return bundle.Sign(signed, f.auth.PolicyKey())
		}}
}

// livePolicies puts all policies of the store that are past draft into one set, and
// returns the networks whose labels count. A document that does not fit is an error
// and no policy less: what it protected must not be open meanwhile.
func (s *session) livePolicies(ctx context.Context) (*policy.Set, []topology.Network, error) {
	set, n, err := s.savedPolicies(ctx)
	if err != nil {
		return nil, nil, err
	}
	if n == 0 {
		set = &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	}
	set.Policies = slices.DeleteFunc(set.Policies, func(p policy.Policy) bool { return p.Stage == policy.Draft })
	more, err := config.Prefixes(s.app.cfg.Enforcer.BreakGlass)
	if err != nil {
		return nil, nil, err
	}
	set.BreakGlass = append(set.BreakGlass, more...)
	index, err := s.inventory(ctx)
	if err != nil {
		return nil, nil, err
	}
	networks := slices.Clone(set.Networks)
	for _, n := range index.Inventory().Networks {
		if n.Inside && set.Network(n.Name) == nil {
			networks = append(networks, n)
		}
	}
	return set.Normal(), networks, nil
}

// everybody is the workloads of the map, and those of the inventory that were never
// seen, by id.
func (b *backend) everybody(ctx context.Context) ([]topology.Member, error) {
	index, err := b.s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	now := flow.TimeOf(time.Now())
	var members []topology.Member
	m, err := b.Map(ctx, httpapi.Window{})
	var nothing *httpapi.Error
	switch {
	case err == nil:
		members = m.Snapshot(index, now)
	case !errors.As(err, &nothing) || nothing.Code != httpapi.CodeNotReady:
		return nil, err
	}
	known, held := map[string]bool{}, map[netip.Addr]bool{}
	for _, m := range members {
		known[m.ID] = true
		for _, a := range m.Addrs {
			held[a] = true
		}
	}
	for i := range index.Inventory().Workloads {
		w := &index.Inventory().Workloads[i]
		addrs := slices.DeleteFunc(w.AddrsAt(now), func(a netip.Addr) bool { return held[a] })
		if !known[w.ID] && len(addrs) > 0 {
			members = append(members, topology.Member{ID: w.ID, Labels: w.Labels, Addrs: addrs})
		}
	}
	slices.SortFunc(members, func(a, b topology.Member) int { return strings.Compare(a.ID, b.ID) })
	return members, nil
}

// maxHostAddrs bounds the addresses of a host that nobody else is known to hold.
const maxHostAddrs = 64

// withHosts adds what enrolled hosts say of themselves: labels that their token
// bound them to, and addresses that no workload holds. A host cannot take the
// address of another.
func withHosts(members []topology.Member, hosts []controller.Host) []topology.Member {
	out := slices.Clone(members)
	at := map[netip.Addr]int{}
	for i := range out {
		for _, a := range out[i].Addrs {
			at[a.Unmap()] = i
		}
	}
	for i := range hosts {
		h := &hosts[i]
		if h.Role == fleet.Gateway {
			continue
		}
		mine, free := -1, []netip.Addr{}
		for _, a := range h.Addrs {
			if j, held := at[a]; held && j < len(members) {
				if mine < 0 {
					mine = j
				}
			} else if !held && len(free) < maxHostAddrs {
				free = append(free, a)
			}
		}
		if mine < 0 && len(free) > 0 {
			out = append(out, topology.Member{ID: hostID(h.Name), Addrs: free})
			mine = len(out) - 1
			for _, a := range free {
				at[a] = mine
			}
		}
		if mine >= 0 && len(h.Labels) > 0 {
			out[mine].Labels = out[mine].Labels.Merge(h.Labels)
		}
	}
	return out
}

// withAgents marks the workloads whose own agent judges their end, for gateways.
func withAgents(ws []nft.Workload, members []topology.Member, hosts []controller.Host) []nft.Workload {
	agents := map[string]bool{}
	for i := range hosts {
		if hosts[i].Role != fleet.Gateway && hosts[i].Enforces {
			for _, id := range selfOf(&hosts[i], members) {
				agents[id] = true
			}
		}
	}
	out := slices.Clone(ws)
	for i := range out {
		out[i].Agent = agents[out[i].ID]
	}
	return out
}

// hostID is the id of a workload that is known only because its agent joined.
func hostID(name string) string { return "host:" + name }

// selfOf are the workloads that a host is: those that hold one of its addresses.
func selfOf(h *controller.Host, members []topology.Member) (ids []string) {
	mine := map[netip.Addr]bool{}
	for _, a := range h.Addrs {
		mine[a] = true
	}
	for i := range members {
		if slices.ContainsFunc(members[i].Addrs, func(a netip.Addr) bool { return mine[a.Unmap()] }) {
			ids = append(ids, members[i].ID)
		}
	}
	return ids
}
