package enforcer_test

import (
	"errors"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// TestHostsAgreeWithEvaluate sends random packets from one host to another, each
// with its own ruleset, and compares what becomes of them with policy.Evaluate.
func TestHostsAgreeWithEvaluate(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	rulesets, clients, services := 30, 5, 20
	if testing.Short() {
		rulesets = 12
	}
	lab := newHostLab(t)
	tally := tally{}
	for seed := range uint64(rulesets) {
		e := newEstate(1000 + seed)
		e.host.Mode = nft.ModeHost
		server := pick(e.r, e.host.Workloads)
		lab.serve(t, e, server)
		for range clients {
			to := pick(e.r, server.Addrs)
			from := e.client(to)
			if !from.IsValid() {
				continue
			}
			var keys []flow.Key
			for i := range services {
				svc := e.service(to.Is6())
				keys = append(keys, flow.Key{Client: from, Server: to, ClientPort: uint16(20000 + i), ServerPort: svc.Port, Proto: svc.Proto})
			}
			fates := lab.send(t, e, keys)
			if fates == nil {
				t.Fatalf("seed %d: packets %v → %v were neither dropped nor seen to pass", seed, from, to)
			}
			tally.compare(t, e, keys, fates)
			if t.Failed() {
				t.Fatalf("seed %d, %v → %v; server's ruleset:\n%s\nclient's ruleset:\n%s", seed, from, to, lab.serverRules, lab.clientRules)
			}
		}
		lab.stop(t, server)
	}
	tally.report(t)
}

// client picks an address of to's family for the other side: a workload with an
// agent of its own, or one outside the estate.
func (e *estate) client(to netip.Addr) netip.Addr {
	for range 50 {
		a := e.address(to.Is6())
		party, _ := e.holder(a)
		if a != to && (party != "" || !e.party(a).Workload) && !e.sameHost(a, to) {
			return a
		}
	}
	return netip.Addr{}
}

// holder returns the workload that holds an address.
func (e *estate) holder(a netip.Addr) (id string, ok bool) {
	for _, w := range e.host.Workloads {
		for _, b := range w.Addrs {
			if a == b {
				return w.ID, true
			}
		}
	}
	return "", false
}

func (e *estate) sameHost(a, b netip.Addr) bool {
	x, ok := e.holder(a)
	y, _ := e.holder(b)
	return ok && x == y
}

// hostLab is a client host that can send from any address, and a server host with
// a probe behind its table.
type hostLab struct {
	clientSpace, serverSpace     *netlab.Space
	clientKernel, serverKernel   *nft.Kernel
	clientReports, serverReports *watch.Group
	passed                       *watch.Group
	raw                          *netlab.Raw
	clientRules, serverRules     nft.Ruleset
}

func newHostLab(t *testing.T) *hostLab {
	t.Helper()
	l := &hostLab{clientSpace: netlab.New(t), serverSpace: netlab.New(t)}
	netlab.Join(t, "eth0", l.clientSpace, []string{"192.168.77.2/24", "fdff:77::2/64"}, l.serverSpace, []string{"192.168.77.1/24", "fdff:77::1/64"})
	l.clientSpace.Route(t, "0.0.0.0/0", "192.168.77.1")
	l.clientSpace.Route(t, "::/0", "fdff:77::1")
	l.serverSpace.Route(t, "0.0.0.0/0", "192.168.77.2")
	l.serverSpace.Route(t, "::/0", "fdff:77::2")
	for _, a := range []string{"192.168.77.1", "fdff:77::1"} {
		l.clientSpace.Neighbour(t, "eth0", a, l.serverSpace)
	}
	l.serverSpace.Sysctl(t, "ipv4/conf/all/rp_filter", "0")
	l.serverSpace.Sysctl(t, "ipv4/conf/eth0/rp_filter", "0")
	l.serverSpace.Run(t, "table inet probe { chain i { type filter hook input priority 0; log group 99 queue-threshold 1; drop; }; }", "nft", "-f", "-")
	l.clientKernel, l.serverKernel = openKernel(t, l.clientSpace), openKernel(t, l.serverSpace)
	l.clientReports = joinGroup(t, l.clientSpace, nft.LogGroup)
	l.serverReports = joinGroup(t, l.serverSpace, nft.LogGroup)
	l.passed = joinGroup(t, l.serverSpace, probeGroup)
	l.raw = netlab.NewRaw(t, l.clientSpace)
	return l
}

func single(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

// serve makes the server host be a workload.
func (l *hostLab) serve(t *testing.T, e *estate, w nft.Workload) {
	t.Helper()
	for _, a := range w.Addrs {
		l.serverSpace.Address(t, "eth0", single(a))
	}
	l.serverRules = apply(t, l.serverKernel, e.set, e.host, w.ID)
}

func (l *hostLab) stop(t *testing.T, w nft.Workload) {
	t.Helper()
	for _, a := range w.Addrs {
		l.serverSpace.Unaddress(t, "eth0", single(a))
	}
}

// send makes the client host be whoever holds the packets' client address, and
// sends them.
func (l *hostLab) send(t *testing.T, e *estate, keys []flow.Key) []fate {
	t.Helper()
	id, _ := e.holder(keys[0].Client)
	l.clientRules = apply(t, l.clientKernel, e.set, e.host, id)
	for i, k := range keys {
		// A packet the output hook drops is EPERM to its sender.
		if err := l.raw.Send(netlab.Packet(k, numbered(i))); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatalf("send %v: %v", k, err)
		}
	}
	return gather(t, []observed{{l.passed, nil}, {l.serverReports, &l.serverRules}, {l.clientReports, &l.clientRules}}, len(keys))
}

// apply compiles and applies for a host that is this workload; "" for none.
func apply(t *testing.T, k *nft.Kernel, set *policy.Set, h nft.Host, self string) nft.Ruleset {
	t.Helper()
	h.Self = nil
	if self != "" {
		h.Self = []string{self}
	}
	r, err := nft.Compile(set, h)
	if err == nil {
		_, err = k.Apply(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
