package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// What docs/truth.md says of the described systems holds: whatever is legitimate
// passes, and nothing that was not seen or that the expected policies refuse.
func TestDescribedSystemsHoldTheLine(t *testing.T) {
	testenv.Need(t, "corpus")
	systems, err := loadDescribed()
	if err != nil {
		t.Fatal(err)
	}
	type total struct{ Systems, Legitimate, Rules, Pairs, Seen, Expected, Left int }
	got := map[string]total{}
	for _, d := range systems {
		s, err := d.score()
		if err != nil {
			t.Fatalf("%s %s: %v", d.dataset, d.name, err)
		}
		if s.allowed != s.legitimate || s.unseen != 0 || s.notExpected != 0 || s.expectedPass != s.expected || s.rules > s.pairs {
			t.Errorf("%s %s: %+v", d.dataset, d.name, s)
		}
		x := got[d.dataset]
		got[d.dataset] = total{x.Systems + 1, x.Legitimate + s.legitimate, x.Rules + s.rules, x.Pairs + s.pairs, x.Seen + s.seen, x.Expected + d.rules, x.Left + d.left}
	}
	want := map[string]total{
		"np-guard-topology":       {Systems: 6, Legitimate: 351, Rules: 28, Pairs: 39, Seen: 117, Expected: 39, Left: 7},
		"microsecend":             {Systems: 10, Legitimate: 1746, Rules: 68, Pairs: 194, Seen: 582, Left: 28},
		"inspektor-gadget-advise": {Systems: 9, Legitimate: 9, Rules: 9, Pairs: 9, Seen: 9, Expected: 10},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("datasets (-want +got):\n%s", diff)
	}
}

// A pair that the expected policies refuse shows in the score, and so does a
// judge that lets everything or nothing pass: no figure is good by construction.
func TestScoreShowsWhatIsWrong(t *testing.T) {
	tcp := func(port uint16) flow.Service { return flow.Service{Proto: flow.TCP, Port: port} }
	d := described{name: "shop", calls: []call{{"web", "db", tcp(5432)}, {"web", "cache", tcp(6379)}, {"web", "db", tcp(5432)}}}
	d.expected = func(c call) bool { return c.server == "db" && c.service == tcp(5432) && c.client == "web" }
	s, err := d.score()
	if err != nil {
		t.Fatal(err)
	}
	want := describedScore{services: 3, pairs: 2, seen: 6, legitimate: 18, allowed: 18, rules: 2, notExpected: 1, expected: 1, expectedPass: 1}
	if diff := cmp.Diff(want, s, cmp.AllowUnexported(describedScore{})); diff != "" {
		t.Errorf("score (-want +got):\n%s", diff)
	}
	n, err := d.network()
	if err != nil {
		t.Fatal(err)
	}
	var open describedScore
	d.compare(n, func(string, string, flow.Service) bool { return true }, &open)
	// Nine pairs, three ports about each of two, less the two seen.
	if open.unseen != 9*6-2 || open.notExpected != 9*6-1 {
		t.Errorf("everything open: %+v", open)
	}
	var shut describedScore
	d.compare(n, func(string, string, flow.Service) bool { return false }, &shut)
	if shut.expected != 1 || shut.expectedPass != 0 {
		t.Errorf("everything shut: %+v", shut)
	}
}

func TestEventEnds(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	want := []call{{"d/app=web", "e/app=db", flow.Service{Proto: flow.TCP, Port: 80}}}
	for name, text := range map[string]string{
		"connect": `[{"type":"connect","remote_kind":"svc","port":80,"local_pod_namespace":"d","local_pod_labels":{"app":"web","pod-template-hash":"1"},"remote_svc_namespace":"e","remote_svc_label_selector":{"app":"db"}}]`,
		"accept":  `[{"type":"accept","remote_kind":"pod","port":80,"local_pod_namespace":"e","local_pod_labels":{"app":"db"},"remote_pod_namespace":"d","remote_pod_labels":{"app":"web","pod-template-hash":"2"}}]`,
	} {
		path := write(name+".input", text)
		write(name+".golden", "")
		d, err := loadTrace(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, d.calls, cmp.AllowUnexported(call{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	packets := write("packets.input", `{"type":"normal","k8s":{"namespace":"d","podname":"p"},"pktType":"OUTGOING","proto":"udp","port":53,"dst":{"namespace":"e","name":"dns"}}
{"type":"normal","k8s":{"namespace":"d","podname":"p"},"pktType":"HOST","proto":"udp","port":53}`)
	write("packets.golden", "")
	if _, err := loadTrace(packets); err == nil {
		t.Error("a direction that is not known passed")
	}
	events, err := loadEvents(packets)
	if err != nil {
		t.Fatal(err)
	}
	client, server, s, err := events[0].ends()
	if err != nil || client.key() != "d/p" || server.key() != "e/dns" || s != (flow.Service{Proto: flow.UDP, Port: 53}) {
		t.Errorf("%s to %s over %v, %v", client.key(), server.key(), s, err)
	}
}

// The truth table of goldenAdmits: web of d may reach db of e on tcp/80 and
// nothing else; db takes anything of its own namespace on tcp/80.
func TestGoldenAdmits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.golden")
	text := `metadata: {namespace: d}
spec:
  podSelector: {matchLabels: {app: web}}
  egress: [{to: [{namespaceSelector: {matchLabels: {name: e}}, podSelector: {matchLabels: {app: db}}}], ports: [{port: 80, protocol: TCP}]}]
---
metadata: {namespace: e}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - {from: [{podSelector: {}}], ports: [{port: 80, protocol: TCP}]}
  - {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: d}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: 80, protocol: TCP}]}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	policies, err := loadGolden(path)
	if err != nil || len(policies) != 2 {
		t.Fatalf("%d policies, %v", len(policies), err)
	}
	pod := func(namespace, app string) peer { return newPeer(namespace, app, map[string]string{"app": app}) }
	for _, c := range []struct {
		client, server peer
		s              flow.Service
		want           bool
	}{
		{pod("d", "web"), pod("e", "db"), flow.Service{Proto: flow.TCP, Port: 80}, true},
		{pod("d", "web"), pod("e", "db"), flow.Service{Proto: flow.UDP, Port: 80}, false},
		{pod("d", "web"), pod("e", "db"), flow.Service{Proto: flow.TCP, Port: 81}, false},
		{pod("d", "web"), pod("d", "db"), flow.Service{Proto: flow.TCP, Port: 80}, false}, // another namespace's db
		{pod("d", "job"), pod("e", "db"), flow.Service{Proto: flow.TCP, Port: 80}, false},
		{pod("e", "job"), pod("e", "db"), flow.Service{Proto: flow.TCP, Port: 80}, true},
		{pod("e", "db"), pod("d", "web"), flow.Service{Proto: flow.TCP, Port: 80}, false}, // both selected, no clause
		{pod("f", "job"), pod("f", "db"), flow.Service{Proto: flow.TCP, Port: 9}, true},   // nothing selects them
	} {
		if got := goldenAdmits(policies, c.client, c.server, c.s); got != c.want {
			t.Errorf("%s to %s over %v: %v, want %v", c.client.key(), c.server.key(), c.s, got, c.want)
		}
	}
}
