package recommender_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/topology"
)

// A jump host that reaches one more server once does what it always does; a file
// server that does so once does not.
func TestOnceIsNoNewsOfWhatIsAHabit(t *testing.T) {
	often := func(client, server, service string) sighting {
		return sighting{client, server, service, 90, 9, flow.EvidenceSYN}
	}
	once := func(client, server, service string) sighting {
		return sighting{client, server, service, 1, 1, flow.EvidenceSYN}
	}
	habit := []sighting{often("jump", "files", "tcp/22"), often("jump", "ftp", "tcp/22"), often("jump", "mon", "tcp/22"),
		often("web", "files", "tcp/443"), often("api", "files", "tcp/443"), often("mon", "files", "tcp/443")}
	for _, c := range []struct {
		what sighting
		want policy.Concern
	}{
		{once("jump", "web", "tcp/22"), ""},
		{once("files", "web", "tcp/22"), policy.ConcernOneOff},
		{once("jump", "web", "tcp/8080"), policy.ConcernOneOff},
		{once("ftp", "files", "tcp/443"), ""},
		{once("ftp", "files", "tcp/9443"), policy.ConcernOneOff},
	} {
		rec := recommended(t, smallMap(append(slices.Clone(habit), c.what)), nil, recommender.Options{Level: policy.ServiceLevel})
		got := policy.Concern("")
		if len(rec.Decisions) > 0 {
			got = rec.Decisions[0].Concern
		}
		if got != c.want || len(rec.Decisions) > 1 {
			t.Errorf("%s to %s on %s: %q (%d decisions), want %q", c.what.client, c.what.server, c.what.service, got, len(rec.Decisions), c.want)
		}
	}
}

// What waits for a decision is held back at every level, also inside a ringfence;
// allow and watch let it go, and a recommendation that builds on the one that held
// it drops the rule.
func TestWhatWaitsIsHeldBack(t *testing.T) {
	m, probes, e := estateMap(t, scenario.Options{})
	opt := recommender.Options{Level: policy.Ringfence, Networks: e.Inventory(true).Networks}
	rec := recommended(t, m, probes, opt)
	holds := func(set *policy.Set) (names []string) {
		for _, p := range set.Policies {
			for _, r := range p.Rules {
				if strings.HasPrefix(r.Name, "hold-") {
					names = append(names, r.Name)
				}
			}
		}
		return names
	}
	held := holds(rec.Set)
	if len(held) == 0 {
		t.Fatal("nothing is held back inside the ringfences")
	}
	at := slices.IndexFunc(rec.Decisions, func(d policy.Decision) bool { return strings.HasPrefix(held[0], "hold-"+d.ID) })
	if at < 0 || !strings.Contains(rec.Decisions[at].Why, "holds it back") {
		t.Fatalf("%s belongs to no decision, or it does not say so", held[0])
	}
	opt.Base = rec.Set
	for answer, want := range map[string]bool{policy.AnswerDeny: true, policy.AnswerWatch: false, policy.AnswerAllow: false} {
		opt.Answers = map[string]string{rec.Decisions[at].ID: answer}
		if got := slices.Contains(holds(recommended(t, m, probes, opt).Set), held[0]); got != want {
			t.Errorf("answered %s: held %t, want %t", answer, got, want)
		}
	}
}

// A pool of translated addresses never gets a rule without being asked about.
func TestATranslatedAddressIsAskedAbout(t *testing.T) {
	m := smallMap([]sighting{{"net:partner", "web", "tcp/443", 900, 9, flow.EvidenceSYN}, {"api", "web", "tcp/443", 900, 9, flow.EvidenceSYN}})
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == "net:partner" {
			m.Graph.Nodes[i].Kind = topology.NodeNAT
		}
	}
	networks := []topology.Network{{Name: "partner", NAT: true, Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}}
	opt := recommender.Options{Level: policy.ServiceLevel, Networks: networks}
	rec := recommended(t, m, nil, opt)
	if len(rec.Decisions) != 1 || rec.Decisions[0].Concern != policy.ConcernNAT || !strings.Contains(rec.Decisions[0].Why, "which of them asked is not known") {
		t.Fatalf("decisions %+v, want one for the translated address", rec.Decisions)
	}
	for _, p := range rec.Set.Policies {
		for _, r := range p.Rules {
			if slices.ContainsFunc(r.From, func(pe policy.Peer) bool { return pe.Network == "partner" || pe.Prefix.IsValid() }) {
				t.Errorf("rule %s of %s is for the translated address", r.Name, p.Name)
			}
		}
	}
	opt.Answers = map[string]string{rec.Decisions[0].ID: policy.AnswerAllow}
	if rec = recommended(t, m, nil, opt); countRules(rec.Set) != 2 {
		t.Errorf("%d rules once it was allowed, want 2", countRules(rec.Set))
	}
}
