package mapper

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"gonum.org/v1/gonum/graph/community"
	"gonum.org/v1/gonum/graph/simple"
)

// Size of the planted groups of the benchmarks' graphs.
const plantedSize = 50

// found is the share of planted groups that came out whole and alone.
func found(of []int32) float64 {
	size := map[int32]int{}
	for _, g := range of {
		size[g]++
	}
	whole := 0
	for first := 0; first < len(of); first += plantedSize {
		same := size[of[first]] == plantedSize
		for i := first; same && i < first+plantedSize; i++ {
			same = of[i] == of[first]
		}
		if same {
			whole++
		}
	}
	return float64(whole) / float64(len(of)/plantedSize)
}

// BenchmarkModules is clustering alone, on the planted graph of peers' figures:
// groups of 50, 80 % of links inside.
func BenchmarkModules(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			links := planted(n, plantedSize, 10, 0.8, 1)
			var of []int32
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuSeconds(b)
			for b.Loop() {
				of, _ = modules(newWeighted(n, links))
			}
			b.ReportMetric((cpuSeconds(b)-start)/float64(b.N), "cpu-s/op")
			b.ReportMetric(float64(len(links)), "edges")
			b.ReportMetric(found(of), "found")
		})
	}
}

// BenchmarkGonumLouvain is gonum's Louvain on the same graphs; 100,000 nodes take
// it more than a minute.
func BenchmarkGonumLouvain(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u := simple.NewUndirectedGraph()
			for _, l := range planted(n, plantedSize, 10, 0.8, 1) {
				u.SetEdge(simple.Edge{F: simple.Node(l.a), T: simple.Node(l.b)})
			}
			of := make([]int32, n)
			b.ReportAllocs()
			b.ResetTimer()
			start := cpuSeconds(b)
			for b.Loop() {
				for k, c := range community.Modularize(u, 1, rand.NewPCG(1, 1)).Communities() {
					for _, m := range c {
						of[m.ID()] = int32(k)
					}
				}
			}
			b.ReportMetric((cpuSeconds(b)-start)/float64(b.N), "cpu-s/op")
			b.ReportMetric(found(of), "found")
		})
	}
}

// cpuSeconds is what this process has used so far.
func cpuSeconds(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// igraphScript clusters the graph of a file ("a b" a line, the number of nodes
// first) with a method and prints the CPU seconds of that alone, as Python counts
// them, and each node's group.
const igraphScript = `
import json, sys, time
import igraph
path, method = sys.argv[1:3]
with open(path) as f:
    n = int(f.readline())
    links = [tuple(map(int, line.split())) for line in f]
g = igraph.Graph(n, links)
g.simplify(multiple=True)
start = time.process_time()
if method == "louvain":
    of = g.community_multilevel().membership
else:
    import leidenalg
    of = leidenalg.find_partition(g, leidenalg.ModularityVertexPartition, seed=1).membership
print(json.dumps({"cpu": time.process_time() - start, "of": of}))
`

// debianPython is the interpreter that Debian's packages are for, whatever else is
// in the path.
const debianPython = "/usr/bin/python3"

// BenchmarkIgraph is the Louvain and the Leiden that Debian packages, in C and C++,
// on the same graphs.
func BenchmarkIgraph(b *testing.B) {
	if out, err := exec.Command(debianPython, "-c", "import igraph, leidenalg").CombinedOutput(); err != nil {
		b.Skipf("python3-igraph and python3-leidenalg are needed: %v: %s", err, out)
	}
	for _, method := range []string{"louvain", "leiden"} {
		for _, n := range []int{1000, 10_000, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", method, n), func(b *testing.B) {
				path := writeLinks(b, n, planted(n, plantedSize, 10, 0.8, 1))
				var got struct {
					CPU float64
					Of  []int32
				}
				cpu := 0.0
				for b.Loop() {
					out, err := exec.Command(debianPython, "-c", igraphScript, path, method).Output()
					if err == nil {
						err = json.Unmarshal(out, &got)
					}
					if err != nil {
						b.Fatal(err)
					}
					cpu += got.CPU
				}
				b.ReportMetric(0, "ns/op") // the interpreter's start and reading the file are not the point
				b.ReportMetric(cpu/float64(b.N), "cpu-s/op")
				b.ReportMetric(found(got.Of), "found")
			})
		}
	}
}

func writeLinks(b *testing.B, n int, links []link) string {
	path := filepath.Join(b.TempDir(), "links")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, n)
	for _, l := range links {
		fmt.Fprintln(w, l.a, l.b)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}
