package nft

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/netlab"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// many makes an estate whose gateway ruleset has about n elements: applications
// of 1,000 workloads, web → api → db, and a monitor that reaches all. Of a
// ruleset for text twice as many.
func many(n int) (*policy.Set, Host) {
	set := &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}
	host := Host{Mode: ModeGateway, Workloads: make([]Workload, 0, n+n/50)}
	same := map[string]topology.Labels{} // shared, as an inventory's are
	add := func(id, role, app string, i int) {
		if same[role+app] == nil {
			same[role+app] = labels("role", role, "app", app)
		}
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		host.Workloads = append(host.Workloads, Workload{ID: id, Labels: same[role+app], Addrs: []netip.Addr{a}})
	}
	add("monitor", "monitor", "ops", 1)
	next := 2
	const perApp, elementsPerApp = 1000, 1010
	for app := range max(1, n/elementsPerApp) {
		name := fmt.Sprintf("app%03d", app)
		for i := range perApp {
			role := [...]string{"web", "web", "web", "web", "web", "web", "api", "api", "api", "db"}[i%10]
			add(fmt.Sprintf("%s-%d", name, i), role, name, next)
			next++
		}
		in := func(role string) policy.Peer { return sel("role", role, "app", name) }
		set.Policies = append(set.Policies, policy.Policy{Name: name, Stage: policy.Enforce, Scope: policy.Select(labels("app", name)),
			Rules: []policy.Rule{
				{Name: "web-to-api", From: []policy.Peer{in("web")}, To: []policy.Peer{in("api")}, Services: []policy.Service{tcp(443, 443)}},
				{Name: "api-to-db", From: []policy.Peer{in("api")}, To: []policy.Peer{in("db")}, Services: []policy.Service{tcp(5432, 5432)}},
				{Name: "monitoring", From: []policy.Peer{sel("role", "monitor")}, To: []policy.Peer{in("web"), in("api"), in("db")}, Services: []policy.Service{tcp(9100, 9100)}},
			}})
	}
	return set, host
}

var sizes = []int{10_000, 100_000, 1_000_000}

func BenchmarkCompile(b *testing.B) {
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set, h := many(n)
			b.ReportAllocs()
			var r Ruleset
			for b.Loop() {
				r = mustCompile(b, set, h)
			}
			b.ReportMetric(float64(r.Elements()), "elements")
		})
	}
}

// BenchmarkApply measures compiling, applying to an empty namespace, reading back
// and comparing.
func BenchmarkApply(b *testing.B) {
	testenv.Need(b, "netns")
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set, h := many(n)
			elements := 0
			best := time.Duration(1 << 62)
			for b.Loop() {
				b.StopTimer()
				k := openIn(b, netlab.New(b))
				runtime.GC()
				began := cpuTime(unix.RUSAGE_SELF)
				b.StartTimer()
				r := mustCompile(b, set, h)
				if _, err := k.Apply(b.Context(), r); err != nil {
					b.Fatal(err)
				}
				best = min(best, cpuTime(unix.RUSAGE_SELF)-began)
				elements = r.Elements()
			}
			b.ReportMetric(best.Seconds()*1000, "cpu-ms")
			b.ReportMetric(float64(elements), "elements")
			b.ReportMetric(peakMB(unix.RUSAGE_SELF), "peak-MB")
		})
	}
}

// cpuTime is the user and system time of this process, or of its children: what
// counts on a machine that others use too.
func cpuTime(who int) time.Duration {
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// peakMB is the most memory this process, or a child of it, ever had resident. It
// says nothing of one benchmark when several ran before in the process.
func peakMB(who int) float64 {
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return 0
	}
	return float64(u.Maxrss) / 1024
}

// BenchmarkNftF loads as many elements with Debian's nft, for comparison: a ruleset
// compiled for text, of fewer workloads, as there every peer's address is listed.
func BenchmarkNftF(b *testing.B) {
	testenv.Need(b, "netns", "nft")
	for _, n := range sizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set, h := many(n * 10 / 19)
			h.Text = true
			r := mustCompile(b, set, h)
			file := filepath.Join(b.TempDir(), "ruleset.nft")
			if err := os.WriteFile(file, []byte(r.String()), 0o600); err != nil {
				b.Fatal(err)
			}
			best := time.Duration(1 << 62)
			for b.Loop() {
				b.StopTimer()
				s := netlab.New(b)
				began := cpuTime(unix.RUSAGE_CHILDREN)
				b.StartTimer()
				s.Run(b, "", "nft", "-f", file)
				best = min(best, cpuTime(unix.RUSAGE_CHILDREN)-began)
			}
			b.ReportMetric(best.Seconds()*1000, "cpu-ms")
			b.ReportMetric(float64(r.Elements()), "elements")
			b.ReportMetric(peakMB(unix.RUSAGE_CHILDREN), "peak-MB")
		})
	}
}

// BenchmarkNftLabelChange has nft change the element of one workload in the table
// that BenchmarkLabelChange changes.
func BenchmarkNftLabelChange(b *testing.B) {
	testenv.Need(b, "netns", "nft")
	set, h := many(100_000)
	r := mustCompile(b, set, h)
	s := netlab.New(b)
	if _, err := openIn(b, s).Apply(b.Context(), r); err != nil {
		b.Fatal(err)
	}
	identities, _ := r.Set(identity4)
	e, other := identities.Elems[1], identities.Elems[9]
	key := e.text(Addr4)
	change := fmt.Sprintf("delete element inet bulkhead identity4 { %s }\nadd element inet bulkhead identity4 { %s%s }\n",
		key, key, identities.valueText(other.Target))
	best, cpu := time.Duration(1<<62), time.Duration(1<<62)
	for b.Loop() {
		began, used := time.Now(), cpuTime(unix.RUSAGE_CHILDREN)
		s.Run(b, change, "nft", "-f", "-")
		best, cpu = min(best, time.Since(began)), min(cpu, cpuTime(unix.RUSAGE_CHILDREN)-used)
	}
	b.ReportMetric(float64(best)/1e6, "best-ms")
	b.ReportMetric(float64(cpu)/1e6, "cpu-ms")
}
