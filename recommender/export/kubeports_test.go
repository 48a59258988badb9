package export_test

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// What the API servers check besides the schemas, of random sets: ranges that
// rise, ports from 1, and networks in CIDR form (the CEL rules of
// ClusterNetworkPolicy; the validation of NetworkPolicy, Cilium and Calico).
func TestKubernetesPortsAndNetworks(t *testing.T) {
	for i := range 80 {
		in := rapid.Custom(randomInput).Example(i)
		for _, format := range kubeFormats {
			out, _ := render(t, format, in)
			for dec := yaml.NewDecoder(strings.NewReader(out)); ; {
				var doc any
				if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				for _, problem := range portProblems(doc) {
					t.Fatalf("%s: %s\n%s", format, problem, out)
				}
			}
		}
	}
}

// Port 0 alone is not every port.
func TestPortZeroIsLost(t *testing.T) {
	in := shop(t)
	service, err := policy.ParseService("tcp/0")
	if err != nil {
		t.Fatal(err)
	}
	in.Set = &policy.Set{Policies: []policy.Policy{{Name: "p", Stage: policy.Enforce, Scope: policy.Select(topology.Labels{"app": "shop"}),
		Rules: []policy.Rule{{Name: "r", From: []policy.Peer{{Any: true}}, To: []policy.Peer{{Any: true}}, Services: service}}}}}
	for _, format := range kubeFormats {
		out, losses := render(t, format, in)
		if strings.Contains(out, "name: p-r-") || !strings.Contains(fmt.Sprint(losses), "p/r: port 0 of tcp/0 cannot be said") {
			t.Errorf("%s: losses %q\n%s", format, losses, out)
		}
	}
}

func portProblems(v any) (out []string) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			out = append(out, portProblems(x)...)
		}
	case map[string]any:
		for _, ends := range [][2]string{{"start", "end"}, {"port", "endPort"}} {
			if from, to := number(v[ends[0]]), number(v[ends[1]]); v[ends[1]] != nil && from >= to {
				out = append(out, fmt.Sprintf("a range %d to %d", from, to))
			}
		}
		for key, x := range v {
			list, _ := x.([]any)
			switch key {
			case "port", "number", "start":
				if !isMap(x) && number(x) < 1 && x != "0" { // Cilium's every port
					out = append(out, fmt.Sprintf("%s %v", key, x))
				}
			case "ports":
				for _, p := range list {
					if !isMap(p) && number(p) < 1 {
						out = append(out, fmt.Sprintf("port %v", p))
					}
				}
			case "networks", "nets", "fromCIDR", "toCIDR":
				for _, n := range list {
					if p, err := netip.ParsePrefix(fmt.Sprint(n)); err != nil || p != p.Masked() {
						out = append(out, fmt.Sprintf("network %v", n))
					}
				}
			}
			out = append(out, portProblems(x)...)
		}
	}
	return out
}

func isMap(v any) bool {
	_, ok := v.(map[string]any)
	return ok
}

// number is the number v begins with, -1 when it begins with none.
func number(v any) int {
	n := -1
	_, _ = fmt.Sscan(strings.SplitN(fmt.Sprint(v), ":", 2)[0], &n)
	return n
}
