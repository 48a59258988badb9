package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// estateLab is a controller, two machines with agents and one without, and a
// gateway, each in a network namespace of its own, all the program itself:
//
//	web1 ─ ctl ─ gw ─ db1
//	              └── old1 (no agent)
//
// The controller's address is 10.9.0.1. web1 reaches it by 10.9.9.9, which its own
// kernel translates to a relay: neither web1 nor the controller knows the address
// that web1's packets have.
type estateLab struct {
	t      *testing.T
	dir    string
	spaces map[string]*netlab.Space
	procs  map[string]*exec.Cmd
}

var labAddrs = map[string]string{"web1": "10.9.1.2", "db1": "10.9.3.2", "old1": "10.9.4.2"}

func newEstateLab(t *testing.T) *estateLab {
	t.Helper()
	testenv.Need(t, "netns", "nft", "engine", "setpriv")
	l := &estateLab{t: t, dir: t.TempDir(), spaces: map[string]*netlab.Space{}, procs: map[string]*exec.Cmd{}}
	for _, name := range []string{"ctl", "gw", "web1", "db1", "old1"} {
		l.spaces[name] = netlab.New(t)
	}
	s := l.spaces
	netlab.Join(t, "web", s["ctl"], []string{"10.9.1.1/24"}, s["web1"], []string{"10.9.1.2/24"})
	netlab.Join(t, "core", s["ctl"], []string{"10.9.2.1/24"}, s["gw"], []string{"10.9.2.2/24"})
	netlab.Join(t, "db", s["gw"], []string{"10.9.3.1/24"}, s["db1"], []string{"10.9.3.2/24"})
	netlab.Join(t, "old", s["gw"], []string{"10.9.4.1/24"}, s["old1"], []string{"10.9.4.2/24"})
	s["ctl"].Address(t, "lo", "10.9.0.1/32")
	for space, via := range map[string]string{"web1": "10.9.1.1", "gw": "10.9.2.1", "db1": "10.9.3.1", "old1": "10.9.4.1"} {
		s[space].Route(t, "0.0.0.0/0", via)
	}
	s["ctl"].Route(t, "10.9.3.0/24", "10.9.2.2")
	s["ctl"].Route(t, "10.9.4.0/24", "10.9.2.2")
	for _, router := range []string{"ctl", "gw"} {
		s[router].Sysctl(t, "ipv4/ip_forward", "1")
	}
	s["web1"].Run(t, "table ip service { chain o { type nat hook output priority -100; ip daddr 10.9.9.9 tcp dport 8441 dnat to 10.9.1.1:9441; }; }", "nft", "-f", "-")
	s["ctl"].Run(t, "table ip relay { chain p { type nat hook prerouting priority -100; ip daddr 10.9.1.1 tcp dport 9441 dnat to 10.9.0.1:8441; }; }", "nft", "-f", "-")
	l.config("ctl", "controller: {listen: \"10.9.0.1:8441\", canary: 0}\n")
	for _, name := range []string{"web1", "db1", "gw"} {
		l.config(name, "enforcer: {confirmWithin: 8s}\n")
	}
	t.Cleanup(l.end)
	return l
}

func (l *estateLab) config(name, text string) {
	l.t.Helper()
	l.write(name+".yaml", "dataDir: "+filepath.Join(l.dir, name)+"\n"+text)
}

func (l *estateLab) write(name, text string) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

func (l *estateLab) command(space string, args ...string) *exec.Cmd {
	cmd := exec.Command("bulkhead", append([]string{"--config", filepath.Join(l.dir, space+".yaml")}, args...)...)
	cmd.Env = append(os.Environ(), "BULKHEAD_ENGINE="+testenv.EngineLibrary())
	return cmd
}

// try runs a command to its end.
func (l *estateLab) try(space string, args ...string) (stdout string, err error) {
	var out, errOut bytes.Buffer
	l.spaces[space].Do(func() {
		cmd := l.command(space, args...)
		cmd.Stdout, cmd.Stderr = &out, &errOut
		if err = cmd.Run(); err != nil {
			err = fmt.Errorf("%s: bulkhead %s: %w\n%s", space, strings.Join(args, " "), err, errOut.String())
		}
	})
	return strings.TrimSpace(out.String()), err
}

func (l *estateLab) run(space string, args ...string) string {
	l.t.Helper()
	out, err := l.try(space, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// start runs a command in the background; its log is kept.
func (l *estateLab) start(space string, args ...string) {
	l.t.Helper()
	log, err := os.OpenFile(filepath.Join(l.dir, space+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		l.t.Fatal(err)
	}
	defer log.Close()
	cmd := l.command(space, append([]string{"-v"}, args...)...)
	if space != "ctl" { // with no more than its unit gives it
		cmd.Args = append([]string{"setpriv", "--no-new-privs", "--bounding-set", capabilities(l.t, args[0]), cmd.Path}, cmd.Args[1:]...)
		cmd.Path, cmd.Err = exec.LookPath("setpriv")
	}
	cmd.Stdout, cmd.Stderr = log, log
	l.spaces[space].Do(func() { err = cmd.Start() })
	if err != nil {
		l.t.Fatal(err)
	}
	l.procs[space] = cmd
}

// capabilities reads what the unit of a verb leaves to the program, as setpriv
// takes it.
func capabilities(t *testing.T, verb string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(testenv.Root(), "packaging", "systemd", "bulkhead-"+verb+".service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if list, ok := strings.CutPrefix(line, "CapabilityBoundingSet="); ok {
			out := "-all"
			for _, c := range strings.Fields(list) {
				out += ",+" + strings.ToLower(strings.TrimPrefix(c, "CAP_"))
			}
			return out
		}
	}
	t.Fatalf("the unit of %s bounds no capabilities", verb)
	return ""
}

// TestUnits: the service manager understands every unit.
func TestUnits(t *testing.T) {
	testenv.Need(t, "root", "systemd-analyze")
	root := t.TempDir()
	units := filepath.Join(root, "etc", "systemd", "system")
	stub := []byte("#!/bin/sh\n")
	if err := errors.Join(os.MkdirAll(units, 0o755), os.MkdirAll(filepath.Join(root, "usr", "bin"), 0o755), os.MkdirAll(filepath.Join(root, "bin"), 0o755),
		os.WriteFile(filepath.Join(root, "usr", "bin", "bulkhead"), stub, 0o755), os.WriteFile(filepath.Join(root, "bin", "kill"), stub, 0o755),
		os.CopyFS(filepath.Join(root, "usr", "lib", "systemd", "system"), os.DirFS("/usr/lib/systemd/system"))); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(testenv.Root(), "packaging", "systemd", "*.service"))
	if err != nil || len(files) < 5 {
		t.Fatalf("%d units, %v", len(files), err)
	}
	args := []string{"--root=" + root, "--man=no", "verify"}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(filepath.Join(units, filepath.Base(f)), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Base(f))
	}
	if out, err := exec.Command("systemd-analyze", args...).CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// kill ends what start began, without a warning.
func (l *estateLab) kill(space string) {
	if cmd := l.procs[space]; cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		delete(l.procs, space)
	}
}

func (l *estateLab) end() {
	for name := range l.procs {
		_ = l.procs[name].Process.Signal(os.Interrupt)
	}
	for name, cmd := range l.procs {
		if err := cmd.Wait(); err != nil && !l.t.Failed() && !strings.Contains(err.Error(), "exit status 130") {
			l.t.Errorf("%s ended with %v", name, err)
		}
	}
	if l.t.Failed() {
		for name := range l.spaces {
			text, _ := os.ReadFile(filepath.Join(l.dir, name+".log"))
			l.t.Logf("log of %s:\n%s", name, text)
		}
	}
}

func (l *estateLab) join(space, controller string, args ...string) string {
	l.t.Helper()
	token := l.run("ctl", append([]string{"-q", "join-token", "create"}, args...)...)
	verb := "agent"
	if space == "gw" {
		verb = "gateway"
	}
	l.run(space, verb, "--join", token, "--controller", "https://"+controller, "--name", space)
	return token
}

// host is what the controller says of a host.
func (l *estateLab) host(name string) hostJSON {
	l.t.Helper()
	var list []hostJSON
	if err := json.Unmarshal([]byte(l.run("ctl", "--json", "hosts")), &list); err != nil {
		l.t.Fatal(err)
	}
	for _, h := range list {
		if h.Name == name {
			return h
		}
	}
	return hostJSON{}
}

// eventually waits for a state, which must come within a minute.
func (l *estateLab) eventually(what string, is func() bool) {
	l.t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.t.Fatalf("never: %s\n%s", what, l.run("ctl", "hosts"))
		}
	}
}

// settled waits until hosts hold what is wanted, and that is a newer bundle than
// before.
func (l *estateLab) settled(before map[string]uint64, names ...string) {
	l.t.Helper()
	for _, name := range names {
		l.eventually(name+" has the change", func() bool {
			h := l.host(name)
			return h.State == "in sync" && h.Held > before[name]
		})
	}
}

func (l *estateLab) held() map[string]uint64 {
	out := map[string]uint64{}
	for _, name := range []string{"web1", "db1", "gw"} {
		out[name] = l.host(name).Held
	}
	return out
}

// serve answers on a port of a host until the test ends.
func (l *estateLab) serve(space string, ports ...string) {
	l.t.Helper()
	for _, port := range ports {
		var lis net.Listener
		var err error
		l.spaces[space].Do(func() { lis, err = net.Listen("tcp4", ":"+port) })
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Cleanup(func() { lis.Close() })
		go func() {
			for {
				c, err := lis.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write([]byte("hello"))
				c.Close()
			}
		}()
	}
}

func (l *estateLab) reaches(from, to, port string) bool {
	var err error
	l.spaces[from].Do(func() {
		var c net.Conn
		if c, err = net.DialTimeout("tcp4", net.JoinHostPort(labAddrs[to], port), 1500*time.Millisecond); err == nil {
			c.Close()
		}
	})
	return err == nil
}

// expect checks who reaches whom: "web1 db1 5432" is to pass, "!web1 db1 22" not.
func (l *estateLab) expect(when string, lines ...string) {
	l.t.Helper()
	for _, line := range lines {
		text, forbidden := strings.CutPrefix(line, "!")
		f := strings.Fields(text)
		if got := l.reaches(f[0], f[1], f[2]); got == forbidden {
			l.t.Errorf("%s: %s reaches %s on %s: %v", when, f[0], f[1], f[2], got)
		}
	}
}

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

// recorded checks that the hosts' own connections reached the store.
func (l *estateLab) recorded() {
	l.t.Helper()
	l.eventually("connections of web1 and db1 are on the map", func() bool {
		out, err := l.try("ctl", "--json", "map")
		return err == nil && strings.Contains(out, "10.9.1.2") && strings.Contains(out, "10.9.3.2")
	})
}
