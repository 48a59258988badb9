package enforcer_test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestSwapsUnderLoad changes between two rulesets a thousand times while packets
// flow: none passes that both forbid, none is lost that both allow. The rulesets
// differ in the rules, in who the server is, in who the client is, or in both; the
// kernel is told in one to three transactions.
func TestSwapsUnderLoad(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	swaps := 1000
	if testing.Short() {
		swaps = 50
	}
	rules := func() [2]nft.Ruleset {
		h := (&routed{}).host(nft.ModeGateway)
		return [2]nft.Ruleset{mustCompile(t, swapSet(3000), h), mustCompile(t, swapSet(4000), h)}
	}
	moved := func(client, server string) [2]nft.Ruleset {
		return [2]nft.Ruleset{mustCompile(t, moveSet(), movedHost("x", "one")), mustCompile(t, moveSet(), movedHost(client, server))}
	}
	for _, tc := range []struct {
		what     string
		rulesets [2]nft.Ruleset
	}{
		{"rules", rules()},
		{"server takes another's labels", moved("x", "two")},
		{"server takes new labels", moved("x", "three")},
		{"client takes another's labels", moved("y", "one")},
		{"client takes new labels", moved("z", "one")},
	} {
		t.Run(tc.what, func(t *testing.T) { swapUnderLoad(t, tc.rulesets, swaps) })
	}
}

func mustCompile(t *testing.T, set *policy.Set, h nft.Host) nft.Ruleset {
	t.Helper()
	r, err := nft.Compile(set, h)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func swapUnderLoad(t *testing.T, rulesets [2]nft.Ruleset, swaps int) {
	g := newGatewayLab(t)
	g.router.Run(t, "flush table inet probe; table inet probe { chain f { type filter hook forward priority 0; "+
		"udp dport 1000 counter drop; udp dport 2000 counter drop; udp dport 3000 counter drop; drop; }; }", "nft", "-f", "-")
	if _, err := g.kernel.Apply(t.Context(), rulesets[0]); err != nil {
		t.Fatal(err)
	}
	stop, sent := make(chan struct{}), make(chan uint64)
	go g.flood(stop, sent)
	for i := range swaps {
		if _, err := g.kernel.Apply(t.Context(), rulesets[(i+1)%2]); err != nil {
			t.Errorf("swap %d: %v", i, err)
			break
		}
	}
	close(stop)
	n := <-sent
	time.Sleep(200 * time.Millisecond)
	passed := g.probeCounters(t)
	t.Logf("%d swaps under %d packets of each kind; passed: %v", swaps, n, passed)
	if passed[1000] != n {
		t.Errorf("of %d packets both allow, %d passed", n, passed[1000])
	}
	if passed[2000] != 0 {
		t.Errorf("%d packets passed that both forbid", passed[2000])
	}
	if passed[3000] == 0 || passed[3000] == n {
		t.Errorf("%d of %d packets passed that one allows: the swaps were not seen", passed[3000], n)
	}
}

// movedHost is the routed pair with these labels, beside others who keep some in use.
func movedHost(client, server string) nft.Host {
	h := (&routed{}).host(nft.ModeGateway)
	h.Workloads[0].Labels = topology.Labels{"role": "client", "part": client}
	h.Workloads[1].Labels = topology.Labels{"role": "server", "part": server}
	for i, part := range []string{"x", "y"} {
		h.Workloads = append(h.Workloads, nft.Workload{ID: "client" + part, Labels: topology.Labels{"role": "client", "part": part},
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 9, 1, byte(i)})}})
	}
	for i, part := range []string{"one", "two"} {
		h.Workloads = append(h.Workloads, nft.Workload{ID: "server" + part, Labels: topology.Labels{"role": "server", "part": part},
			Addrs: []netip.Addr{netip.AddrFrom4([4]byte{10, 9, 2, byte(i)})}})
	}
	return h
}

// moveSet lets every client use port 1000 of every server, and client x port 3000 of
// server one; port 2000 is nobody's.
func moveSet() *policy.Set {
	set := closed(policy.Enforce)
	sel := func(role string, parts ...string) []policy.Peer {
		s := policy.Select(topology.Labels{"role": role})
		if len(parts) > 0 {
			s = append(s, policy.Requirement{Key: "part", In: parts})
		}
		return []policy.Peer{{Selector: s}}
	}
	udp := func(p uint16) []policy.Service { return []policy.Service{{Proto: flow.UDP, From: p, To: p}} }
	set.Policies[0].Rules = []policy.Rule{
		{Name: "all", From: sel("client"), To: sel("server"), Services: udp(1000)},
		{Name: "one", From: sel("client", "x"), To: sel("server", "one"), Services: udp(3000)},
		{Name: "others", From: sel("client", "y", "z"), To: sel("server", "two", "three"), Services: udp(4000)},
	}
	return set
}

// swapSet allows port 1000 and one more; the rules are named apart so that chains
// are replaced, not only elements.
func swapSet(extra uint16) *policy.Set {
	set := closed(policy.Enforce)
	udp := func(p uint16) policy.Service { return policy.Service{Proto: flow.UDP, From: p, To: p} }
	any := []policy.Peer{{Any: true}}
	name := map[uint16]string{3000: "with-3000", 4000: "with-4000"}[extra]
	set.Policies[0].Rules = []policy.Rule{{Name: name, From: any, To: any, Services: []policy.Service{udp(1000), udp(extra), udp(5000)}}}
	return set
}

// flood sends packets of three kinds until stop, each as a new flow, and says how
// many of each.
func (g *gatewayLab) flood(stop <-chan struct{}, sent chan<- uint64) {
	k := flow.Key{Client: netip.MustParseAddr("10.8.1.2"), Server: netip.MustParseAddr("10.8.2.2"), Proto: flow.UDP}
	var packets [3][]byte
	for i := range packets {
		k.ServerPort = uint16(1000 * (i + 1))
		packets[i] = netlab.Packet(k, numbered(i))
	}
	for n := uint64(0); ; n++ {
		select {
		case <-stop:
			sent <- n
			return
		default:
		}
		for i := range packets {
			p := packets[i]
			binary.BigEndian.PutUint16(p[20:], uint16(1024+n%60000)) // source port
			p[26], p[27] = 0, 0                                      // no checksum (RFC 768)
			for g.wire.Send(p) != nil {
				time.Sleep(time.Millisecond) // the device's queue is full
			}
		}
	}
}

// probeCounters reads what passed our table, by port.
func (g *gatewayLab) probeCounters(t *testing.T) map[int]uint64 {
	t.Helper()
	return parseCounters(t, g.router.Run(t, "", "nft", "list", "table", "inet", "probe"))
}

func parseCounters(t *testing.T, listing string) map[int]uint64 {
	t.Helper()
	out := map[int]uint64{}
	for _, line := range strings.Split(listing, "\n") {
		var port int
		var packets uint64
		if n, _ := fmt.Sscanf(strings.TrimSpace(line), "udp dport %d counter packets %d", &port, &packets); n == 2 {
			out[port] = packets
		}
	}
	if len(out) != 3 {
		t.Fatalf("no counters in:\n%s", listing)
	}
	return out
}
