package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

func shopPolicy(stage, egress, more string) string {
	return `apiVersion: bulkhead/v1
kind: Policy
metadata: {name: shop}
spec:
  scope: {app: shop}
  stage: ` + stage + `
  egress: ` + egress + `
  rules:
  - name: web-to-db
    from: [{role: web, app: shop}]
    to: [{role: db, app: shop}]
    services: [tcp/5432]
  - name: web-to-old
    from: [{role: web, app: shop}]
    to: [{role: old, app: shop}]
    services: [tcp/80]
` + more
}

// TestFleet takes a controller, two agents and a gateway from joining to
// enforcement, through deaths, a policy that locks a host out, and revocation.
func TestFleet(t *testing.T) {
	l := newEstateLab(t)
	l.run("ctl", "inventory", "import", l.write("inventory.yaml", "workloads:\n- id: old1\n  labels: {role: old, app: shop}\n  addresses: [{addr: 10.9.4.2}]\n"))
	l.start("ctl", "serve", "--listen", "127.0.0.1:8440")
	l.eventually("the controller listens", func() bool {
		var err error
		l.spaces["gw"].Do(func() {
			var c net.Conn
			if c, err = net.DialTimeout("tcp4", "10.9.0.1:8441", time.Second); err == nil {
				c.Close()
			}
		})
		return err == nil
	})
	token := l.join("web1", "10.9.9.9:8441", "--labels", "role=web,app=shop")
	l.join("db1", "10.9.0.1:8441", "--labels", "role=db,app=shop", "--host", "db1")
	l.join("gw", "10.9.0.1:8441", "--gateway")
	if _, err := l.try("db1", "agent", "--join", token, "--controller", "10.9.0.1:8441", "--name", "mallory"); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("a used token joins again: %v", err)
	}
	l.start("web1", "agent")
	l.start("db1", "agent")
	l.start("gw", "gateway")
	l.serve("db1", "5432", "22")
	l.serve("old1", "80", "81")
	l.serve("web1", "80")
	l.settled(nil, "web1", "db1", "gw")

	before := l.held()
	l.run("ctl", "policy", "save", l.write("shop.yaml", shopPolicy("monitor", "allow", "")))
	l.settled(before, "web1", "db1", "gw")
	l.expect("in monitor", "web1 db1 5432", "web1 db1 22", "web1 old1 80", "db1 old1 81")
	l.eventually("what would be blocked is in the store, once each", func() bool {
		return l.violations("would-block") == "db1 10.9.1.2→10.9.3.2 tcp/22; gw 10.9.3.2→10.9.4.2 tcp/81"
	})

	before = l.held()
	l.run("ctl", "policy", "save", l.write("shop.yaml", shopPolicy("enforce", "allow", "")))
	l.settled(before, "web1", "db1", "gw")
	enforced := []string{"web1 db1 5432", "!web1 db1 22", "web1 old1 80", "!db1 old1 81", "!db1 web1 80"}
	l.expect("in enforce", enforced...)

	for _, name := range []string{"ctl", "web1", "db1", "gw"} {
		l.kill(name)
	}
	l.expect("with everybody dead", enforced...)
	l.spaces["web1"].Run(t, "", "nft", "delete", "table", "inet", "bulkhead")
	l.start("web1", "agent")
	l.eventually("web1 restores what was confirmed, without its controller", func() bool { return !l.reaches("db1", "web1", "80") })
	l.start("ctl", "serve", "--listen", "127.0.0.1:8440")
	l.start("db1", "agent")
	l.start("gw", "gateway")
	l.settled(nil, "web1", "db1", "gw")
	l.expect("with everybody back", enforced...)

	l.lockOut()
	l.revoke()
	l.recorded()
}

// violations lists what was seen of an outcome, sorted: "HOST CLIENT→SERVER
// SERVICE" joined by semicolons; an edge twice at one host counts once.
func (l *estateLab) violations(outcome string) string {
	l.t.Helper()
	var out []string
	for _, line := range strings.Split(l.run("ctl", "--json", "violations"), "\n") {
		var v violationJSON
		if err := json.Unmarshal([]byte(line), &v); err == nil && v.Outcome == outcome {
			out = append(out, fmt.Sprintf("%s %s→%s %s", v.Host, v.Client, v.Server, v.Service))
		}
	}
	return strings.Join(uniqueSorted(out), "; ")
}

func uniqueSorted(list []string) []string {
	seen := map[string]bool{}
	for _, s := range list {
		seen[s] = true
	}
	return sortedNames(seen)
}

// lockOut saves a policy under which web1 cannot reach its controller any more: it
// takes the change back by itself, says so, and takes the next one that lets it.
func (l *estateLab) lockOut() {
	l.t.Helper()
	before := l.held()
	l.run("ctl", "policy", "save", l.write("shop.yaml", shopPolicy("enforce", "restrict", "")))
	l.settled(before, "db1", "gw")
	l.eventually("web1 has taken it back and says why", func() bool {
		h := l.host("web1")
		return h.State == "rolled back" && strings.Contains(h.Problem, "controller could not be reached")
	})
	l.expect("after the roll-back", "web1 db1 5432", "!db1 web1 80")
	l.run("ctl", "policy", "save", l.write("shop.yaml", shopPolicy("enforce", "restrict",
		"  - name: web-to-relay\n    from: [{role: web, app: shop}]\n    to: [{cidr: 10.9.1.1/32}]\n    services: [tcp/9441]\n")))
	l.settled(before, "web1", "db1", "gw")
	l.expect("with the line allowed", "web1 db1 5432", "!db1 web1 80", "!db1 old1 80", "!web1 old1 81")
}

// revoke throws db1 out: it keeps what it enforces, and comes back with a new token.
// Whether others still allow what they did depends on the map, which may or may not
// have learned the labels that its token gave it.
func (l *estateLab) revoke() {
	l.t.Helper()
	l.run("ctl", "hosts", "remove", "db1")
	l.eventually("db1 is told", func() bool {
		text, _ := os.ReadFile(filepath.Join(l.dir, "db1.log"))
		return strings.Contains(string(text), "not enrolled here")
	})
	l.expect("revoked", "!web1 db1 22", "!db1 web1 80")
	l.kill("db1")
	l.join("db1", "10.9.0.1:8441", "--labels", "role=db,app=shop")
	l.start("db1", "agent")
	l.settled(nil, "db1")
	l.expect("joined again", "web1 db1 5432", "!web1 db1 22")
}

// recorded checks that the hosts' own connections reached the store, and that the map
// has the labels of tokens but where somebody decided otherwise.
func (l *estateLab) recorded() {
	l.t.Helper()
	l.eventually("connections of web1 and db1 are on the map", func() bool {
		out, err := l.try("ctl", "--json", "map")
		return err == nil && strings.Contains(out, "10.9.1.2") && strings.Contains(out, "10.9.3.2")
	})
	if labels := l.labels("10.9.1.2"); labels["role"] != "web" || labels["app"] != "shop" {
		l.t.Errorf("on the map web1 is %v, not what its token says", labels)
	}
	before := l.held()
	l.run("ctl", "labels", "set", "10.9.1.2", "role=front")
	if labels := l.labels("10.9.1.2"); labels["role"] != "front" || labels["app"] != "shop" {
		l.t.Errorf("on the map web1 is %v, not what was decided", labels)
	}
	l.settled(before, "gw")
	l.expect("with web1 of another role", "!web1 db1 5432")
}

// labels are those of a workload on the map.
func (l *estateLab) labels(id string) topology.Labels {
	l.t.Helper()
	var m topology.Map
	if err := json.Unmarshal([]byte(l.run("ctl", "--json", "map")), &m); err != nil {
		l.t.Fatal(err)
	}
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == id {
			return m.Labels[i]
		}
	}
	return nil
}
