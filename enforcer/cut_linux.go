package enforcer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// cutFor is how long a cut connection is answered with resets: longer than a TCP
// peer keeps trying (RFC 9293 §3.8.3 asks for at least 100 s).
const cutFor = 10 * time.Minute

// Cutter ends established connections that a set forbids, in the namespace of the
// kernel it is given (0 for the caller's own).
//
// Forgetting a connection is not enough: connection tracking picks it up again in
// its middle, from whichever side speaks next, and in the wrong direction it may
// be allowed. So first the ruleset is told to reset it, then tracking forgets it,
// then a local socket is destroyed.
func Cutter(k *nft.Kernel, ns int) func(context.Context, *policy.Set, *nft.Host) (int, error) {
	return func(ctx context.Context, set *policy.Set, host *nft.Host) (int, error) {
		h := &netlink.Handle{}
		if ns != 0 {
			var err error
			if h, err = netlink.NewHandleAt(netns.NsHandle(ns), unix.NETLINK_NETFILTER, unix.NETLINK_INET_DIAG); err != nil {
				return 0, fmt.Errorf("cut connections: %w", err)
			}
			defer h.Close()
		}
		j := &judge{ev: policy.NewEvaluator(set), who: newResolver(host), mode: host.Mode}
		forbidden, err := j.established(h)
		if err == nil && host.Mode == nft.ModeHost {
			forbidden, err = j.untracked(h, forbidden)
		}
		if err != nil || len(forbidden) == 0 {
			return 0, err
		}
		if err := k.Cut(ctx, forbidden, cutFor); err != nil {
			return 0, err
		}
		gone := connSet(forbidden)
		for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			if _, err := h.ConntrackDeleteFilters(netlink.ConntrackTable, family, gone); err != nil {
				return 0, fmt.Errorf("forget connections: %w", err)
			}
		}
		if host.Mode == nft.ModeHost {
			destroySockets(h, forbidden)
		}
		return len(forbidden), nil
	}
}

// judge says which connections a set forbids at this enforcement point.
type judge struct {
	ev   *policy.Evaluator
	who  *resolver
	mode nft.Mode
}

// established lists the forbidden among the tracked connections.
func (j *judge) established(h *netlink.Handle) (out []flow.Key, err error) {
	for _, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
		flows, err := h.ConntrackTableList(netlink.ConntrackTable, family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return nil, fmt.Errorf("list connections: %w", err)
		}
		for _, f := range flows {
			if k, ok := connKey(f); ok && j.forbids(k) {
				out = append(out, k)
			}
		}
	}
	return out, nil
}

// untracked adds the forbidden connections that local sockets have and tracking
// has not: those from before anything asked for tracking. Who listens on a port is
// the server there.
func (j *judge) untracked(h *netlink.Handle, known []flow.Key) ([]flow.Key, error) {
	var socks []*netlink.Socket
	listening := map[uint16]bool{}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		list, err := h.SocketDiagTCP(family)
		if err != nil && !errors.Is(err, netlink.ErrDumpInterrupted) {
			return known, fmt.Errorf("list sockets: %w", err)
		}
		for _, s := range list {
			switch s.State {
			case netlink.TCP_LISTEN:
				listening[s.ID.SourcePort] = true
			case netlink.TCP_ESTABLISHED, netlink.TCP_CLOSE_WAIT, netlink.TCP_FIN_WAIT1, netlink.TCP_FIN_WAIT2:
				socks = append(socks, s)
			}
		}
	}
	has := connSet(known)
	for _, s := range socks {
		local, ok1 := netip.AddrFromSlice(s.ID.Source)
		remote, ok2 := netip.AddrFromSlice(s.ID.Destination)
		k := flow.Key{Client: local.Unmap(), Server: remote.Unmap(), ClientPort: s.ID.SourcePort, ServerPort: s.ID.DestinationPort, Proto: flow.TCP}
		if listening[s.ID.SourcePort] {
			k = k.Reverse()
		}
		if ok1 && ok2 && !k.Client.IsLoopback() && !has[k] && j.forbids(k) {
			has[k] = true
			known = append(known, k)
		}
	}
	return known, nil
}

func (j *judge) forbids(k flow.Key) bool {
	client, server := j.who.party(k.Client), j.who.party(k.Server)
	in, out := j.ev.JudgeEnds(j.ev.Identify(&client), j.ev.Identify(&server), k.Service())
	if j.mode == nft.ModeHost {
		return in.Outcome == policy.Blocked && j.who.self[k.Server] || out.Outcome == policy.Blocked && j.who.self[k.Client]
	}
	return in.Outcome == policy.Blocked || out.Outcome == policy.Blocked
}

// connKey is the connection as it was opened; false for protocols without ports.
func connKey(f *netlink.ConntrackFlow) (flow.Key, bool) {
	src, ok1 := netip.AddrFromSlice(f.Forward.SrcIP)
	dst, ok2 := netip.AddrFromSlice(f.Forward.DstIP)
	k := flow.Key{Client: src.Unmap(), Server: dst.Unmap(), ClientPort: f.Forward.SrcPort, ServerPort: f.Forward.DstPort, Proto: f.Forward.Protocol}
	return k, ok1 && ok2 && flow.HasPorts(k.Proto)
}

// connFilter deletes what it holds.
type connFilter map[flow.Key]bool

func connSet(keys []flow.Key) connFilter {
	out := connFilter{}
	for _, k := range keys {
		out[k] = true
	}
	return out
}

// MatchConntrackFlow implements netlink.CustomConntrackFilter.
func (c connFilter) MatchConntrackFlow(f *netlink.ConntrackFlow) bool {
	k, ok := connKey(f)
	return ok && c[k]
}

// destroySockets aborts the local ends. A connection without one here, or that is
// gone already, is none of our business.
func destroySockets(h *netlink.Handle, keys []flow.Key) {
	for _, k := range keys {
		if k.Proto != flow.TCP {
			continue
		}
		client := &net.TCPAddr{IP: k.Client.AsSlice(), Port: int(k.ClientPort)}
		server := &net.TCPAddr{IP: k.Server.AsSlice(), Port: int(k.ServerPort)}
		_ = h.SocketDestroy(client, server)
		_ = h.SocketDestroy(server, client)
	}
}
