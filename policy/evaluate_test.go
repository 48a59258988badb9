package policy_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// truthTable is the meaning of the package comment, line by line. Rows read
// CLIENT SERVER SERVICE [client=UNIT] [server=UNIT] OUTCOME REASON, the reason being "policy/rule",
// "policy/" for a default, or "/exception".
const truthTable = `
# A workload in no policy's scope is untouched, and so is the outside world.
laptop      laptop2   tcp/445    untouched    /
laptop      internet  tcp/443    untouched    /

# A draft policy has no effect: its scope is not protected.
laptop      printer   tcp/9100   untouched    /

# pay (enforce): scope app=pay. web-to-api: from role=web app=pay to role=api app=pay tcp/443.
web         api       tcp/443    allowed      pay/web-to-api
web         api       tcp/22     blocked      pay/
web2        api       tcp/443    allowed      pay/web-to-api
laptop      api       tcp/443    blocked      pay/
internet    api       tcp/443    blocked      pay/

# Outbound of an egress: allow policy is open, unless a deny rule says otherwise.
web         internet  tcp/443    allowed      pay/
web         laptop    tcp/5000   allowed      pay/
# no-telnet: deny from app=pay to any tcp/23. But deny loses to allow (telnet-ok: to 192.0.2.0/24).
web         laptop    tcp/23     blocked      pay/no-telnet
web         partner   tcp/23     allowed      pay/telnet-ok

# freeze: override-deny from env=dev to any, beats allow-dev which allows it.
devbox      api       tcp/8443   blocked      pay/freeze
# At the client's end a rule counts only when a policy protects the client: devbox is in none.
devbox      laptop    tcp/8443   untouched    /

# dbs (monitor): scope role=db. from-api: from role=api to role=db tcp/5432.
api         db        tcp/5432   allowed      dbs/from-api
web         db        tcp/5432   would-block  dbs/
internet    db        tcp/5432   would-block  dbs/

# Both ends: the client in enforce with egress restrict (batch), the server in monitor (db).
# The worse end stands; batch-to-db opens only the client's end.
batch       db        tcp/5432   would-block  dbs/
batch       db        tcp/22     blocked      batch/
batch       internet  tcp/443    blocked      batch/
batch       laptop    tcp/9000   allowed      batch/out
# A client's policy opens no door of a server that another policy protects.
batch       api       tcp/9000   blocked      pay/

# Two policies on one workload: rules are pooled. mixed is in m1 (enforce) and m2 (monitor).
# m1 allows tcp/1, m2 allows tcp/2; m2's override-deny on tcp/3 beats m1's allow, but only in the log.
laptop      mixed     tcp/1      allowed      m1/one
laptop      mixed     tcp/2      blocked      m1/
laptop      mixed     tcp/3      would-block  m2/not-three
laptop      mixed     tcp/4      blocked      m1/

# Always allowed, whatever the rules: errors and neighbour discovery both ways, DHCP by direction.
laptop      api       icmp/3/4   allowed      /icmp-errors
laptop      api       icmp/8/0   blocked      pay/
laptop      api       icmpv6/135/0 allowed    /neighbour-discovery
batch       laptop    udp/67     allowed      /dhcp-client
laptop      batch     udp/67     blocked      batch/
laptop      batch     udp/68     allowed      /dhcp-client-answers
loopback    api       tcp/22     allowed      /loopback

# Break-glass networks reach every protected workload; a protected client is not opened towards them.
rescue      api       tcp/22     allowed      /break-glass
rescue      batch     tcp/22     allowed      /break-glass
batch       rescue    tcp/22     blocked      batch/

# Networks and domains. feeds: from network partners and *.feeds.example to app=pay tcp/8000.
partner     api       tcp/8000   allowed      pay/feeds
feed        api       tcp/8000   allowed      pay/feeds
feedroot    api       tcp/8000   blocked      pay/
# public: from network internet to role=web app=pay tcp/80. Private addresses are not the internet.
internet    web       tcp/80     allowed      pay/public
stranger    web       tcp/80     blocked      pay/

# Process: agent-only rule for unit sshd.service; an unknown process does not match.
laptop      api       tcp/2222   server=sshd.service  allowed  pay/sshd
laptop      api       tcp/2222   server=evil.service  blocked  pay/
laptop      api       tcp/2222   blocked      pay/
laptop      api       tcp/2222   client=sshd.service  blocked  pay/
# At the client's end the using unit counts (batch/curl: unit curl.service to any tcp/8080).
batch       laptop    tcp/8080   client=curl.service  allowed  batch/curl
batch       laptop    tcp/8080   server=curl.service  blocked  batch/

# Selectors: not, lists and "has the key" all need the key. lists: from env in (a,b) region=*; from tier not (x).
ena         api       tcp/7001   allowed      pay/lists
enc         api       tcp/7001   blocked      pay/
noregion    api       tcp/7001   blocked      pay/
tiery       api       tcp/7002   allowed      pay/not-x
tierx       api       tcp/7002   blocked      pay/
laptop      api       tcp/7002   blocked      pay/
# The empty selector is every workload, and no outsider.
laptop      api       tcp/7003   allowed      pay/all-workloads
internet    api       tcp/7003   blocked      pay/
`

const truthPolicies = `
apiVersion: bulkhead/v1
kind: NetworkList
spec:
  networks:
  - {name: partners, prefixes: [192.0.2.0/24], domains: ["*.feeds.example"]}
---
apiVersion: bulkhead/v1
kind: BreakGlass
spec: {networks: [10.99.0.0/24]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: pay}
spec:
  scope: {app: pay}
  stage: enforce
  rules:
  - {name: web-to-api, from: [{role: web, app: pay}], to: [{role: api, app: pay}], services: [tcp/443]}
  - {name: no-telnet, action: deny, from: [{app: pay}], to: [any], services: [tcp/23]}
  - {name: telnet-ok, from: [{app: pay}], to: [{cidr: 192.0.2.0/24}], services: [tcp/23]}
  - {name: allow-dev, from: [{env: dev}], to: [{app: pay}], services: [tcp/8443]}
  - {name: freeze, action: override-deny, from: [{env: dev}], to: [any]}
  - {name: feeds, from: [{network: partners}, {domain: "*.feeds.example"}], to: [{app: pay}], services: [tcp/8000]}
  - {name: public, from: [{network: internet}], to: [{role: web, app: pay}], services: [http]}
  - {name: sshd, from: [any], to: [{app: pay}], services: [tcp/2222], process: sshd.service}
  - {name: lists, from: [{env: [a, b], region: "*"}], to: [{app: pay}], services: [tcp/7001]}
  - {name: not-x, from: [{tier: {not: [x]}}], to: [{app: pay}], services: [tcp/7002]}
  - {name: all-workloads, from: [{}], to: [{app: pay}], services: [tcp/7003]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: dbs}
spec:
  scope: {role: db}
  stage: monitor
  rules:
  - {name: from-api, from: [{role: api}], to: [{role: db}], services: [postgresql]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: batch}
spec:
  scope: {role: batch}
  stage: enforce
  egress: restrict
  rules:
  - {name: batch-to-db, from: [{role: batch}], to: [{role: db}], services: [tcp/5432]}
  - {name: out, from: [{role: batch}], to: [any], services: [tcp/9000-9010]}
  - {name: curl, from: [{role: batch}], to: [any], services: [tcp/8080], process: curl.service}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: m1}
spec:
  scope: {role: mixed}
  stage: enforce
  rules:
  - {name: one, from: [any], to: [{role: mixed}], services: [tcp/1]}
  - {name: three, from: [any], to: [{role: mixed}], services: [tcp/3]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: m2}
spec:
  scope: {role: mixed}
  stage: monitor
  rules:
  - {name: two, from: [any], to: [{role: mixed}], services: [tcp/2]}
  - {name: not-three, action: override-deny, from: [any], to: [{role: mixed}], services: [tcp/3]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: printers}
spec:
  scope: {role: printer}
  rules: []
`

func workload(addr string, pairs ...string) policy.Party {
	l := topology.Labels{}
	for i := 0; i < len(pairs); i += 2 {
		l[pairs[i]] = pairs[i+1]
	}
	return policy.Party{Addr: netip.MustParseAddr(addr), Labels: l, Workload: true}
}

func outside(addr string, domains ...string) policy.Party {
	return policy.Party{Addr: netip.MustParseAddr(addr), Domains: domains}
}

var truthParties = map[string]policy.Party{
	"web":      workload("10.0.0.1", "role", "web", "app", "pay"),
	"web2":     workload("fd00::2", "role", "web", "app", "pay", "loc", "x"),
	"api":      workload("10.0.0.3", "role", "api", "app", "pay"),
	"db":       workload("10.0.0.4", "role", "db"),
	"batch":    workload("10.0.0.5", "role", "batch"),
	"mixed":    workload("10.0.0.6", "role", "mixed"),
	"printer":  workload("10.0.0.7", "role", "printer"),
	"laptop":   workload("10.0.1.1"),
	"laptop2":  workload("10.0.1.2"),
	"devbox":   workload("10.0.1.3", "env", "dev"),
	"ena":      workload("10.0.1.4", "env", "a", "region", "r"),
	"enc":      workload("10.0.1.5", "env", "c", "region", "r"),
	"noregion": workload("10.0.1.6", "env", "a"),
	"tierx":    workload("10.0.1.7", "tier", "x"),
	"tiery":    workload("10.0.1.8", "tier", "y"),
	"internet": outside("8.8.8.8"),
	"stranger": outside("10.77.0.1"),
	"partner":  outside("192.0.2.7"),
	"feed":     outside("198.51.100.1", "a.b.feeds.example"),
	"feedroot": outside("198.51.100.2", "feeds.example"),
	"rescue":   outside("10.99.0.9"),
	"loopback": outside("127.0.0.1"),
}

func TestTruthTable(t *testing.T) {
	set, err := policy.Parse([]byte(truthPolicies), "truth.yaml")
	if err != nil {
		t.Fatal(err)
	}
	fast := policy.NewEvaluator(set)
	for _, line := range strings.Split(truthTable, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f, want := truthRow(t, line)
		got := policy.Evaluate(set, f)
		if reason := got.Policy + "/" + got.Rule; got.Outcome.String()+" "+reason != want {
			t.Errorf("%s\n got %s %s (%s)", line, got.Outcome, reason, got.Why)
		}
		for range 2 { // cold, then remembered
			if v := fast.Evaluate(f); v != got {
				t.Errorf("%s\n Evaluator says %+v\n Evaluate says  %+v", line, v, got)
			}
		}
	}
}

func truthRow(t *testing.T, line string) (f policy.Facts, want string) {
	t.Helper()
	words := strings.Fields(line)
	var ok1, ok2 bool
	f.Client, ok1 = truthParties[words[0]]
	f.Server, ok2 = truthParties[words[1]]
	svc, err := flow.ParseService(words[2])
	if !ok1 || !ok2 || err != nil {
		t.Fatalf("%s: unknown party or service: %v", line, err)
	}
	f.Service = svc
	words = words[3:]
	for strings.Contains(words[0], "=") {
		side, unit, _ := strings.Cut(words[0], "=")
		if side == "client" {
			f.ClientProcess = unit
		} else {
			f.Process = unit
		}
		words = words[1:]
	}
	return f, words[0] + " " + words[1]
}
