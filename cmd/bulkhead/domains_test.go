package main

import (
	"fmt"
	"net/netip"
	"reflect"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/bundle"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// TestDomainsResolveToWhatDNSAnswered: addresses of domains come from DNS answers of
// the window and from nothing that a client can make up, and are bounded.
func TestDomainsResolveToWhatDNSAnswered(t *testing.T) {
	a := func(s string) netip.Addr { return netip.MustParseAddr(s) }
	names := []flow.Name{
		{Name: "api.example.com", Addr: a("203.0.113.2"), Kind: flow.NameDNS, Last: 100},
		{Name: "api.example.com", Addr: a("::ffff:203.0.113.1"), Kind: flow.NameDNS, Last: 120},
		{Name: "www.example.com", Addr: a("2001:db8::1"), Kind: flow.NameDNS, Last: 100},
		{Name: "api.example.com", Addr: a("203.0.113.3"), Kind: flow.NameDNS, Last: 99},
		{Name: "api.example.com", Addr: a("203.0.113.4"), Kind: flow.NameSNI, Last: 200},
		{Name: "api.example.com", Addr: a("203.0.113.5"), Kind: flow.NameHTTP, Last: 200},
		{Name: "api.example.com", Addr: a("0.0.0.0"), Kind: flow.NameDNS, Last: 200},
		{Name: "api.example.com", Addr: a("127.0.0.1"), Kind: flow.NameDNS, Last: 200},
		{Name: "api.example.com", Addr: a("10.0.0.1"), Kind: flow.NameDNS, Last: 200, Scope: 7},
		{Name: "badexample.com", Addr: a("203.0.113.6"), Kind: flow.NameDNS, Last: 200},
	}
	for i := range maxDomainAddrs + 1 {
		names = append(names, flow.Name{Name: "big.example", Addr: netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), Kind: flow.NameDNS, Last: flow.Time(100 + i)})
	}
	got, over := domainAddrs([]string{"*.example.com", "api.example.com", "big.example", "gone.example"}, names, 100)
	big := got["big.example"]
	if len(big) != maxDomainAddrs || big[0] != a("198.18.0.1") {
		t.Errorf("the bound keeps %d addresses from %v: want the newest %d", len(big), big[0], maxDomainAddrs)
	}
	delete(got, "big.example")
	want := map[string][]netip.Addr{
		"*.example.com":   {a("203.0.113.1"), a("203.0.113.2"), a("2001:db8::1")},
		"api.example.com": {a("203.0.113.1"), a("203.0.113.2")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("addresses %v, want %v", got, want)
	}
	if fmt.Sprint(over) != "[big.example]" {
		t.Errorf("over the bound: %v", over)
	}
}

// TestDomainsReachWhoseRulesNameThem: a host is sent the domains its own policies
// name, a rule for one lets its addresses pass, and one without is said.
func TestDomainsReachWhoseRulesNameThem(t *testing.T) {
	set, err := policy.Parse([]byte(`apiVersion: bulkhead/v1
kind: Policy
metadata: {name: web}
spec:
  scope: {role: web}
  stage: enforce
  egress: restrict
  rules:
  - {name: updates, from: [{role: web}], to: [{domain: "*.example.com"}], services: [tcp/443]}
  - {name: gone, from: [{role: web}], to: [{domain: gone.example}], services: [tcp/443]}
---
apiVersion: bulkhead/v1
kind: Policy
metadata: {name: db}
spec:
  scope: {role: db}
  stage: enforce
  egress: restrict
  rules:
  - {name: backup, from: [{role: db}], to: [{domain: vault.example}], services: [tcp/443]}
`), "test")
	if err != nil {
		t.Fatal(err)
	}
	there, vault := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("203.0.113.9")
	host := nft.Host{Name: "web1", Mode: nft.ModeHost, Self: []string{"web1"}, Workloads: []nft.Workload{
		{ID: "db1", Labels: topology.Labels{"role": "db"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.2")}},
		{ID: "web1", Labels: topology.Labels{"role": "web"}, Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
	}, Domains: map[string][]netip.Addr{"*.example.com": {there}, "vault.example": {vault}}}
	own, target := bundle.Select(set, host)
	if want := map[string][]netip.Addr{"*.example.com": {there}}; !reflect.DeepEqual(target.Domains, want) {
		t.Errorf("web1 is sent %v, want %v", target.Domains, want)
	}
	r, err := nft.Compile(own, target)
	if err != nil {
		t.Fatal(err)
	}
	if want := "[domain gone.example: no address is known; what names it matches nothing for it]"; fmt.Sprint(r.Losses) != want {
		t.Errorf("losses %v, want %s", r.Losses, want)
	}
	bare := target
	bare.Domains = nil
	without, err := nft.Compile(own, bare)
	if err != nil {
		t.Fatal(err)
	}
	if len(without.Losses) != 2 || r.Elements() <= without.Elements() {
		t.Errorf("without addresses: losses %v; %d elements, with them %d", without.Losses, without.Elements(), r.Elements())
	}
	host.Mode, host.Self = nft.ModeGateway, nil
	if _, gw := bundle.Select(set, host); len(gw.Domains) != 2 {
		t.Errorf("a gateway is sent %v, want both domains", gw.Domains)
	}
}
