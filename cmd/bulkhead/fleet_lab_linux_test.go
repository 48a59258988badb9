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
