package controller_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/fleet/link"
)

// TestBundlesReachHosts: each host gets its own, newer ones as they come, numbers
// only grow, also over a restart and when the controller has lost its state.
func TestBundlesReachHosts(t *testing.T) {
	l := newLab(t)
	l.source.set("web2", "for web2")
	web1, web2 := l.host("web1"), l.host("web2")
	inSync := func(name, hash string) func() bool {
		return func() bool { s := l.status(name); return s.State == fleet.InSync && s.Beat.Hash == hash }
	}
	eventually(t, "web1 has its policy", inSync("web1", "first"))
	eventually(t, "web2 has its own", inSync("web2", "for web2"))
	l.source.set("", "second")
	eventually(t, "web1 has the newer one", inSync("web1", "second"))
	l.stop()
	l.source.set("", "third")
	l.start()
	eventually(t, "web1 has the third after a restart", inSync("web1", "third"))
	l.stop()
	l.dir = t.TempDir() // of the controller's state alone
	l.source.set("", "fourth")
	l.start()
	eventually(t, "web1 has the fourth although the controller begins at 1", inSync("web1", "fourth"))
	eventually(t, "web2 is in sync again", inSync("web2", "for web2"))
	if diff := slices.Compare(web1.texts(), []string{"first", "second", "third", "fourth"}); diff != 0 {
		t.Errorf("web1 got %v", web1.texts())
	}
	for _, text := range web2.texts() {
		if text != "for web2" {
			t.Errorf("web2 got %v", web2.texts())
		}
	}
}

// TestBrokenPolicyLeavesHostsAlone: what cannot be made is a problem to see, and
// nothing is sent.
func TestBrokenPolicyLeavesHostsAlone(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	l.source.set("web1", "broken")
	eventually(t, "the problem is seen", func() bool { return l.status("web1").Problem == "policy is broken" })
	if got := h.texts(); len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

// TestRowsAreStoredOnce: whatever is cut off, restarted or away between a host and
// the store, every row is there once, and under its own host's name.
func TestRowsAreStoredOnce(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	const each = 700
	send := func(i int) {
		_ = h.queue.Records(records(i*each, each)) // never fails
		h.queue.Flush()
	}
	send(0)
	l.sink.mu.Lock()
	l.sink.forgets = 2
	l.sink.mu.Unlock()
	send(1)
	eventually(t, "two batches are stored", func() bool { n, _ := l.sink.count(); return n == 2*each })
	l.sink.mu.Lock()
	l.sink.away = true
	l.sink.mu.Unlock()
	send(2)
	eventually(t, "the controller has taken it", func() bool { return h.queue.Stats().Waiting == 0 })
	l.stop() // with rows in its inbox
	send(3)
	h.stop() // with rows in its queue
	l.sink.mu.Lock()
	l.sink.away, l.sink.forgets = false, 1
	l.sink.mu.Unlock()
	l.start()
	l.run(h)
	send(4)
	eventually(t, "all rows are stored", func() bool { n, _ := l.sink.count(); return n == 5*each })
	l.stop()
	l.start()
	send(5)
	eventually(t, "and those after a restart", func() bool { n, _ := l.sink.count(); return n == 6*each })
	if n, twice := l.sink.count(); n != 6*each || twice != 0 {
		t.Errorf("%d rows, %d of them twice", n, twice)
	}
	if l.sink.hosts["web1"] != 6*each {
		t.Errorf("rows by host: %v", l.sink.hosts)
	}
}

// TestRemovedHostIsOut: at once, although its connection is open and its certificate
// has not ended; and it may join again.
func TestRemovedHostIsOut(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	if err := l.auth.Remove("web1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is refused", func() bool { return h.link.Status().Failure != "" })
	h.stop()
	l.source.set("", "second")
	again := l.host("web1")
	eventually(t, "it is back", func() bool { return l.status("web1").State == fleet.InSync && l.status("web1").Beat.Hash == "second" })
	again.stop()
}

// TestClocks: a host whose clock is wrong by a year keeps its line and says so; a
// controller whose clock jumps past the end of certificates has them renewed; past
// the grace they are refused until the clock is right again.
func TestClocks(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	reached := func() bool { return h.link.Status().Failure == "" && !h.link.Status().Reached.IsZero() }
	eventually(t, "reached", reached)
	for _, off := range []time.Duration{-365 * 24 * time.Hour, 365 * 24 * time.Hour} {
		h.clock.set(off)
		eventually(t, "the skew is seen", func() bool {
			s := l.status("web1")
			return (s.Skew-off).Abs() < time.Minute && s.Problem != ""
		})
		eventually(t, "and the line holds", reached)
	}
	h.clock.set(0)
	if err := h.id.SetBridge(true); err != nil {
		t.Fatal(err)
	}
	first := h.id.Expires()
	l.clock.set(48 * time.Hour)
	eventually(t, "renewed after its end", func() bool { return h.id.Expires().After(first.Add(24*time.Hour)) && reached() })
	if kept, err := link.Open(filepath.Join(l.dir, "web1")); err != nil || !kept.Bridge() {
		t.Errorf("that it bridges did not outlive a renewal: %v", err)
	}
	l.clock.set(365 * 24 * time.Hour)
	eventually(t, "refused past the grace", func() bool { return !reached() })
	l.clock.set(0)
	eventually(t, "back when the clock is right", reached)
}

// TestOnlyTheOwnController: a host does not speak to another controller at the same
// address, nor joins one that did not make the token.
func TestOnlyTheOwnController(t *testing.T) {
	l := newLab(t)
	h := l.host("web1")
	eventually(t, "in sync", func() bool { return l.status("web1").State == fleet.InSync })
	l.stop()
	before := l.auth
	token, _, err := before.CreateToken(authority.Grant{})
	if err != nil {
		t.Fatal(err)
	}
	if l.auth, err = authority.Open(authority.Options{Dir: filepath.Join(l.dir, "impostor")}); err != nil {
		t.Fatal(err)
	}
	l.source.set("", "evil")
	l.start()
	eventually(t, "the impostor is not believed", func() bool { return h.link.Status().Failure != "" })
	if _, err := link.Join(t.Context(), link.JoinOptions{Dir: t.TempDir(), Token: token.String(), Controller: l.addr, Name: "web9"}); err == nil {
		t.Error("joined an impostor")
	}
	tickets, err := before.Tickets()
	if err != nil || !tickets[len(tickets)-1].Used.IsZero() {
		t.Errorf("the token was spent: %v %v", tickets, err)
	}
	if slices.Contains(h.texts(), "evil") {
		t.Error("took a bundle from the impostor")
	}
}

// TestCanary: of five hosts one gets a change first; one that takes it back keeps it
// from the others, a good one lets them have it.
func TestCanary(t *testing.T) {
	l := newLab(t)
	l.stop()
	l.opts.Canary = 20
	l.start()
	var hosts []*host
	for i := range 5 {
		hosts = append(hosts, l.host(fmt.Sprintf("web%d", i)))
	}
	have := func(text string) (n int) {
		for _, h := range hosts {
			if slices.Contains(h.texts(), text) {
				n++
			}
		}
		return n
	}
	eventually(t, "all have the first policies", func() bool { return have("first") == 5 })
	l.source.set("", "bad")
	eventually(t, "one has the bad change", func() bool { return have("bad") == 1 })
	eventually(t, "and took it back", func() bool {
		list, _ := l.server.Hosts()
		return slices.ContainsFunc(list, func(s controller.Status) bool { return s.State == fleet.RolledBack })
	})
	l.source.set("", "good")
	eventually(t, "all have the good change", func() bool { return have("good") == 5 })
	if n := have("bad"); n != 1 {
		t.Errorf("%d hosts had the bad change", n)
	}
}

// TestAuthorityKeys: the policy key a host trusts is the authority's.
func TestAuthorityKeys(t *testing.T) {
	l := newLab(t)
	id, err := l.join("web1")
	if err != nil {
		t.Fatal(err)
	}
	keys := id.PolicyKeys()
	if len(keys) != 1 || !keys[0].Equal(l.auth.PolicyKey().Public().(ed25519.PublicKey)) {
		t.Errorf("keys %v", keys)
	}
	if reopened, err := link.Open(filepath.Join(l.dir, "web1")); err != nil || reopened.Name() != "web1" {
		t.Errorf("reopened: %v %v", reopened, err)
	}
	var unused x509.Certificate
	if _, err := l.auth.Holder(&unused); err == nil {
		t.Error("an empty certificate is somebody's")
	}
}
