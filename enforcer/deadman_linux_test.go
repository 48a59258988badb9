package enforcer_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// agentDir, when set, makes this test binary an agent that applies a policy which
// cuts everything, and then hangs.
const agentDir = "BULKHEAD_TEST_AGENT_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(agentDir); dir != "" {
		if err := lockOut(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("applied")
		select {}
	}
	os.Exit(m.Run())
}

// lockOut applies, in the namespace the process is in, what no operator would
// survive: no inbound, no outbound.
func lockOut(dir string) error {
	k, err := nft.Open(0)
	if err != nil {
		return err
	}
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: dir, Gate: gate})
	if err != nil {
		return err
	}
	_, err = e.Apply(context.Background(), enforcer.Request{Set: cutAll(), Host: victim(), Author: "test", Reason: "lock-out drill"})
	return err
}

// gate is short so that a hundred drills fit a test.
const gate = time.Second

// cutAll denies the victim everything: SSH to it, DNS and the controller from it.
func cutAll() *policy.Set {
	return &policy.Set{
		AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Policies: []policy.Policy{{
			Name: "lock-out", Scope: policy.Select(topology.Labels{"role": "victim"}), Stage: policy.Enforce, Egress: policy.EgressRestrict,
		}},
	}
}

func victim() nft.Host {
	return nft.Host{Mode: nft.ModeHost, Self: []string{"v"}, Workloads: []nft.Workload{
		{ID: "v", Labels: topology.Labels{"role": "victim"}, Addrs: []netip.Addr{netip.MustParseAddr("10.7.0.2")}},
	}}
}

// drill is one victim with services it must not lose, and an operator.
type drill struct {
	operator, victim *netlab.Space
}

func newDrill(t testing.TB) *drill {
	d := &drill{netlab.New(t), netlab.New(t)}
	netlab.Join(t, "eth0", d.operator, []string{"10.7.0.1/24"}, d.victim, []string{"10.7.0.2/24"})
	echo(t, d.victim, "10.7.0.2:22")
	echo(t, d.operator, "10.7.0.1:53")
	echo(t, d.operator, "10.7.0.1:8443")
	return d
}

// echo accepts and holds TCP connections in a namespace.
func echo(t testing.TB, s *netlab.Space, addr string) {
	t.Helper()
	var l net.Listener
	var err error
	s.Do(func() { l, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				b := make([]byte, 64)
				for {
					n, err := c.Read(b)
					if err != nil {
						return
					}
					if _, err := c.Write(b[:n]); err != nil {
						return
					}
				}
			}()
		}
	}()
}

// dial opens a connection from a namespace.
func dial(s *netlab.Space, addr string, timeout time.Duration) (c net.Conn, err error) {
	s.Do(func() { c, err = net.DialTimeout("tcp", addr, timeout) })
	return c, err
}

func reaches(s *netlab.Space, addr string) bool {
	for _, patience := range []time.Duration{100 * time.Millisecond, 500 * time.Millisecond} { // a busy machine gets a second chance
		if c, err := dial(s, addr, patience); err == nil {
			c.Close()
			return true
		}
	}
	return false
}

// lost lists what does not work.
func (d *drill) lost() (out []string) {
	if !reaches(d.operator, "10.7.0.2:22") {
		out = append(out, "ssh")
	}
	if !reaches(d.victim, "10.7.0.1:53") {
		out = append(out, "dns")
	}
	if !reaches(d.victim, "10.7.0.1:8443") {
		out = append(out, "controller")
	}
	return out
}

// once runs the drill: an agent locks everybody out and is killed; the kernel must
// let them in again by itself.
func (d *drill) once(dir string) error {
	if l := d.lostFor(20 * gate); l != nil { // a busy machine may be slow to answer
		return fmt.Errorf("before the change: no %v", l)
	}
	agent := exec.Command(os.Args[0])
	agent.Env = append(os.Environ(), agentDir+"="+dir)
	out, err := agent.StdoutPipe()
	if err != nil {
		return err
	}
	d.victim.Do(func() { err = agent.Start() })
	if err != nil {
		return err
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	began := time.Now()
	c, dialled := dial(d.operator, "10.7.0.2:22", gate/5)
	if dialled == nil {
		c.Close()
	}
	if err := agent.Process.Kill(); err != nil {
		return err
	}
	agent.Wait()
	if strings.TrimSpace(line) != "applied" {
		return fmt.Errorf("agent said %q", line)
	}
	if dialled == nil && time.Since(began) < gate/2 {
		return fmt.Errorf("the change cut nothing")
	}
	if l := d.lostFor(20 * gate); l != nil {
		return fmt.Errorf("%v still lost %v after the gate closed", l, 19*gate)
	}
	return nil
}

// lostFor lists what is still lost after that time; nil as soon as nothing is.
func (d *drill) lostFor(patience time.Duration) (l []string) {
	for deadline := time.Now().Add(patience); ; {
		if l = d.lost(); l == nil || time.Now().After(deadline) {
			return l
		}
	}
}

// TestDeadMan: a hundred times, a change cuts SSH, DNS and the controller, and the
// agent is killed before anybody could confirm. All hundred come back.
func TestDeadMan(t *testing.T) {
	testenv.Need(t, "netns")
	victims, rounds := 10, 10
	if testing.Short() {
		victims, rounds = 4, 1
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	back := 0
	for i := range victims {
		d := newDrill(t)
		wg.Go(func() {
			for round := range rounds {
				dir := fmt.Sprintf("%s/%d-%d", t.TempDir(), i, round)
				if err := d.once(dir); err != nil {
					t.Errorf("victim %d round %d: %v", i, round, err)
					return
				}
				mu.Lock()
				back++
				mu.Unlock()
				k, err := nft.Open(d.victim.FD())
				if err != nil {
					t.Error(err)
					return
				}
				if err := k.Remove(t.Context()); err != nil {
					t.Error(err)
				}
				k.Close()
			}
		})
	}
	wg.Wait()
	t.Logf("%d of %d came back", back, victims*rounds)
}

// TestConfirmedStays: a confirmed change holds past the gate; a restart restores
// it; a change the restart finds unconfirmed is gone.
func TestConfirmedStays(t *testing.T) {
	testenv.Need(t, "netns")
	d := newDrill(t)
	k := openKernel(t, d.victim)
	dir := t.TempDir()
	const gate = 3 * time.Second
	open := func() *enforcer.Enforcer {
		e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: dir, Gate: gate})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	e := open()
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: onlySSH(), Host: victim()}); err != nil {
		t.Fatal(err)
	}
	if err := e.Confirm(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(gate + 300*time.Millisecond)
	if got := fmt.Sprint(d.lost()); got != "[dns controller]" {
		t.Errorf("after the gate time, lost %s, want DNS and the controller still cut", got)
	}
	if _, err := e.Apply(t.Context(), enforcer.Request{Set: cutAll(), Host: victim()}); err != nil {
		t.Fatal(err)
	}
	if got := d.lost(); len(got) != 3 {
		t.Errorf("lost %v, want everything cut", got)
	}
	if err := k.Remove(t.Context()); err != nil { // as after a reboot
		t.Fatal(err)
	}
	e = open()
	if err := e.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(d.lost()); got != "[dns controller]" {
		t.Errorf("after restart, lost %s, want the confirmed version back", got)
	}
	if err := e.Release(t.Context(), "test over"); err != nil {
		t.Fatal(err)
	}
	if got := d.lost(); got != nil {
		t.Errorf("after release, lost %v", got)
	}
	events(t, e, "applied", "confirmed", "applied", "expired", "restored", "released")
}
