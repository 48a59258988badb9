package nft

import (
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
