package main

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/topology"
)

// TestHostsCannotTakeWhatIsNotTheirs: a host's labels reach the workload it speaks
// from and nobody else, whatever addresses it names; nor do others believe
// addresses that only it says it has.
func TestHostsCannotTakeWhatIsNotTheirs(t *testing.T) {
	web, db, free, other := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4")
	members := []topology.Member{
		{ID: "db", Labels: topology.Labels{"role": "db"}, Addrs: []netip.Addr{db}},
		{ID: "web", Labels: topology.Labels{"role": "unknown", "env": "prod"}, Addrs: []netip.Addr{web}},
	}
	host := func(from netip.Addr) controller.Host {
		return controller.Host{Enrolment: fleet.Enrolment{Name: "h", Role: fleet.Agent, Labels: topology.Labels{"role": "web"}},
			Addrs: []netip.Addr{web, db, free, other}, From: from, Enforces: true}
	}
	for name, tc := range map[string]struct {
		from   netip.Addr
		labels map[string]string // role, by member
		agents []string
	}{
		"speaks from its own":        {web, map[string]string{"db": "db", "web": "web"}, []string{"web"}},
		"speaks from an unheld one":  {free, map[string]string{"db": "db", "web": "unknown", "10.0.0.3": "web"}, []string{"10.0.0.3"}},
		"speaks through translation": {netip.Addr{}, map[string]string{"db": "db", "web": "unknown"}, nil},
	} {
		h := host(tc.from)
		got := withHosts(members, []controller.Host{h}, nil)
		if len(got) != len(tc.labels) {
			t.Errorf("%s: members %v", name, got)
		}
		for _, m := range got {
			if m.Labels["role"] != tc.labels[m.ID] {
				t.Errorf("%s: %s is %q, want %q", name, m.ID, m.Labels["role"], tc.labels[m.ID])
			}
		}
		var agents []string
		for _, w := range withAgents(hostWorkloads(got), got, []controller.Host{h}) {
			if w.Agent {
				agents = append(agents, w.ID)
			}
		}
		if !slices.Equal(agents, tc.agents) {
			t.Errorf("%s: agents %v, want %v", name, agents, tc.agents)
		}
		own := holders(withOwn(got, heldBy(got), &h), h.Addrs...)
		if !slices.Contains(own, "web") || !slices.ContainsFunc(own, func(id string) bool { return id == "10.0.0.3" || id == "10.0.0.4" }) {
			t.Errorf("%s: enforces for %v", name, own)
		}
	}
	if members[1].Labels["role"] != "unknown" {
		t.Error("the map's own labels were changed")
	}
}
