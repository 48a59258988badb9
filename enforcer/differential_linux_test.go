package enforcer_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// probeGroup is where packets that our table let pass are logged.
const probeGroup = 99

// fate is what became of one packet.
type fate struct {
	passed bool
	in     nft.Report // logged at the server's end, if ID is set
	out    nft.Report
	logged [2]int // how often, at the client's and at the server's end
}

// outcome names the fate as policy.Evaluate would: the worse of both ends, the
// server's reason when they are equal. allowed stands for Untouched too.
func (f fate) String() string {
	rank := func(r nft.Report) int {
		switch {
		case r.ID == "":
			return 0
		case r.Dropped:
			return 2
		}
		return 1
	}
	worst := f.in
	if rank(f.out) > rank(f.in) {
		worst = f.out
	}
	switch {
	case rank(worst) == 2 && !f.passed:
		return fmt.Sprintf("blocked by %s/%s", worst.Policy, worst.Rule)
	case rank(worst) == 1 && f.passed:
		return fmt.Sprintf("would-block by %s/%s", worst.Policy, worst.Rule)
	case rank(worst) == 0 && f.passed:
		return "allowed"
	}
	return fmt.Sprintf("inconsistent: passed %v, in %+v, out %+v", f.passed, f.in, f.out)
}

func expected(v policy.Verdict) string {
	switch v.Outcome {
	case policy.Blocked, policy.WouldBlock:
		return fmt.Sprintf("%s by %s/%s", v.Outcome, v.Policy, v.Rule)
	}
	return "allowed"
}

// TestGatewayAgreesWithEvaluate sends random packets through random rulesets on a
// gateway and compares each one's fate with policy.Evaluate.
func TestGatewayAgreesWithEvaluate(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	rulesets, packets := 40, 250
	if testing.Short() {
		rulesets = 12
	}
	g := newGatewayLab(t)
	tally := tally{}
	for seed := range uint64(rulesets) {
		e := newEstate(seed)
		e.host.Mode, e.host.Text = nft.ModeGateway, seed%4 == 0
		r, err := nft.Compile(e.set, e.host)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if _, err := g.kernel.Apply(t.Context(), r); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		keys := make([]flow.Key, packets)
		for i := range keys {
			v6 := e.r.IntN(3) == 0
			svc := e.service(v6)
			keys[i] = flow.Key{Client: e.address(v6), Server: e.address(v6), ClientPort: uint16(20000 + i), ServerPort: svc.Port, Proto: svc.Proto}
		}
		fates := g.send(t, &r, keys)
		if fates == nil {
			t.FailNow()
		}
		tally.compare(t, e, keys, fates)
		if t.Failed() {
			t.Logf("ruleset of seed %d:\n%s", seed, r)
			return
		}
	}
	tally.report(t)
}

// tally counts the cases by what policy.Evaluate said.
type tally map[policy.Outcome]int

func (c tally) compare(t *testing.T, e *estate, keys []flow.Key, fates []fate) {
	t.Helper()
	for i, k := range keys {
		v := e.verdict(k)
		c[v.Outcome]++
		if fates[i].out.Dropped && !fates[i].passed && v.Outcome == policy.Blocked {
			continue // a client's host drops before the server's, whose reason Evaluate prefers, has its say
		}
		if got, want := fates[i].String(), expected(v); got != want {
			t.Errorf("%v → %v %v: kernel %s, evaluate %s (%s)", k.Client, k.Server, k.Service(), got, want, v.Why)
		}
	}
}

func (c tally) report(t *testing.T) {
	t.Helper()
	t.Logf("packets by outcome: %v", c)
	for o := policy.Allowed; o <= policy.Blocked; o++ {
		if c[o] == 0 {
			t.Errorf("no packet was %s: the test is blind to it", o)
		}
	}
}

// gatewayLab is a router with a wire into it, and a probe behind our table.
type gatewayLab struct {
	router  *netlab.Space
	kernel  *nft.Kernel
	wire    *netlab.Wire
	passed  *watch.Group
	reports *watch.Group
}

func newGatewayLab(t *testing.T) *gatewayLab {
	t.Helper()
	outside, router := netlab.New(t), netlab.New(t)
	netlab.Join(t, "in0", outside, nil, router, []string{"192.168.77.1/24", "fdff:77::1/64"})
	netlab.Join(t, "out0", outside, nil, router, []string{"192.168.78.1/24", "fdff:78::1/64"})
	router.Route(t, "0.0.0.0/0", "192.168.78.2")
	router.Route(t, "::/0", "fdff:78::2")
	for key, value := range map[string]string{
		"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/in0/rp_filter": "0",
	} {
		router.Sysctl(t, key, value)
	}
	router.Run(t, "table inet probe { chain f { type filter hook forward priority 0; log group 99 queue-threshold 1; drop; }; }", "nft", "-f", "-")
	g := &gatewayLab{router: router, wire: netlab.NewWire(t, outside, "in0", router, "in0")}
	g.kernel = openKernel(t, router)
	g.passed, g.reports = joinGroup(t, router, probeGroup), joinGroup(t, router, nft.LogGroup)
	return g
}

func openKernel(t testing.TB, s *netlab.Space) *nft.Kernel {
	t.Helper()
	k, err := nft.Open(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func joinGroup(t testing.TB, s *netlab.Space, group uint16) *watch.Group {
	t.Helper()
	g, err := watch.JoinGroup(s.FD(), group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// send puts every packet on the wire, each with its number as payload, and waits
// until each has either passed or been reported as dropped.
func (g *gatewayLab) send(t *testing.T, r *nft.Ruleset, keys []flow.Key) []fate {
	t.Helper()
	for i, k := range keys {
		if err := g.wire.Send(netlab.Packet(k, numbered(i))); err != nil {
			t.Fatal(err)
		}
	}
	return gather(t, []observed{{g.passed, nil}, {g.reports, r}}, len(keys))
}

func numbered(i int) []byte { return binary.BigEndian.AppendUint64(nil, 0xb01ced0000000000|uint64(i)) }

// observed is a log group, with the ruleset whose reports it carries; nil for the
// probe.
type observed struct {
	group   *watch.Group
	ruleset *nft.Ruleset
}

// gather collects the fates of n numbered packets; nil, with the test failed, when
// some have none.
func gather(t *testing.T, from []observed, n int) []fate {
	t.Helper()
	fates := make([]fate, n)
	settled := map[int]bool{}
	look := func() {
		for _, o := range from {
			_, err := o.group.Receive(2*time.Millisecond, func(p watch.Packet) {
				if i, ok := number(p.Payload); ok && i < n && note(&fates[i], o.ruleset, p.Prefix) {
					settled[i] = true
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for deadline := time.Now().Add(10 * time.Second); len(settled) < n; look() {
		if time.Now().After(deadline) {
			t.Errorf("%d of %d packets were neither dropped nor seen to pass", n-len(settled), n)
			return nil
		}
	}
	time.Sleep(30 * time.Millisecond) // a report may still be under way behind its packet
	look()
	return fates
}

// note adds one observation to a fate; true when it settles it.
func note(f *fate, r *nft.Ruleset, prefix string) bool {
	if r == nil {
		f.passed = true
		return true
	}
	var word, id string
	fmt.Sscan(prefix, &word, &id)
	rep := r.Reports[id]
	if rep.Inbound {
		f.in = rep
		f.logged[1]++
	} else {
		f.out = rep
		f.logged[0]++
	}
	return rep.Dropped
}

// number reads the number a packet of ours ends with.
func number(packet []byte) (int, bool) {
	if len(packet) < 8 {
		return 0, false
	}
	v := binary.BigEndian.Uint64(packet[len(packet)-8:])
	return int(v & 0xffff), v>>16 == 0xb01ced000000
}

// TestRandomTextAndNetlinkSayTheSame: nft loads the text of random rulesets, and
// what it loaded is the ruleset.
func TestRandomTextAndNetlinkSayTheSame(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	s := netlab.New(t)
	k := openKernel(t, s)
	for seed := range uint64(30) {
		e := newEstate(5000 + seed)
		e.host.Mode, e.host.Text = nft.Mode(seed%2), true
		e.host.Self = []string{e.host.Workloads[0].ID}
		r, err := nft.Compile(e.set, e.host)
		if err != nil {
			t.Fatal(err)
		}
		s.Run(t, r.String(), "nft", "-f", "-")
		loaded, _, _, err := k.Read()
		if err != nil {
			t.Fatal(err)
		}
		if d := nft.Diff(loaded, r); !d.Empty() {
			t.Fatalf("seed %d: what nft loaded differs from the ruleset:\n%s\n%s", seed, d, r)
		}
	}
}
