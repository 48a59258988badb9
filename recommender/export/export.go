package export

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Input is what a file is made of. Set must be valid; the rest may be nil, and
// what stands on it is then left out.
type Input struct {
	Set *policy.Set
	Map *topology.Map // who the selectors mean
	// Members are the workloads with the addresses they hold: what selectors resolve
	// to in address-based formats. Nil takes the map's.
	Members        []topology.Member
	Recommendation *policy.Recommendation // evidence, decisions, coverage
	Simulation     *policy.Simulation
	Today, Draft   *policy.Reach // blast radius of one place, with and without the set
	// ExposureToday and ExposureDraft are how far a compromise of any workload
	// spreads, without and with the set.
	ExposureToday, ExposureDraft *policy.Exposure
	Readiness                    []policy.Readiness // the whole estate first
	At                           time.Time          // when the file was made, UTC
}

// Format is one kind of file.
type Format struct {
	Name        string // as --format takes it
	Title       string
	Extension   string // with the dot
	ContentType string
	Enforces    bool // for an enforcement point; otherwise for people and programs
	write       func(io.Writer, *Input) (losses []string, err error)
}

// ErrUnknownFormat is returned for a name no Format has.
var ErrUnknownFormat = errors.New("unknown export format")

// Formats lists what Write can write, those for review first.
func Formats() []Format {
	return []Format{
		{"yaml", "Policy documents", ".yaml", "application/yaml", false, writeYAML},
		{"json", "Everything, for programs", ".json", "application/json", false, writeJSON},
		{"markdown", "Review pack as Markdown", ".md", "text/markdown; charset=utf-8", false, writeMarkdown},
		{"html", "Review pack as one HTML page", ".html", "text/html; charset=utf-8", false, writeHTML},
		{"csv", "Rules with evidence, for a spreadsheet", ".csv", "text/csv; charset=utf-8", false, writeCSV},
		{"manifest", "What a delivery was made of, and what each format cannot say", ".manifest.json", "application/json", false, writeManifest},
		{"iptables", "iptables-save chains for a gateway (load the ipset file first)", ".rules", "text/plain; charset=utf-8", true, writeIPTables},
		{"ip6tables", "ip6tables-save chains for a gateway (load the ipset file first)", ".rules6", "text/plain; charset=utf-8", true, writeIP6Tables},
		{"ipset", "the address sets iptables and ip6tables use", ".ipset", "text/plain; charset=utf-8", true, writeIPSet},
		{"networkpolicy", "Kubernetes NetworkPolicies", ".yaml", "application/yaml", true, writeNetworkPolicy},
		{"cilium", "Cilium clusterwide policies", ".yaml", "application/yaml", true, writeCilium},
		{"calico", "Calico global policies, staged unless enforced", ".yaml", "application/yaml", true, writeCalico},
		{"clusternetworkpolicy", "Kubernetes ClusterNetworkPolicies (v1alpha2)", ".yaml", "application/yaml", true, writeClusterPolicy},
		{"capirca", "capirca policy for Cisco, Arista, Juniper and others", ".pol", "text/plain; charset=utf-8", true, writeCapircaPolicy},
		{"capirca-networks", "networks the capirca policy uses", ".net", "text/plain; charset=utf-8", true, writeCapircaNetworks},
		{"capirca-services", "services the capirca policy uses", ".svc", "text/plain; charset=utf-8", true, writeCapircaServices},
		{"aerleon", "aerleon policy, networks and services", ".aerleon.yaml", "application/yaml", true, writeAerleon},
		{"windows", "Windows Firewall, PowerShell", ".ps1", "text/plain; charset=utf-8", true, writeWindows},
		{"terraform-aws", "Terraform: AWS security groups", ".aws.tf", "text/plain; charset=utf-8", true, writeAWS},
		{"terraform-azure", "Terraform: Azure network security group", ".azure.tf", "text/plain; charset=utf-8", true, writeAzure},
		{"terraform-google", "Terraform: Google VPC firewall", ".google.tf", "text/plain; charset=utf-8", true, writeGoogle},
		{"nsx", "VMware NSX Policy API", ".nsx.json", "application/json", true, writeNSX},
		{"aci", "Cisco ACI contracts", ".aci.json", "application/json", true, writeACI},
		{"illumio", "Illumio rulesets for workloader", ".illumio.csv", "text/csv; charset=utf-8", true, writeIllumio},
	}
}

// Write writes one file and returns what it could not say, sentence by sentence.
// For an enforcement point drafts count as monitored.
func Write(w io.Writer, format string, in Input) (losses []string, err error) {
	for _, f := range Formats() {
		if f.Name != format {
			continue
		}
		if err := in.Set.Validate(); err != nil {
			return nil, fmt.Errorf("export %s: %w", format, err)
		}
		if f.Enforces {
			in.Set = in.Set.Live()
		}
		losses, err := f.write(w, &in)
		if err != nil {
			return losses, fmt.Errorf("export %s: %w", format, err)
		}
		return losses, nil
	}
	return nil, fmt.Errorf("%w %q", ErrUnknownFormat, format)
}

// evidenceOf finds what a rule stands on; nil when nothing is known.
func (in *Input) evidenceOf(policyName, rule string) *policy.Evidence {
	if in.Recommendation == nil {
		return nil
	}
	for i := range in.Recommendation.Evidence {
		if e := &in.Recommendation.Evidence[i]; e.Policy == policyName && e.Rule == rule {
			return e
		}
	}
	return nil
}

// useOf finds how a rule fared in the simulation; nil when there was none.
func (in *Input) useOf(policyName, rule string) *policy.RuleUse {
	if in.Simulation == nil {
		return nil
	}
	for i := range in.Simulation.Rules {
		if u := &in.Simulation.Rules[i]; u.Policy == policyName && u.Rule == rule {
			return u
		}
	}
	return nil
}
