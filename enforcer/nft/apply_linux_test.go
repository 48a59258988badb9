package nft

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

func openIn(t testing.TB, s *netlab.Space) *Kernel {
	t.Helper()
	k, err := Open(s.FD())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

// TestTextAndNetlinkSayTheSame loads the text with nft in one namespace and
// applies the data by netlink in another: nft must then list the same.
func TestTextAndNetlinkSayTheSame(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	for name, r := range examples(t) {
		if !strings.HasPrefix(name, "text-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			byText, byNetlink := netlab.New(t), netlab.New(t)
			file := filepath.Join(t.TempDir(), "ruleset.nft")
			if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
				t.Fatal(err)
			}
			byText.Run(t, "", "nft", "-c", "-f", file)
			byText.Run(t, "", "nft", "-f", file)
			if _, err := openIn(t, byNetlink).Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			want := byText.Run(t, "", "nft", "list", "ruleset")
			got := byNetlink.Run(t, "", "nft", "list", "ruleset")
			if d := cmp.Diff(sortedLines(want), sortedLines(got)); d != "" {
				t.Errorf("nft list differs (-text +netlink):\n%s", d)
			}
			read, _, _, err := openIn(t, byText).Read()
			if err != nil {
				t.Fatal(err)
			}
			if d := Diff(read, r); !d.Empty() {
				t.Errorf("what nft loaded differs from the ruleset:\n%s", d)
			}
		})
	}
}

// TestNftListsIdentities: what nft has no words for is applied, read back equal,
// and listed by nft without harm; the listing shows each lookup by the address
// whose identity it is about, and nft refuses to load it.
func TestNftListsIdentities(t *testing.T) {
	testenv.Need(t, "netns", "nft")
	for name, r := range examples(t) {
		if strings.HasPrefix(name, "text-") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := netlab.New(t)
			k := openIn(t, s)
			if _, err := k.Apply(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			read, _, _, err := k.Read()
			if err != nil {
				t.Fatal(err)
			}
			if d := Diff(read, r); !d.Empty() {
				t.Errorf("read back differs:\n%s", d)
			}
			s.Run(t, "", "nft", "-j", "list", "ruleset")
			listing := s.Run(t, "", "nft", "list", "ruleset")
			for _, want := range []string{"ip daddr . ip saddr . meta l4proto . th dport vmap @in_services", "ip daddr . ip saddr vmap @in_peers", " . tcp . 443 : return"} {
				if !strings.Contains(listing, want) {
					t.Errorf("nft does not list %q:\n%s", want, listing)
				}
			}
			out, err := s.Try("delete table inet bulkhead\n"+listing, "nft", "-c", "-f", "-")
			if err == nil || !strings.Contains(out, "mismatch") {
				t.Errorf("nft took its own listing for a ruleset: %v\n%s", err, out)
			}
		})
	}
}
