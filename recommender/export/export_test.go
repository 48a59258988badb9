package export_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

// shop is a small set with its map: two web servers, a database, a partner
// network, an administrator's address.
func shop(t testing.TB) export.Input {
	t.Helper()
	set, err := policy.Parse([]byte(shopYAML), "shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := &topology.Map{}
	add := func(id, role string, addrs ...string) {
		n := topology.Node{ID: id, Name: id, Kind: topology.NodeWorkload, Labels: topology.Labels{"role": role, "app": "shop", "env": "prod"}}
		for _, a := range addrs {
			n.Addrs = append(n.Addrs, netip.MustParseAddr(a))
		}
		m.Graph.Nodes = append(m.Graph.Nodes, n)
		m.Labels = append(m.Labels, n.Labels)
	}
	add("db1", "db", "10.0.2.1")
	add("web1", "web", "10.0.1.1", "fd00::1:1")
	add("web2", "web", "10.0.1.2")
	return export.Input{Set: set, Map: m, At: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
}

const shopYAML = `
apiVersion: bulkhead/v1
kind: NetworkList
spec:
  networks:
  - {name: partners, prefixes: [192.0.2.0/25, 2001:db8:7::/48], domains: ["*.partner.example"]}
---
apiVersion: bulkhead/v1
kind: BreakGlass
spec: {networks: [10.255.0.0/28]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: shop-prod, description: The web shop.}
spec:
  scope: {app: shop, env: prod}
  stage: enforce
  egress: restrict
  rules:
  - {name: partners-to-web, from: [{network: partners}], to: [{role: web, app: shop, env: prod}], services: [https, udp/443]}
  - {name: web-to-db, from: [{role: web, app: shop, env: prod}], to: [{role: db, app: shop, env: prod}], services: [tcp/5432]}
  - {name: admin, from: [{cidr: 10.9.0.5/32}], to: [{app: shop, env: prod}], services: [ssh, ping]}
  - {name: db-to-feed, from: [{role: db, app: shop, env: prod}], to: [{domain: feed.example}], services: [tcp/443]}
  - {name: no-telnet, action: override-deny, from: [any], to: [{app: shop, env: prod}], services: [tcp/23]}
  - {name: web-agent, from: [any], to: [{role: web, app: shop, env: prod}], services: [tcp/9000-9010], process: agent.service}
`

// hostile are texts that end quotes, start commands, or break lines somewhere.
var hostile = []string{
	"plain", `"quoted"`, "it's", "`id`", "$(id)", "${HOME}", "%{x}", "a\nb", "a\r\n- b", "a|b|c", "=1+1", "@SUM(A1)", "#comment", "; drop", "\\", "</script><script>alert(1)</script>",
	"\u202egnp.exe", "*bold* _it_ [x](javascript:alert(1))", "nul\x00byte", strings.Repeat("x", 300), "'; DROP TABLE", "{{.}}", "<%= %>", "日本語", "-e", "--", "\t", "*", "~", "null", "yes", "0x10", "1e3", "- x", "a: b", "!!str", "&a", "*a", "[", "{", "%TAG",
}

func TestUnknownFormat(t *testing.T) {
	if _, err := export.Write(&bytes.Buffer{}, "nope", shop(t)); !errors.Is(err, export.ErrUnknownFormat) {
		t.Errorf("got %v", err)
	}
}

// Descriptions and process names are free text: every rule is one CSV row of as
// many cells as the header, and no cell is a formula.
func TestCSVHoldsHostileText(t *testing.T) {
	in := shop(t)
	for _, text := range hostile {
		withDescription(&in, text)
		var buf bytes.Buffer
		if _, err := export.Write(&buf, "csv", in); err != nil {
			if strings.Contains(err.Error(), "control characters") {
				continue // the set itself is refused
			}
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&buf).ReadAll()
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if len(rows) != 1+len(in.Set.Policies[0].Rules) {
			t.Errorf("%q: %d rows", text, len(rows))
		}
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%q: cell %q is a formula", text, cell)
				}
			}
		}
	}
}

func TestMarkdownHoldsHostileText(t *testing.T) {
	in := shop(t)
	count := func() (rows int, text string) {
		var buf bytes.Buffer
		if _, err := export.Write(&buf, "markdown", in); err != nil {
			return -1, ""
		}
		for _, line := range strings.Split(buf.String(), "\n") {
			if strings.HasPrefix(line, "|") {
				rows++
			}
		}
		return rows, buf.String()
	}
	want, _ := count()
	for _, text := range hostile {
		withDescription(&in, text)
		rows, out := count()
		if rows != want && rows != -1 {
			t.Errorf("%q: %d table rows, want %d", text, rows, want)
		}
		if strings.Contains(out, "<script>") || strings.Contains(strings.ReplaceAll(out, `\]`, ""), "](javascript") {
			t.Errorf("%q stands unescaped", text)
		}
	}
}

// The page holds no script and as many elements whatever the names are.
func TestHTMLHoldsHostileText(t *testing.T) {
	in := shop(t)
	withDescription(&in, "plain")
	want, _ := render(t, "html", in)
	for _, text := range hostile {
		withDescription(&in, "x"+strings.Map(dropControls, text))
		got, _ := render(t, "html", in)
		if strings.Count(got, "<") != strings.Count(want, "<") {
			t.Errorf("%q makes %d tags of %d", text, strings.Count(got, "<"), strings.Count(want, "<"))
		}
		if strings.Contains(got, "<script") {
			t.Errorf("%q is a script", text)
		}
	}
}

func withDescription(in *export.Input, text string) {
	set := *in.Set
	p := set.Policies[0]
	p.Rules = append([]policy.Rule(nil), p.Rules...)
	for i := range p.Rules {
		p.Rules[i].Description = text
	}
	set.Policies = []policy.Policy{p}
	in.Set = &set
}

func TestYAMLParsesBack(t *testing.T) {
	in := shop(t)
	var buf bytes.Buffer
	if _, err := export.Write(&buf, "yaml", in); err != nil {
		t.Fatal(err)
	}
	back, err := policy.Parse(buf.Bytes(), "export.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in.Set.Hash(), back.Hash()); diff != "" {
		t.Error(diff)
	}
}

func TestJSONHoldsTheSet(t *testing.T) {
	in := shop(t)
	in.Recommendation = &policy.Recommendation{Level: policy.ServiceLevel, Set: in.Set, Evidence: []policy.Evidence{{Policy: "shop-prod", Rule: "web-to-db",
		EdgeStats: flow.EdgeStats{Flows: 7}}}}
	var buf bytes.Buffer
	if _, err := export.Write(&buf, "json", in); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Hash string
		Set  policy.Set
	}
	if err := json.Unmarshal(buf.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if back.Hash != in.Set.Hash() || back.Set.Hash() != in.Set.Hash() {
		t.Errorf("hash %s, of the set %s, want %s", back.Hash, back.Set.Hash(), in.Set.Hash())
	}
}
