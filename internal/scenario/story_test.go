package scenario_test

import (
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// What the scenario promises is in the default estate.
func TestStoryIsInTheTraffic(t *testing.T) {
	truth := generate(t, scenario.Options{}).Truth()
	concerns := map[policy.Concern]int{}
	flows := map[bool]uint64{}
	days := map[string]uint32{}
	ipv6 := 0
	for _, e := range truth.Edges {
		concerns[e.Concern]++
		flows[e.Legitimate] += e.Flows
		if e.Client.Addr.Is6() {
			ipv6++
		}
		if e.Legitimate != (e.Concern == "") || !e.Legitimate && e.Why == "" {
			t.Errorf("%s → %s %s: legitimate %v, concern %q, why %q", e.ClientID, e.ServerID, e.Service, e.Legitimate, e.Concern, e.Why)
		}
		if e.ClientID == "finance-batch01" && strings.HasPrefix(e.ServerID, "payments-db") {
			days["month-end"] = e.Days
		}
	}
	for _, want := range []policy.Concern{policy.ConcernVendor, policy.ConcernOneOff, policy.ConcernCrossEnv, policy.ConcernCleartext,
		policy.ConcernUnlabelled, policy.ConcernWorkstation, policy.ConcernScanner} {
		if concerns[want] == 0 {
			t.Errorf("no edge raises %q", want)
		}
	}
	if days["month-end"] != 1 {
		t.Errorf("the month-end job ran on %d days, want 1", days["month-end"])
	}
	if share := float64(ipv6) / float64(len(truth.Edges)); share < 0.01 || share > 0.3 {
		t.Errorf("%.3f of the edges are IPv6", share)
	}
	if share := float64(flows[false]) / float64(flows[true]); share > 0.02 {
		t.Errorf("%.3f of the flows are illegitimate", share)
	}
	for _, kind := range []string{"dns", "directory", "dhcp", "ntp", "monitoring", "backup", "logging", "config", "patch", "jump", "proxy", "load-balancer", "scanner"} {
		found := false
		for _, k := range truth.Infrastructure {
			found = found || k == kind
		}
		if !found {
			t.Errorf("no %s", kind)
		}
	}
}

func TestScannersFindClosedDoors(t *testing.T) {
	outcomes := func(o scenario.Options) map[flow.Outcome]int {
		_, probes := generate(t, o).Edges()
		n := map[flow.Outcome]int{}
		for _, p := range probes {
			n[p.Outcome]++
		}
		return n
	}
	with, without := outcomes(scenario.Options{}), outcomes(scenario.Options{Noise: scenario.Noise{NoScanners: true}})
	if with[flow.Refused] < 500 || with[flow.Unanswered] < 500 {
		t.Errorf("scanners leave %v, want hundreds of either", with)
	}
	if without[flow.Refused] == 0 || without[flow.Unanswered] == 0 || without[flow.Refused] > 50 || without[flow.Unanswered] > 50 {
		t.Errorf("without scanners there are %v, want a few of either", without)
	}
}

// An address that changes hands belongs to whoever holds it: stamping from the
// inventory gives the true workloads.
func TestReusedAddressBelongsToItsHolder(t *testing.T) {
	e := generate(t, scenario.Options{})
	index, err := topology.NewIndex(e.Inventory(false))
	if err != nil {
		t.Fatal(err)
	}
	holders := map[netip.Addr]map[uint64]bool{}
	err = e.Flows(func(r flow.Record) error {
		stamped := r
		index.Stamp(&stamped)
		if stamped.ClientWorkload != r.ClientWorkload || stamped.ServerWorkload != r.ServerWorkload {
			t.Fatalf("flow %d at %s: stamped %x → %x, true %x → %x", r.ID, r.First.Std(), stamped.ClientWorkload, stamped.ServerWorkload, r.ClientWorkload, r.ServerWorkload)
		}
		for addr, key := range map[netip.Addr]uint64{r.Key.Client: r.ClientWorkload, r.Key.Server: r.ServerWorkload} {
			if holders[addr] == nil {
				holders[addr] = map[uint64]bool{}
			}
			holders[addr][key] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	reused := 0
	for _, keys := range holders {
		if len(keys) == 2 {
			reused++
		}
	}
	if reused != 1 {
		t.Errorf("%d addresses changed hands, want 1", reused)
	}
}

func TestTranslationHidesClients(t *testing.T) {
	e := generate(t, scenario.Options{Noise: scenario.Noise{NAT: true}})
	edges, _ := e.Edges()
	pool := netip.MustParsePrefix("10.251.0.0/24")
	hidden := map[netip.Addr]int{}
	for _, x := range edges {
		if pool.Contains(x.Client.Addr) {
			hidden[x.Client.Addr]++
			if x.Client.Workload != 0 {
				t.Fatalf("%s is stamped with a workload", x.Client.Addr)
			}
		}
	}
	if len(hidden) != 4 {
		t.Errorf("clients hide behind %d addresses, want 4", len(hidden))
	}
	for _, x := range e.Truth().Edges {
		if pool.Contains(x.Client.Addr) {
			t.Fatal("truth names a translated address")
		}
	}
}

// A chain watched for three months closes its months every four weeks.
func TestMonthsCloseEveryFourWeeks(t *testing.T) {
	e := generate(t, scenario.Options{Workloads: 200, Days: 84, Rate: 0.5, Start: time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)})
	var ran []string
	if err := e.Flows(func(r flow.Record) error {
		if r.Key.ServerPort == 3306 && r.ClientWorkload == topology.WorkloadKey("finance-batch01") {
			if day := r.First.Std().Format("Mon 2006-01-02"); len(ran) == 0 || ran[len(ran)-1] != day {
				ran = append(ran, day)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	want := "Sat 2026-01-31 Sat 2026-02-28 Sat 2026-03-28"
	if got := strings.Join(ran, " "); got != want {
		t.Errorf("months closed on %s, want %s", got, want)
	}
}

func TestMistakesInAScenarioAreNamed(t *testing.T) {
	head := "apiVersion: bulkhead/v1\nkind: Scenario\nname: x\ndomain: x.example\nsites: [{name: dc, prefix: 10.0.0.0/16, block: 24}]\n"
	for text, want := range map[string]string{
		"colour: red": "colour",
		"applications: [{name: a, site: moon, roles: [{name: r, count: 1}]}]":                                                                               "moon",
		"applications: [{name: a, site: dc, roles: [{name: r, count: 1}], flows: [{from: [r], to: [q], services: [tcp/1], rate: 1}]}]":                      `"q"`,
		"applications: [{name: a, site: dc, roles: [{name: r, count: 1}], flows: [{from: [r], to: [r], services: [tcp/x], rate: 1}]}]":                      "tcp/x",
		"applications: [{name: a, site: dc, roles: [{name: r, count: 1}], flows: [{from: [r], to: [r], services: [tcp/1], rate: 1, schedule: sometimes}]}]": "sometimes",
		"applications: [{name: a, site: dc, roles: [{name: r, count: 1}], flows: [{from: [r], to: [r], services: [tcp/1]}]}]":                               "rate",
		"outside: [{name: o, kind: heaven, prefixes: [10.0.0.0/8], hosts: 1}]":                                                                              "heaven",
		"reuse: [{from: a/b, to: c/d}]": "a/b",
	} {
		_, err := scenario.ParseSpec([]byte(head+text), "x.yaml")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v does not name %s", text, err, want)
		}
	}
}

func TestOptionsOutOfRangeAreRefused(t *testing.T) {
	for _, o := range []scenario.Options{{Workloads: 3}, {Workloads: 1 << 20}, {Days: -1}, {Rate: -1}, {Noise: scenario.Noise{MissingDays: 8}}, {Noise: scenario.Noise{OneWay: 2}}} {
		if _, err := scenario.Generate(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func BenchmarkWritePcap(b *testing.B) {
	e := generate(b, scenario.Options{Days: 1})
	for b.Loop() {
		if err := e.WritePcap(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEdges(b *testing.B) {
	e := generate(b, scenario.Options{Workloads: 1000})
	for b.Loop() {
		e.Edges()
	}
}

// Every scenario file makes an estate at several sizes, with the same invariants.
func TestEveryScenarioIsAnEstate(t *testing.T) {
	for name, load := range map[string]func() (*scenario.Spec, error){"retail": scenario.Retail, "hospital": scenario.Hospital, "plant": scenario.Plant} {
		spec, err := load()
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{300, 1500} {
			e := generate(t, scenario.Options{Workloads: n, Days: 7, Spec: spec})
			if _, err := topology.NewIndex(e.Inventory(true)); err != nil {
				t.Errorf("%s with %d workloads: %v", name, n, err)
			}
			edges, _ := e.Edges()
			truth := e.Truth()
			if len(edges) != len(truth.Edges) || len(edges) < 5*n {
				t.Errorf("%s with %d workloads: %d edges, %d of them true", name, n, len(edges), len(truth.Edges))
			}
			for id, l := range truth.Labels {
				if len(l) != 4 {
					t.Fatalf("%s: %s is labelled %s", name, id, l)
				}
			}
		}
	}
}
