package nft

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// wide makes a gateway ruleset of n exact elements: n clients that may reach one
// server, tcp and udp 443 apart.
func wide(n int) (*policy.Set, Host) {
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	host := Host{Mode: ModeGateway, Workloads: []Workload{
		{ID: "server", Labels: labels("role", "server"), Addrs: addrs("10.255.0.1")},
	}}
	for i := range n {
		host.Workloads = append(host.Workloads, Workload{ID: fmt.Sprint("client", i), Labels: labels("role", "client"), Addrs: []netip.Addr{clientAddr(i)}})
	}
	set.Policies = []policy.Policy{{Name: "server", Stage: policy.Enforce, Scope: policy.Select(labels("role", "server")), Rules: []policy.Rule{
		{Name: "clients", From: []policy.Peer{sel("role", "client")}, To: []policy.Peer{sel("role", "server")},
			Services: []policy.Service{{Proto: flow.UDP, From: 443, To: 443}}},
	}}}
	return set, host
}

func clientAddr(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{11, byte(i >> 16), byte(i >> 8), byte(i)})
}

// router is a namespace that forwards what comes by a wire, and back by the other.
func router(b *testing.B) (r *netlab.Space, in, back *netlab.Wire) {
	outside := netlab.New(b)
	r = netlab.New(b)
	netlab.Join(b, "in0", outside, nil, r, []string{"192.168.77.1/24"})
	netlab.Join(b, "out0", outside, []string{"192.168.78.2/24"}, r, []string{"192.168.78.1/24"})
	r.Route(b, "0.0.0.0/0", "192.168.78.2")
	r.Neighbour(b, "out0", "192.168.78.2", outside)
	for _, key := range []string{"all", "in0", "out0"} {
		r.Sysctl(b, "ipv4/conf/"+key+"/rp_filter", "0")
	}
	r.Sysctl(b, "ipv4/ip_forward", "1")
	return r, netlab.NewWire(b, outside, "in0", r, "in0"), netlab.NewWire(b, outside, "out0", r, "out0")
}

// BenchmarkPacket measures the CPU time of a forwarded packet over its whole path:
// with no ruleset, with connection tracking alone, and with policies of growing
// size on top. The packets are UDP without answers, so that the policy judges
// every one; their clients are spread over the whole set, so that memory is part
// of the cost. "established" are packets of connections that were answered. The
// routers take turns, batch by batch, and the smallest of each one's batches
// counts: the machine is shared. Policies are reported as what they add to
// connection tracking.
func BenchmarkPacket(b *testing.B) {
	testenv.Need(b, "netns", "nft")
	const tracking = "table inet t { chain f { type filter hook forward priority 0; ct state established accept; }; }"
	paths := []*path{
		newPath(b, "none", 1000, func(*netlab.Space) {}),
		newPath(b, "conntrack", 1000, func(s *netlab.Space) { s.Run(b, tracking, "nft", "-f", "-") }),
	}
	for _, n := range []int{10, 1000, 100_000, 1_000_000} {
		set, h := wide(n)
		paths = append(paths, newPath(b, fmt.Sprint("policy", n), n, func(s *netlab.Space) {
			if _, err := openIn(b, s).Apply(b.Context(), mustCompile(b, set, h)); err != nil {
				b.Fatal(err)
			}
		}))
	}
	paths = append(paths, newPath(b, "linear1000", 1000, func(s *netlab.Space) { s.Run(b, linear(1000), "nft", "-f", "-") }))
	established := newPath(b, "established", 1000, paths[2].prepare)
	established.answer(b)
	paths = append(paths, established)
	runtime.GC()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const rounds = 60
	for b.Loop() {
		for range rounds {
			for _, p := range paths {
				p.batch(b)
			}
		}
	}
	for i, p := range paths {
		if i < 2 {
			b.ReportMetric(float64(p.best), p.name+"-ns")
		} else {
			b.ReportMetric(float64(p.best-paths[1].best), p.name+"-adds-ns")
		}
	}
}

// linear is what the policy of wide would be as one rule per client.
func linear(n int) string {
	var b strings.Builder
	b.WriteString("table inet t { chain f { type filter hook forward priority 0; ct state established accept;\n")
	for i := range n {
		fmt.Fprintf(&b, "ip saddr %s ip daddr 10.255.0.1 udp dport 443 accept\n", clientAddr(i))
	}
	b.WriteString("ip daddr 10.255.0.1 drop\n}; }")
	return b.String()
}

// path is a router with packets to send through it.
type path struct {
	name    string
	prepare func(*netlab.Space)
	wire    *netlab.Wire
	answers *netlab.Wire
	packets [][]byte
	keys    []flow.Key
	best    time.Duration // per packet
}

func newPath(b *testing.B, name string, clients int, prepare func(*netlab.Space)) *path {
	p := &path{name: name, prepare: prepare, best: 1 << 62}
	var r *netlab.Space
	r, p.wire, p.answers = router(b)
	prepare(r)
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 1000 {
		k := flow.Key{Client: clientAddr(rnd.IntN(clients)), Server: netip.MustParseAddr("10.255.0.1"),
			ClientPort: uint16(1024 + i), ServerPort: 443, Proto: flow.UDP}
		p.keys = append(p.keys, k)
		p.packets = append(p.packets, netlab.Packet(k, make([]byte, 22)))
	}
	return p
}

// answer makes every flow a known connection.
func (p *path) answer(b *testing.B) {
	p.batch(b)
	for _, k := range p.keys {
		if err := p.answers.Send(netlab.Packet(k.Reverse(), make([]byte, 22))); err != nil {
			b.Fatal(err)
		}
	}
}

// batch sends every packet twice.
func (p *path) batch(b *testing.B) {
	began := threadTime()
	for range 2 {
		for _, packet := range p.packets {
			if err := p.wire.Send(packet); err != nil {
				b.Fatal(err)
			}
		}
	}
	p.best = min(p.best, (threadTime()-began)/time.Duration(2*len(p.packets)))
}

// threadTime is the CPU time of this thread; forwarding over veth happens in its
// system calls.
func threadTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// BenchmarkLabelChange moves one workload of a ruleset with 100,000 elements to
// another role and back: the difference found, the kernel told, the change read
// back. Compiling is measured apart.
func BenchmarkLabelChange(b *testing.B) {
	testenv.Need(b, "netns")
	b.Run("host", func(b *testing.B) {
		set, h := wide(100_000)
		h.Mode, h.Self = ModeHost, []string{"server"}
		changeLabel(b, set, h, 1, labels("role", "other"))
	})
	b.Run("gateway", func(b *testing.B) {
		set, h := many(100_000)
		changeLabel(b, set, h, 1, labels("role", "db", "app", "app000"))
	})
}

func changeLabel(b *testing.B, set *policy.Set, h Host, workload int, to topology.Labels) {
	before := mustCompile(b, set, h)
	h.Workloads[workload].Labels = to
	after := mustCompile(b, set, h)
	k := openIn(b, netlab.New(b))
	if _, err := k.Apply(b.Context(), before); err != nil {
		b.Fatal(err)
	}
	best := time.Duration(1 << 62)
	i := 0
	for b.Loop() {
		want := after
		if i++; i%2 == 0 {
			want = before
		}
		done, err := k.Apply(b.Context(), want)
		if err != nil {
			b.Fatal(err)
		}
		best = min(best, done.Took)
	}
	b.ReportMetric(float64(best)/1e6, "best-ms")
}
