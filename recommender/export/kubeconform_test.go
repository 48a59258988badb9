package export_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

const kubeconform = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"

// conformity is what kubeconform says of one document.
type conformity struct {
	Filename, Kind, Name, Status, Msg string
	ValidationErrors                  []struct{ Path, Msg string }
}

func (c *conformity) String() string {
	return fmt.Sprintf("%s %s %s: %s %v", c.Kind, c.Name, c.Status, c.Msg, c.ValidationErrors)
}

// conform checks files (name → text) against the published schemas.
func conform(t *testing.T, files map[string]string) map[string][]conformity {
	t.Helper()
	schemas, dir := t.TempDir(), t.TempDir()
	writeSchemas(t, schemas)
	if out, err := goRun(t, schemas, "-v").CombinedOutput(); err != nil {
		t.Logf("%v\n%s", err, out)
		testenv.Need(t, "kubeconform") // not to be had: skip, or fail where all is required
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := goRun(t, schemas, "-strict", "-verbose", "-output", "json",
		"-schema-location", filepath.Join(schemas, "{{.Group}}_{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"), dir).Output()
	var said struct{ Resources []conformity }
	if json.Unmarshal(out, &said) != nil {
		t.Fatalf("kubeconform: %v\n%s", err, out) // the exit code is 1 with invalid files
	}
	results := map[string][]conformity{}
	for _, r := range said.Resources {
		name := filepath.Base(r.Filename)
		results[name] = append(results[name], r)
	}
	return results
}

// goRun runs kubeconform from dir, which is in no module.
func goRun(t *testing.T, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", kubeconform}, args...)...)
	cmd.Dir = dir
	return cmd
}

var kubeFormats = []string{"networkpolicy", "clusternetworkpolicy", "cilium", "calico"}

// damage is an edit of the shop's file, and the complaint it must bring.
var damage = []struct{ format, old, new, want string }{
	{"networkpolicy", "podSelector:", "podSelectors:", "additional properties 'podSelectors' not allowed"},
	{"networkpolicy", "port: 5432", "port: [5432]", "want string"},
	{"networkpolicy", "policyTypes:\n    - Ingress", "policyTypes: Ingress\n  x:\n    - Ingress", "want array"},
	{"networkpolicy", "name: shop-prod-default-deny", "name: shop_prod", "does not match pattern"},
	{"networkpolicy", "app: shop", "app: 7", "want string"},
	{"networkpolicy", "app: shop", `app: "a b"`, "does not match pattern"},
	{"clusternetworkpolicy", "tier: Admin", "tier: Application", "value must be one of"},
	{"clusternetworkpolicy", "action: Deny", "action: Drop", "value must be one of"},
	{"clusternetworkpolicy", "priority: 200", "priority: 2000", "maximum"},
	{"clusternetworkpolicy", "  subject:", "  subjects:", "missing propert"},
	{"cilium", `port: "5432"`, "port: 5432", "want string"},
	{"cilium", "protocol: TCP", "protocol: tls", "value must be one of"},
	{"cilium", "endpointSelector:", "endpointSelectors:", "additional properties 'endpointSelectors' not allowed"},
	{"calico", "order: 200", `order: "200"`, "want number"},
	{"calico", "selector:", "selectors:", "additional properties 'selectors' not allowed"},
	{"calico", "nets:", "net:", "additional properties 'net' not allowed"},
}

// Every document of every Kubernetes format is what its published schema says, of
// the shop, of random sets and of a large one; and damaged documents are refused
// for what was damaged.
func TestKubernetesDocumentsConform(t *testing.T) {
	inputs := map[string]export.Input{"shop": shop(t), "large": large()}
	enforced := shop(t)
	enforced.Set = enforced.Set.AtStage(policy.Enforce)
	monitored := shop(t)
	monitored.Set = monitored.Set.AtStage(policy.Monitor)
	inputs["enforced"], inputs["monitored"] = enforced, monitored
	for i := range 30 {
		inputs[fmt.Sprintf("random%d", i)] = rapid.Custom(randomInput).Example(i)
	}
	good, bad := map[string]string{}, map[string]string{}
	for name, in := range inputs {
		for _, format := range kubeFormats {
			good[format+"-"+name+".yaml"], _ = render(t, format, in)
		}
	}
	for i, d := range damage {
		text := good[d.format+"-shop.yaml"]
		if !strings.Contains(text, d.old) {
			t.Fatalf("%s holds no %q", d.format, d.old)
		}
		bad[fmt.Sprintf("damaged%d.yaml", i)] = strings.ReplaceAll(text, d.old, d.new)
	}
	for name, text := range bad {
		good[name] = text
	}
	results := conform(t, good)
	for name, text := range good {
		if bad[name] == "" {
			checkConforms(t, name, strings.Count(text, "\nkind: "), results[name])
		}
	}
	for i, d := range damage {
		said := fmt.Sprint(results[fmt.Sprintf("damaged%d.yaml", i)])
		if !strings.Contains(said, "statusInvalid") || !strings.Contains(said, d.want) {
			t.Errorf("%s with %q: want %q, got %s", d.format, d.new, d.want, said)
		}
	}
}

func checkConforms(t *testing.T, name string, documents int, results []conformity) {
	t.Helper()
	valid := 0
	for _, r := range results {
		switch r.Status {
		case "statusValid":
			valid++
		case "statusEmpty": // comments alone
		default:
			t.Errorf("%s: %s", name, &r)
		}
	}
	if valid != documents {
		t.Errorf("%s: %d of %d documents were found valid", name, valid, documents)
	}
}

// large is one policy with more peers, ports and networks than the lists of the
// CRDs may hold in one rule.
func large() export.Input {
	in := export.Input{Set: &policy.Set{AlwaysAllowed: policy.DefaultAlwaysAllowed()}, Members: fixedMembers()}
	rule := policy.Rule{Name: "wide", From: []policy.Peer{{Selector: policy.Select(topology.Labels{"app": "a"})}}}
	network := topology.Network{Name: "offices"}
	for i := range 60 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 20, byte(i), 0}), 24)
		network.Prefixes = append(network.Prefixes, p)
		rule.To = append(rule.To, policy.Peer{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 21, byte(i), 0}), 24)},
			policy.Peer{Selector: policy.Select(topology.Labels{"app": fmt.Sprintf("a%d", i)})})
		rule.Services = append(rule.Services, policy.Service{Proto: 6, From: uint16(2000 + 2*i), To: uint16(2000 + 2*i)})
	}
	rule.To = append(rule.To, policy.Peer{Network: network.Name})
	in.Set.Networks = []topology.Network{network}
	in.Set.Policies = []policy.Policy{{Name: "estate", Scope: policy.Select(topology.Labels{"app": "a"}), Stage: policy.Enforce,
		Egress: policy.EgressRestrict, Rules: []policy.Rule{rule}}}
	in.Set = in.Set.Normal()
	return in
}
