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

	"github.com/bulkhead/bulkhead/enforcer"
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
	change   string              // hash of the policies that care is for
	care     *enforcer.Aftercare // how their change is watched
	domains  resolved
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
	decided, err := f.b.s.decided(ctx)
	if err != nil {
		return nil, err
	}
	members = withHosts(members, hosts, decided)
	f.mu.Lock()
	defer f.mu.Unlock()
	domains, err := f.domains.of(ctx, f.b.s, set, time.Now())
	if err != nil {
		return nil, err
	}
	from, err := fingerprint(set.Hash(), networks, members, hosts, lines, domains, f.b.s.app.cfg.Controller.Confirm)
	if err != nil {
		return nil, err
	}
	if from == f.from {
		return f.contents, nil
	}
	if err := f.forecast(ctx, set); err != nil {
		return nil, err
	}
	f.contents = f.make(set, networks, members, hosts, lines)
	f.from = from
	return f.contents, nil
}

// forecast says what a change of policies is expected to break, so that machines
// can compare. Where nothing is recorded the watch only counts. f.mu is held.
func (f *fleetSource) forecast(ctx context.Context, set *policy.Set) error {
	if f.change == set.Hash() {
		return nil
	}
	care, err := f.b.s.forecast(ctx, set)
	switch {
	case errors.Is(err, errNothingRecorded):
		care = f.b.s.app.unforeseen()
	case err != nil:
		return err
	}
	f.change, f.care = set.Hash(), care
	return nil
}

// careFor leaves of the watch what one target can see.
func careFor(care *enforcer.Aftercare, target *nft.Host) *enforcer.Aftercare {
	if target.Mode == nft.ModeGateway {
		return care
	}
	other := func(e enforcer.Edge) bool {
		return !slices.Contains(target.Self, e.Client) && !slices.Contains(target.Self, e.Server)
	}
	own := *care
	own.Foreseen = slices.DeleteFunc(slices.Clone(care.Foreseen), other)
	own.Kept = slices.DeleteFunc(slices.Clone(care.Kept), other)
	return &own
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
	behind, held := withAgents(ws, members, hosts), heldBy(members)
	for i := range hosts {
		h := &hosts[i]
		target := nft.Host{Name: h.Name, Mode: nft.ModeHost, Networks: networks, Workloads: ws, Domains: f.domains.addrs, Controllers: lines}
		if h.Role == fleet.Gateway {
			target.Mode, target.Workloads = nft.ModeGateway, behind
		} else {
			own := withOwn(members, held, h)
			target.Self = holders(own, h.Addrs...)
			if len(own) > len(members) {
				target.Workloads = hostWorkloads(own)
			}
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
	b.Again, b.Aftercare = h.Again, careFor(f.care, &target)
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

// withHosts adds what is known because agents joined: the address that a host speaks
// from, if no workload holds it, and the labels its token bound it to, but
// where people decided otherwise (decided, by workload). Other
// addresses are only the host's word: one could name another's, and get its labels
// changed or its traffic.
func withHosts(members []topology.Member, hosts []controller.Host, decided map[string]topology.Labels) []topology.Member {
	out := slices.Clone(members)
	at := map[netip.Addr]int{}
	for i := range out {
		for _, a := range out[i].Addrs {
			at[a.Unmap()] = i
		}
	}
	for i := range hosts {
		h := &hosts[i]
		if h.Role == fleet.Gateway || !h.From.IsValid() {
			continue
		}
		mine, held := at[h.From]
		if !held {
			out = append(out, topology.Member{ID: h.From.String(), Addrs: []netip.Addr{h.From}}) // as the map will call it
			mine = len(out) - 1
			at[h.From] = mine
		}
		if len(h.Labels) > 0 {
			out[mine].Labels = out[mine].Labels.Merge(h.Labels).Merge(decided[out[mine].ID])
		}
	}
	return out
}

// maxHostAddrs bounds the addresses of a host that nobody else is known to hold.
const maxHostAddrs = 64

// withOwn adds the addresses that only the host itself says it has: to what it
// enforces on itself, where they harm nobody else.
func withOwn(members []topology.Member, held map[netip.Addr]bool, h *controller.Host) []topology.Member {
	own := topology.Member{Labels: h.Labels}
	for _, a := range h.Addrs {
		if !held[a] && len(own.Addrs) < maxHostAddrs {
			own.Addrs = append(own.Addrs, a)
		}
	}
	if len(own.Addrs) == 0 {
		return members
	}
	own.ID = own.Addrs[0].String()
	return append(slices.Clone(members), own)
}

// heldBy are the addresses that members hold.
func heldBy(members []topology.Member) map[netip.Addr]bool {
	held := map[netip.Addr]bool{}
	for i := range members {
		for _, a := range members[i].Addrs {
			held[a.Unmap()] = true
		}
	}
	return held
}

// withAgents marks the workloads whose own agent judges their end, for gateways: those
// that hold the address their agent speaks from.
func withAgents(ws []nft.Workload, members []topology.Member, hosts []controller.Host) []nft.Workload {
	agents := map[string]bool{}
	for i := range hosts {
		if hosts[i].Role != fleet.Gateway && hosts[i].Enforces && hosts[i].From.IsValid() {
			for _, id := range holders(members, hosts[i].From) {
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

// holders are the workloads that hold one of some addresses.
func holders(members []topology.Member, addrs ...netip.Addr) (ids []string) {
	mine := map[netip.Addr]bool{}
	for _, a := range addrs {
		mine[a] = true
	}
	for i := range members {
		if slices.ContainsFunc(members[i].Addrs, func(a netip.Addr) bool { return mine[a.Unmap()] }) {
			ids = append(ids, members[i].ID)
		}
	}
	return ids
}
