package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// TrueEdge is a dependency or an attempt that the lab's calls make.
type TrueEdge struct {
	Client, Server netip.Addr
	Service        flow.Service
}

// Compare orders edges by client, server and service.
func (e TrueEdge) Compare(o TrueEdge) int {
	return cmp.Or(e.Client.Compare(o.Client), e.Server.Compare(o.Server), e.Service.Compare(o.Service))
}

func (e TrueEdge) String() string { return fmt.Sprintf("%s → %s %s", e.Client, e.Server, e.Service) }

// Traffic makes every call of the topology once, one after the other. A call that
// does not end as its description says is an error that names it.
func (l *Lab) Traffic(ctx context.Context) error {
	for _, c := range l.topo.Calls {
		if err := l.Call(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// Call makes one call.
func (l *Lab) Call(ctx context.Context, c Call) error {
	command := c.Command(l, l.hosts[c.To])
	_, err := l.hosts[c.From].Run(ctx, command[0], command[1:]...)
	l.logf("%s → %s %s: %v", c.From, c.To, c.Service, outcome(err))
	if c.Refused && err == nil {
		return fmt.Errorf("lab: %s → %s %s succeeded and should be refused", c.From, c.To, c.Service)
	}
	if !c.Refused && err != nil {
		return fmt.Errorf("lab: %s → %s %s: %w", c.From, c.To, c.Service, err)
	}
	return nil
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return "failed"
}

// Edges returns the true dependencies that the calls make and that cross the
// tapped segment, sorted.
func (l *Lab) Edges() []TrueEdge { return slices.Compact(l.Connections()) }

// Attempts returns what the calls try in vain, sorted.
func (l *Lab) Attempts() []TrueEdge { return slices.Compact(l.calls(true)) }

// Connections returns the edge of every single connection that Traffic makes,
// sorted: those made twice are there twice.
func (l *Lab) Connections() []TrueEdge { return l.calls(false) }

func (l *Lab) calls(refused bool) []TrueEdge {
	var out []TrueEdge
	add := func(from, to *Host, svc flow.Service, v6 bool) {
		if l.onTap(from) || l.onTap(to) {
			e := TrueEdge{from.Addr, to.Addr, svc}
			if v6 {
				e.Client, e.Server = from.Addr6, to.Addr6
			}
			out = append(out, e)
		}
	}
	for _, c := range l.topo.Calls {
		from, to := l.hosts[c.From], l.hosts[c.To]
		if c.Refused == refused {
			add(from, to, c.Service, c.IPv6)
		}
		if ns := l.hosts[l.topo.Resolver]; c.Resolves && !refused && ns != nil && ns != from {
			add(from, ns, flow.Service{Proto: flow.UDP, Port: 53}, false)
		}
	}
	slices.SortFunc(out, TrueEdge.Compare)
	return out
}

// onTap reports whether the host stands on a tapped segment.
func (l *Lab) onTap(h *Host) bool {
	for _, spec := range l.topo.Hosts {
		if spec.Name == h.Name {
			return l.topo.Tap == "" || spec.Segment == l.topo.Tap
		}
	}
	return false
}
