package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/policy"
)

// selfReport knows what only this machine can tell: its addresses, its control
// groups, where its controller is, and what is wrong here. It is a task that looks
// at the other tables now and then. Safe for concurrent use.
type selfReport struct {
	controller string // host:port
	bridge     string // where CheckBridge looks; "" on a machine that does not bridge

	mu        sync.Mutex
	lines     []netip.AddrPort // where the controller was found last
	resolved  time.Time
	losses    []string
	obstacles []string
	troubles  map[string]string // by part
}

func (s *selfReport) String() string         { return "self report" }
func (s *selfReport) Ready() <-chan struct{} { return closed }

// closed is a channel that is.
var closed = func() <-chan struct{} { c := make(chan struct{}); close(c); return c }()

// obstaclesEvery is how often other tables are looked at.
const obstaclesEvery = time.Minute

// Run looks at other tables until ctx ends.
func (s *selfReport) Run(ctx context.Context) error {
	for {
		list, err := obstacles()
		s.mu.Lock()
		s.obstacles = list
		s.mu.Unlock()
		s.trouble("other tables")(err)
		s.judged()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(obstaclesEvery):
		}
	}
}

// judged looks whether what a bridge bridges still meets its ruleset. What was put in
// force stays when it does not: sysctls may come later at boot.
func (s *selfReport) judged() {
	if s.bridge != "" {
		s.trouble("bridge")(nft.CheckBridge(s.bridge))
	}
}

func obstacles() (out []string, err error) {
	k, err := nft.Open(0)
	if err != nil {
		return nil, err
	}
	list, err := k.Obstacles()
	for _, o := range list {
		out = append(out, o.String())
	}
	if e := k.Close(); err == nil {
		err = e
	}
	return out, err
}

// ruleset notes what a ruleset cannot express here.
func (s *selfReport) ruleset(r *nft.Ruleset) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.losses = slices.Clone(r.Losses)
}

// trouble notes what is wrong with a part; nil for nothing.
func (s *selfReport) trouble(part string) func(error) {
	return func(err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.troubles == nil {
			s.troubles = map[string]string{}
		}
		delete(s.troubles, part)
		if err != nil {
			s.troubles[part] = err.Error()
		}
	}
}

// fill adds to a heartbeat what is wrong here.
func (s *selfReport) fill(b *fleet.Heartbeat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.Losses, b.Obstacles = slices.Clone(s.losses), slices.Clone(s.obstacles)
	for _, part := range sortedNames(s.troubles) {
		b.Problem = part + ": " + s.troubles[part]
		return
	}
}

func sortedNames[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// resolveEvery is how long the controller's addresses are believed.
const (
	resolveEvery   = time.Minute
	resolveTimeout = 5 * time.Second
)

// local completes a bundle's target: control groups of the units that rules name,
// and the line to the controller, which no policy can cut.
func (s *selfReport) local(set *policy.Set, host *nft.Host) (err error) {
	if host.Mode == nft.ModeHost {
		if host.Cgroups, err = localUnits(set); err != nil {
			return err
		}
	}
	lines, err := s.controllers()
	if err != nil {
		return err
	}
	host.Controllers = append(slices.Clone(host.Controllers), lines...)
	slices.SortFunc(host.Controllers, netip.AddrPort.Compare)
	host.Controllers = slices.Compact(host.Controllers)
	return nil
}

// controllers are where the controller is. When its name cannot be resolved, it is
// where it was.
func (s *selfReport) controllers() ([]netip.AddrPort, error) {
	s.mu.Lock()
	known, fresh := s.lines, time.Since(s.resolved) < resolveEvery
	s.mu.Unlock()
	if fresh {
		return known, nil
	}
	found, err := lookup(s.controller)
	if err != nil && len(known) > 0 {
		return known, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find the controller: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines, s.resolved = found, time.Now()
	return found, nil
}

func lookup(address string) (out []netip.AddrPort, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("port %q: want a number", text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for _, a := range addrs {
		out = append(out, netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port)))
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out), err
}

// maxLocalAddrs bounds what a heartbeat says.
const maxLocalAddrs = 256

// localAddrs are this machine's addresses that others can reach, sorted.
func localAddrs() []netip.Addr {
	out := []netip.Addr{}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return out // the next heartbeat tries again
	}
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
				out = append(out, addr.Unmap())
			}
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	out = slices.Compact(out)
	return out[:min(len(out), maxLocalAddrs)]
}
