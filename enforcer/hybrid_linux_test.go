package enforcer_test

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// TestHostsBehindAGatewayAgreeWithEvaluate sends random packets from a host through
// a gateway to another host. Either end may have an agent of its own or be left to
// the gateway; rules may name processes. The fate is policy.Evaluate's, and no end
// is reported twice.
func TestHostsBehindAGatewayAgreeWithEvaluate(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	rulesets, clients, services := 40, 5, 20
	if testing.Short() {
		rulesets = 12
	}
	lab := newHybridLab(t)
	tally := tally{}
	for seed := range uint64(rulesets) {
		e := newEstate(9000 + seed)
		e.nameProcesses()
		server := pick(e.r, e.host.Workloads)
		agents := lab.serve(t, e, server)
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
			fates := lab.send(t, e, keys, agents)
			if fates == nil {
				t.Fatalf("seed %d: packets %v → %v were neither dropped nor seen to pass", seed, from, to)
			}
			tally.compare(t, e, keys, fates)
			for i, f := range fates {
				if f.logged[0] > 1 || f.logged[1] > 1 {
					t.Errorf("%v → %v %v: reported %d times as the client's and %d times as the server's", from, to, keys[i].Service(), f.logged[0], f.logged[1])
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, %v → %v, agents %v; gateway:\n%s\nserver:\n%s\nclient:\n%s", seed, from, to, agents, lab.gatewayRules, lab.serverRules, lab.clientRules)
			}
		}
		lab.stop(t, server)
	}
	tally.report(t)
}

// nameProcesses makes some rules hold for one process only.
func (e *estate) nameProcesses() {
	for i := range e.set.Policies {
		for j := range e.set.Policies[i].Rules {
			if e.r.IntN(3) == 0 {
				e.set.Policies[i].Rules[j].Process = pick(e.r, []string{"api.service", "db.service"})
			}
		}
	}
}

// hybridLab is a host lab with a gateway on the path.
type hybridLab struct {
	hostLab
	gateway       *netlab.Space
	gatewayKernel *nft.Kernel
	gatewayLog    *watch.Group
	gatewayRules  nft.Ruleset
}

func newHybridLab(t *testing.T) *hybridLab {
	t.Helper()
	l := &hybridLab{hostLab: hostLab{clientSpace: netlab.New(t), serverSpace: netlab.New(t)}, gateway: netlab.New(t)}
	netlab.Join(t, "c0", l.clientSpace, []string{"192.168.77.2/24", "fdff:77::2/64"}, l.gateway, []string{"192.168.77.1/24", "fdff:77::1/64"})
	netlab.Join(t, "s0", l.gateway, []string{"192.168.78.1/24", "fdff:78::1/64"}, l.serverSpace, []string{"192.168.78.2/24", "fdff:78::2/64"})
	l.clientSpace.Route(t, "0.0.0.0/0", "192.168.77.1")
	l.clientSpace.Route(t, "::/0", "fdff:77::1")
	l.gateway.Route(t, "0.0.0.0/0", "192.168.78.2")
	l.gateway.Route(t, "::/0", "fdff:78::2")
	l.serverSpace.Route(t, "0.0.0.0/0", "192.168.78.1")
	l.serverSpace.Route(t, "::/0", "fdff:78::1")
	for _, key := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		l.gateway.Sysctl(t, key, "1")
	}
	for _, s := range []*netlab.Space{l.gateway, l.serverSpace} {
		s.Sysctl(t, "ipv4/conf/all/rp_filter", "0")
	}
	l.gateway.Sysctl(t, "ipv4/conf/c0/rp_filter", "0")
	l.serverSpace.Sysctl(t, "ipv4/conf/s0/rp_filter", "0")
	for _, a := range []string{"192.168.77.1", "fdff:77::1"} {
		l.clientSpace.Neighbour(t, "c0", a, l.gateway)
	}
	for _, a := range []string{"192.168.78.2", "fdff:78::2"} {
		l.gateway.Neighbour(t, "s0", a, l.serverSpace)
	}
	l.serverSpace.Run(t, "table inet probe { chain i { type filter hook input priority 0; log group 99 queue-threshold 1; drop; }; }", "nft", "-f", "-")
	l.clientKernel, l.serverKernel, l.gatewayKernel = openKernel(t, l.clientSpace), openKernel(t, l.serverSpace), openKernel(t, l.gateway)
	l.clientReports, l.serverReports = joinGroup(t, l.clientSpace, nft.LogGroup), joinGroup(t, l.serverSpace, nft.LogGroup)
	l.gatewayLog, l.passed = joinGroup(t, l.gateway, nft.LogGroup), joinGroup(t, l.serverSpace, probeGroup)
	l.raw = netlab.NewRaw(t, l.clientSpace)
	return l
}

// serve makes the server host be a workload, draws who has an agent, and puts the
// gateway's ruleset in force.
func (l *hybridLab) serve(t *testing.T, e *estate, w nft.Workload) (agents []string) {
	t.Helper()
	for i := range e.host.Workloads {
		if e.host.Workloads[i].Agent = e.r.IntN(2) == 0; e.host.Workloads[i].Agent {
			agents = append(agents, e.host.Workloads[i].ID)
		}
	}
	for _, a := range w.Addrs {
		l.serverSpace.Address(t, "s0", single(a))
	}
	e.host.Mode = nft.ModeHost
	l.serverRules = apply(t, l.serverKernel, e.set, e.host, agentOf(w.ID, agents))
	gateway := e.host
	gateway.Mode = nft.ModeGateway
	l.gatewayRules = apply(t, l.gatewayKernel, e.set, gateway, "")
	return agents
}

func (l *hybridLab) stop(t *testing.T, w nft.Workload) {
	t.Helper()
	for _, a := range w.Addrs {
		l.serverSpace.Unaddress(t, "s0", single(a))
	}
}

// agentOf is the workload if it has an agent, else nobody.
func agentOf(id string, agents []string) string {
	if slices.Contains(agents, id) {
		return id
	}
	return ""
}

func (l *hybridLab) send(t *testing.T, e *estate, keys []flow.Key, agents []string) []fate {
	t.Helper()
	id, _ := e.holder(keys[0].Client)
	l.clientRules = apply(t, l.clientKernel, e.set, e.host, agentOf(id, agents))
	for i, k := range keys {
		if err := l.raw.Send(netlab.Packet(k, numbered(i))); err != nil && !errors.Is(err, unix.EPERM) {
			t.Fatalf("send %v: %v", k, err)
		}
	}
	return gather(t, []observed{{l.passed, nil}, {l.serverReports, &l.serverRules}, {l.clientReports, &l.clientRules},
		{l.gatewayLog, &l.gatewayRules}}, len(keys))
}

// TestGatewayLeavesProcessesToTheHost: behind a gateway, a rule for a unit holds for
// sockets of that unit only, as the host's agent says; for a workload without an
// agent nobody can tell, and what only such a rule would allow is blocked.
func TestGatewayLeavesProcessesToTheHost(t *testing.T) {
	testenv.Need(t, "netns", "redis-server", "redis-cli")
	root, err := nft.CgroupRoot()
	if err != nil {
		testenv.Unable(t, "%v", err)
	}
	client, gateway, server := netlab.New(t), netlab.New(t), netlab.New(t)
	netlab.Join(t, "c0", client, []string{"10.7.1.1/24"}, gateway, []string{"10.7.1.254/24"})
	netlab.Join(t, "s0", gateway, []string{"10.7.0.254/24"}, server, []string{"10.7.0.2/24"})
	client.Route(t, "0.0.0.0/0", "10.7.1.254")
	server.Route(t, "0.0.0.0/0", "10.7.0.254")
	gateway.Sysctl(t, "ipv4/ip_forward", "1")
	good, other := makeCgroup(t, root, "bulkhead-good.service"), makeCgroup(t, root, "bulkhead-other.service")
	startInGroup(t, server, good, "redis-server", "--port", "6379", "--bind", "10.7.0.2", "--save", "", "--protected-mode", "no", "--dir", t.TempDir())
	startInGroup(t, server, other, "redis-server", "--port", "6380", "--bind", "10.7.0.2", "--save", "", "--protected-mode", "no", "--dir", t.TempDir())
	ping := func(port string) bool { return pingRedis(client, nil, "10.7.0.2", port) }
	eventually(t, "both answer", func() bool { return ping("6379") && ping("6380") })

	groups, err := nft.FindCgroups(root, []string{"bulkhead-good.service"})
	if err != nil {
		t.Fatal(err)
	}
	set, host := processSet(), cacheHost()
	host.Cgroups = groups
	behind := cacheHost()
	behind.Mode, behind.Self = nft.ModeGateway, nil
	behind.Workloads = slices.Clone(behind.Workloads)
	for i := range behind.Workloads {
		if slices.Contains(behind.Workloads[i].Addrs, netip.MustParseAddr("10.7.0.2")) {
			behind.Workloads[i].Agent = true
		}
	}
	serverKernel, gatewayKernel := openKernel(t, server), openKernel(t, gateway)
	put := func(k *nft.Kernel, set *policy.Set, h nft.Host) {
		t.Helper()
		r, err := nft.Compile(set, h)
		if err == nil {
			_, err = k.Apply(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string, wantGood, wantOther bool) {
		t.Helper()
		if a, b := ping("6379"), ping("6380"); a != wantGood || b != wantOther {
			t.Errorf("%s: the rule's unit answers %v, another %v; want %v and %v", what, a, b, wantGood, wantOther)
		}
	}
	put(serverKernel, set, host)
	put(gatewayKernel, set, behind)
	check("agent and gateway", true, false)
	for i := range behind.Workloads {
		behind.Workloads[i].Agent = false
	}
	put(gatewayKernel, set, behind)
	check("a gateway that does not know of the agent", false, false)
}
