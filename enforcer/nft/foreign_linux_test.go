package nft

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
)

func TestObstaclesAreNamed(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	s := netlab.New(t)
	s.Run(t, `
table ip filter { chain INPUT { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }
table inet harmless { chain c { type filter hook output priority 0; counter; }; chain side { drop; }; }
table ip6 six { chain f { type filter hook forward priority 3; tcp dport 1 reject; ct state new drop; }; }
table ip nat { chain p { type nat hook postrouting priority 100; masquerade; }; }
`, "nft", "-f", "-")
	set, h := shop(policy.Enforce)
	k := openIn(t, s)
	if _, err := k.Apply(t.Context(), mustCompile(t, set, h)); err != nil {
		t.Fatal(err)
	}
	list, err := k.Obstacles()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range list {
		got = append(got, o.String())
	}
	want := []string{
		"table inet harmless chain c (output); its table has 1 rules that drop or reject",
		"table ip filter chain INPUT (input): drops what it does not accept",
		"table ip6 six chain f (forward); its table has 2 rules that drop or reject",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// TestOwnedTable: while its owner lives nobody else can change the table; when it
// is gone the table stays, and the next owner takes it over.
func TestOwnedTable(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	s := netlab.New(t)
	set, h := shop(policy.Enforce)
	r := mustCompile(t, set, h)
	own := func() *Kernel {
		k, err := OpenOwner(s.FD())
		if err == nil {
			_, err = k.Apply(t.Context(), r)
		}
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := own()
	if !first.own {
		first.Close()
		testenv.Unable(t, "this kernel has no persistent owned tables (6.9)")
	}
	attack := func() error {
		_, err := s.Try("", "nft", "delete table inet bulkhead")
		return err
	}
	if attack() == nil {
		t.Error("somebody else deleted an owned table")
	}
	s.Run(t, "", "nft", "flush ruleset")
	if list := s.Run(t, "", "nft", "list tables"); !strings.Contains(list, "table inet bulkhead") {
		t.Errorf("flush ruleset took it away: %s", list)
	}
	first.Close()
	if list := s.Run(t, "", "nft", "list tables"); !strings.Contains(list, "table inet bulkhead") {
		t.Errorf("the table went with its owner: %s", list)
	}
	h.Workloads[0].Addrs = addrs("10.1.0.9")
	r = mustCompile(t, set, h)
	second := own()
	defer second.Close()
	if attack() == nil {
		t.Error("the second owner does not own the table")
	}
	if err := second.Remove(t.Context()); err != nil {
		t.Errorf("the owner cannot remove its table: %v", err)
	}
}
