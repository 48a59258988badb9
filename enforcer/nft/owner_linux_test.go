package nft

import (
	"errors"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

// ownerLab is a namespace in which owners come and go.
type ownerLab struct {
	*netlab.Space
	ruleset Ruleset
}

func newOwnerLab(t *testing.T) *ownerLab {
	t.Helper()
	testenv.Need(t, "netns", "nft")
	set, h := shop(policy.Enforce)
	return &ownerLab{netlab.New(t), mustCompile(t, set, h)}
}

// own opens as an owner and applies.
func (l *ownerLab) own(t *testing.T) *Kernel {
	t.Helper()
	k, err := OpenOwner(l.FD())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	if _, err := k.Apply(t.Context(), l.ruleset); err != nil {
		t.Fatal(err)
	}
	if !k.own {
		testenv.Unable(t, "this kernel has no persistent owned tables (6.9)")
	}
	return k
}

// owned checks that nobody else can change the table, and that flushing all
// rulesets leaves it.
func (l *ownerLab) owned(t *testing.T, when string) {
	t.Helper()
	if _, err := l.Try("", "nft", "delete table inet bulkhead"); err == nil {
		t.Errorf("%s: somebody else deleted the table", when)
	}
	l.Run(t, "", "nft", "flush ruleset")
	l.present(t, when)
	o, err := openIn(t, l.Space).Owner()
	if err != nil || !o.Owned || !o.Persist || o.Port == 0 {
		t.Errorf("%s: Owner = %+v, %v", when, o, err)
	}
}

func (l *ownerLab) present(t *testing.T, when string) {
	t.Helper()
	if list := l.Run(t, "", "nft", "list tables"); !strings.Contains(list, "table inet bulkhead") {
		t.Errorf("%s: the table is gone: %s", when, list)
	}
	drift, err := openIn(t, l.Space).Drift(&l.ruleset)
	if err != nil || !drift.Empty() {
		t.Errorf("%s: %v\n%s", when, err, drift)
	}
}

// TestOwnedTable: while its owner lives nobody else can change the table; when it
// is gone the table stays, and the next owner takes it over, with or without a
// change to make.
func TestOwnedTable(t *testing.T) {
	l := newOwnerLab(t)
	first := l.own(t)
	l.owned(t, "with its owner")
	first.Close()
	l.present(t, "after its owner")
	second := l.own(t) // the same ruleset: nothing to change
	l.owned(t, "taken over unchanged")
	second.Close()
	set, h := shop(policy.Enforce)
	h.Workloads[0].Addrs = addrs("10.1.0.9")
	l.ruleset = mustCompile(t, set, h)
	third := l.own(t)
	l.owned(t, "taken over and changed")
	if err := third.Remove(t.Context()); err != nil {
		t.Errorf("the owner cannot remove its table: %v", err)
	}
}

// TestClaimedTable: a table made by a command is made anew by the first owner, and
// a command learns why it can change it no more.
func TestClaimedTable(t *testing.T) {
	l := newOwnerLab(t)
	command := openIn(t, l.Space)
	if _, err := command.Apply(t.Context(), l.ruleset); err != nil {
		t.Fatal(err)
	}
	owner := l.own(t)
	l.owned(t, "claimed")
	set, h := shop(policy.Monitor)
	other := mustCompile(t, set, h)
	if _, err := command.Apply(t.Context(), other); !errors.Is(err, ErrOwned) {
		t.Errorf("a command's Apply: %v, want %v", err, ErrOwned)
	}
	if err := command.Remove(t.Context()); !errors.Is(err, ErrOwned) {
		t.Errorf("a command's Remove: %v, want %v", err, ErrOwned)
	}
	l.owned(t, "after the command")
	owner.Close()
	if _, err := command.Apply(t.Context(), other); err != nil {
		t.Errorf("a command's Apply once the owner is gone: %v", err)
	}
}
