package enforcer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// onlySSH lets the victim be reached by SSH and reach nothing.
func onlySSH() *policy.Set {
	set := cutAll()
	set.Policies[0].Rules = []policy.Rule{{Name: "ssh", From: []policy.Peer{{Any: true}}, To: []policy.Peer{{Selector: policy.Selector{}}},
		Services: []policy.Service{{Proto: flow.TCP, From: 22, To: 22}}}}
	return set
}

// inForce opens an enforcer with a set confirmed.
func inForce(t *testing.T, d *drill, set *policy.Set) (*enforcer.Enforcer, *nft.Kernel) {
	t.Helper()
	k := openKernel(t, d.victim)
	e, err := enforcer.Open(enforcer.Options{Kernel: k, Dir: t.TempDir(), MaxRepairs: 8})
	if err == nil {
		_, err = e.Apply(t.Context(), enforcer.Request{Set: set, Host: victim()})
	}
	if err == nil {
		err = e.Confirm(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return e, k
}

// TestTamperingIsRepaired: whatever somebody else does to the table, one round of
// the guard, which runs every second, puts it right; other tables are left alone.
func TestTamperingIsRepaired(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	d := newDrill(t)
	e, k := inForce(t, d, onlySSH())
	const foreign = "table inet docker { chain c { type filter hook input priority 5; tcp dport 9 counter packets 0 bytes 0 drop; }; }"
	d.victim.Run(t, foreign, "nft", "-f", "-")
	before := d.victim.Run(t, "", "nft", "list", "table", "inet", "docker")
	for name, attack := range map[string]string{
		"delete table":          "delete table inet bulkhead",
		"flush ruleset of ours": "flush table inet bulkhead",
		"accept first":          "insert rule inet bulkhead input accept",
		"another priority":      "add chain inet bulkhead early { type filter hook input priority -20; }",
		"open the gate":         "flush set inet bulkhead gate_lock-out_",
		"rule in a chain":       "add rule inet bulkhead out tcp dport 53 accept",
	} {
		t.Run(name, func(t *testing.T) {
			d.victim.Run(t, "", "nft", attackOn(t, k, attack))
			if err := e.Guard(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := d.lost(); !slices.Equal(got, []string{"dns", "controller"}) {
				t.Errorf("after repair lost %v, want DNS and the controller cut as confirmed", got)
			}
		})
	}
	if after := d.victim.Run(t, "", "nft", "list", "table", "inet", "docker"); after != before {
		t.Errorf("the foreign table changed:\n%s", after)
	}
	if e.Status().Flapping {
		t.Error("six repairs count as flapping")
	}
	for range 3 {
		d.victim.Run(t, "", "nft", "delete table inet bulkhead")
		if err := e.Guard(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if !e.Status().Flapping {
		t.Error("nine repairs within a minute do not count as flapping")
	}
}

// attackOn completes a set's name, which ends in a hash.
func attackOn(t *testing.T, k *nft.Kernel, attack string) string {
	t.Helper()
	r, _, _, err := k.Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sets {
		if s.Timeout && s.Type == nft.NFProto && attack == "flush set inet bulkhead gate_lock-out_" {
			return "flush set inet bulkhead " + s.Name
		}
	}
	return attack
}

// TestGuardRunsByItself measures how long tampering lasts with the task running.
func TestGuardRunsByItself(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	d := newDrill(t)
	e, _ := inForce(t, d, onlySSH())
	done := make(chan error, 1)
	ctx := t.Context()
	go func() { done <- e.Run(ctx) }()
	<-e.Ready()
	d.victim.Run(t, "", "nft", "delete table inet bulkhead")
	began := time.Now()
	for reaches(d.victim, "10.7.0.1:53") {
		if time.Since(began) > 5*time.Second {
			t.Fatal("the table was not restored within 5 s")
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("restored after %v", time.Since(began).Round(10*time.Millisecond))
}
