package export_test

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

func render(t testing.TB, format string, in export.Input) (string, []string) {
	t.Helper()
	var buf bytes.Buffer
	losses, err := export.Write(&buf, format, in)
	if err != nil {
		t.Fatal(err)
	}
	return buf.String(), losses
}

// iptables itself takes the files: sets and chains are loaded in a namespace of
// their own.
func TestIPTablesLoads(t *testing.T) {
	testenv.Need(t, "netns", "ipset", "iptables-restore", "ip6tables-restore", "unshare")
	dir := t.TempDir()
	for _, format := range []string{"ipset", "iptables", "ip6tables"} {
		text, _ := render(t, format, shop(t))
		if err := os.WriteFile(filepath.Join(dir, format), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := "set -e; cd " + dir + "; ipset restore < ipset; iptables-restore --noflush < iptables; ip6tables-restore --noflush < ip6tables; iptables -C FORWARD -j BULKHEAD 2>/dev/null || iptables -I FORWARD -j BULKHEAD; iptables-save -t filter; ip6tables-save -t filter"
	out, err := exec.Command("unshare", "--net", "sh", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, want := strings.Count(string(out), "shop-prod/web-to-db"), 1; got < want {
		t.Errorf("the rule web-to-db is not in the kernel:\n%s", out)
	}
}

// The chains, read back and walked packet by packet, say what Evaluate says.
func TestIPTablesAgreesWithEvaluate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		fw := map[bool]*iptables{}
		sets := parseIPSets(t, in)
		for _, v6 := range []bool{false, true} {
			format := "iptables"
			if v6 {
				format = "ip6tables"
			}
			var buf bytes.Buffer
			if _, err := export.Write(&buf, format, in); err != nil {
				t.Fatal(err)
			}
			fw[v6] = parseIPTables(t, buf.String(), sets)
		}
		for range 30 {
			f := randomFlow(t, in)
			want := policy.Evaluate(in.Set.Live(), f).Outcome
			got := fw[f.Client.Addr.Is6()].walk(t, f)
			same := got == want || (got == policy.Allowed && want == policy.Untouched)
			if !same {
				t.Fatalf("%s → %s %s: chains say %s, Evaluate %+v\n%s", f.Client.Addr, f.Server.Addr, f.Service, got, policy.Evaluate(in.Set.Live(), f), fw[f.Client.Addr.Is6()].text)
			}
		}
	})
}

// iptables is a small reading of iptables-save: enough for what the exporter
// writes, and it fails on anything else.
type iptables struct {
	chains map[string][][]string
	sets   map[string][]netip.Prefix
	logged bool
	text   string
}

func parseIPSets(t *rapid.T, in export.Input) map[string][]netip.Prefix {
	var buf bytes.Buffer
	if _, err := export.Write(&buf, "ipset", in); err != nil {
		t.Fatal(err)
	}
	sets := map[string][]netip.Prefix{}
	for _, line := range strings.Split(buf.String(), "\n") {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == "add" {
			sets[words[1]] = append(sets[words[1]], netip.MustParsePrefix(words[2]))
		}
	}
	return sets
}

func parseIPTables(t *rapid.T, text string, sets map[string][]netip.Prefix) *iptables {
	fw := &iptables{chains: map[string][][]string{}, sets: sets, text: text}
	for _, line := range strings.Split(text, "\n") {
		if rest, ok := strings.CutPrefix(line, "-A "); ok {
			rest = strings.ReplaceAll(rest, `"bulkhead would block"`, "prefix")
			words := strings.Fields(rest)
			fw.chains[words[0]] = append(fw.chains[words[0]], words[1:])
		}
	}
	return fw
}

func (fw *iptables) walk(t *rapid.T, f policy.Facts) policy.Outcome {
	fw.logged = false
	if fw.run(t, "BULKHEAD", f) {
		return policy.Blocked
	}
	if fw.logged {
		return policy.WouldBlock
	}
	return policy.Allowed
}

// run reports whether the packet is dropped. A chain that is gone to is left to
// the caller's caller, which is the same here: every goto is the end of a chain.
func (fw *iptables) run(t *rapid.T, chain string, f policy.Facts) bool {
	for _, rule := range fw.chains[chain] {
		match, verb, target := fw.match(t, rule, f)
		if !match {
			continue
		}
		switch {
		case target == "DROP":
			return true
		case target == "RETURN":
			return false
		case target == "NFLOG":
			fw.logged = true
		case verb == "-g":
			return fw.run(t, target, f)
		default:
			if fw.run(t, target, f) {
				return true
			}
		}
	}
	return false
}

func (fw *iptables) match(t *rapid.T, rule []string, f policy.Facts) (ok bool, verb, target string) {
	ok = true
	for i := 0; i < len(rule); i++ {
		next := func() string { i++; return rule[i] }
		switch rule[i] {
		case "-m", "--comment", "--nflog-group", "--nflog-prefix":
			next()
		case "--ctstate": // a new connection
			next()
			ok = false
		case "--match-set":
			set, dir := fw.sets[next()], next()
			addr := f.Client.Addr
			if dir == "dst" {
				addr = f.Server.Addr
			}
			in := false
			for _, p := range set {
				in = in || p.Contains(addr)
			}
			ok = ok && in
		case "-p":
			p := next()
			n, err := strconv.Atoi(p)
			if err != nil {
				n = map[string]int{"icmp": 1, "ipv6-icmp": 58}[p]
			}
			ok = ok && int(f.Service.Proto) == n
		case "--dports":
			in := false
			for _, r := range strings.Split(next(), ",") {
				lo, hi, isRange := strings.Cut(r, ":")
				if !isRange {
					hi = lo
				}
				a, _ := strconv.Atoi(lo)
				b, _ := strconv.Atoi(hi)
				in = in || (a <= int(f.Service.Port) && int(f.Service.Port) <= b)
			}
			ok = ok && in
		case "--icmp-type", "--icmpv6-type":
			kind, code, hasCode := strings.Cut(next(), "/")
			k, _ := strconv.Atoi(kind)
			c, _ := strconv.Atoi(code)
			ok = ok && int(f.Service.Port>>8) == k && (!hasCode || int(f.Service.Port&0xff) == c)
		case "-j", "-g":
			verb = rule[i]
			return ok, verb, next()
		default:
			t.Fatalf("unknown word %q in %v", rule[i], rule)
		}
	}
	t.Fatalf("no target in %v", rule)
	return false, "", ""
}

// randomInput draws a set of pools, stages and actions over a fixed small estate.
func randomInput(t *rapid.T) export.Input {
	in := export.Input{Set: &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed(),
		Networks: []topology.Network{{Name: "net", Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}}}}}
	in.Members = fixedMembers()
	if rapid.Bool().Draw(t, "break glass") {
		in.Set.BreakGlass = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "policies") {
		p := policy.Policy{Name: "p" + strconv.Itoa(i), Scope: randomSelector(t), Stage: policy.Stage(rapid.IntRange(0, 2).Draw(t, "stage")),
			Egress: policy.Egress(rapid.IntRange(0, 1).Draw(t, "egress"))}
		for j := range rapid.IntRange(0, 4).Draw(t, "rules") {
			r := policy.Rule{Name: "r" + strconv.Itoa(j), Action: policy.Action(rapid.IntRange(0, 2).Draw(t, "action")),
				From: []policy.Peer{randomPeer(t)}, To: []policy.Peer{randomPeer(t), randomPeer(t)}}
			for range rapid.IntRange(0, 2).Draw(t, "services") {
				s, _ := policy.ParseService(rapid.SampledFrom([]string{"tcp/443", "dns", "tcp/1000-2000", "ping", "icmp/3/4", "icmpv6/128", "udp", "any", "47", "tcp/80", "tcp/22", "tcp/0", "udp/0-1"}).Draw(t, "service"))
				r.Services = append(r.Services, s...)
			}
			p.Rules = append(p.Rules, r)
		}
		in.Set.Policies = append(in.Set.Policies, p)
	}
	in.Set = in.Set.Normal()
	return in
}

func fixedMembers() (out []topology.Member) {
	for i, l := range []topology.Labels{{"app": "a", "role": "x"}, {"app": "a", "role": "y"}, {"app": "b", "role": "x"}, {"app": "b"}, nil} {
		out = append(out, topology.Member{ID: "m" + strconv.Itoa(i), Labels: l, Addrs: []netip.Addr{
			netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), netip.MustParseAddr("fd00::" + strconv.Itoa(i+1))}})
	}
	return out
}

func randomSelector(t *rapid.T) policy.Selector {
	return rapid.SampledFrom([]policy.Selector{{}, policy.Select(topology.Labels{"app": "a"}), policy.Select(topology.Labels{"app": "b"}),
		policy.Select(topology.Labels{"role": "x"}), policy.Select(topology.Labels{"app": "a", "role": "y"}),
		{{Key: "app", Not: []string{"a"}}}, {{Key: "role"}}}).Draw(t, "selector")
}

func randomPeer(t *rapid.T) policy.Peer {
	switch rapid.IntRange(0, 5).Draw(t, "peer") {
	case 0:
		return policy.Peer{Any: true}
	case 1:
		return policy.Peer{Network: "net"}
	case 2:
		return policy.Peer{Prefix: netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/30", "0.0.0.0/0", "fd00::/16", "10.0.0.3/32"}).Draw(t, "prefix"))}
	}
	return policy.Peer{Selector: randomSelector(t)}
}

// randomFlow is a new connection between two addresses of one family.
func randomFlow(t *rapid.T, in export.Input) policy.Facts {
	v6 := rapid.Bool().Draw(t, "v6")
	party := func(name string) policy.Party {
		i := rapid.IntRange(0, len(in.Members)+2).Draw(t, name)
		if i < len(in.Members) {
			m := in.Members[i]
			return policy.Party{Addr: m.Addrs[b2i(v6)], Labels: m.Labels, Workload: true}
		}
		outside := [][2]string{{"192.0.2.7", "2001:db8::7"}, {"198.51.100.9", "2001:db9::9"}, {"203.0.113.5", "2a00::5"}}[i-len(in.Members)]
		return policy.Party{Addr: netip.MustParseAddr(outside[b2i(v6)])}
	}
	f := policy.Facts{Client: party("client"), Server: party("server")}
	icmp, proto := flow.ICMP, []uint8{flow.TCP, flow.UDP, flow.GRE}
	if v6 {
		icmp = flow.ICMPv6
	}
	f.Service.Proto = rapid.SampledFrom(append(proto, icmp)).Draw(t, "proto")
	f.Service.Port = rapid.SampledFrom([]uint16{22, 53, 67, 68, 80, 443, 999, 1000, 1500, 2000, 2001, 3<<8 | 4, 8 << 8, 128 << 8, 135 << 8}).Draw(t, "port")
	if f.Service.Proto == flow.GRE {
		f.Service.Port = 0
	}
	return f
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
