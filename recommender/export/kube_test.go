package export_test

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender/export"
	"github.com/bulkhead/bulkhead/topology"
)

// What the cluster would make of our NetworkPolicies, read back from the YAML:
// a pod no policy selects is open; otherwise any rule of any policy that selects
// it allows (Kubernetes API, NetworkPolicy).
type netpol struct {
	Kind string
	Spec struct {
		PodSelector labelSelector `yaml:"podSelector"`
		PolicyTypes []string      `yaml:"policyTypes"`
		Ingress     []netpolRule
		Egress      []netpolRule
	}
}

type netpolRule struct {
	From, To []struct {
		NamespaceSelector *labelSelector         `yaml:"namespaceSelector"`
		PodSelector       *labelSelector         `yaml:"podSelector"`
		IPBlock           *struct{ CIDR string } `yaml:"ipBlock"`
	}
	Ports []struct {
		Protocol string
		Port     int
		EndPort  int `yaml:"endPort"`
	}
}

type labelSelector struct {
	MatchLabels      map[string]string `yaml:"matchLabels"`
	MatchExpressions []struct {
		Key, Operator string
		Values        []string
	} `yaml:"matchExpressions"`
}

func (s *labelSelector) matches(l topology.Labels) bool {
	for k, v := range s.MatchLabels {
		if l[k] != v {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		v, has := l[e.Key]
		in := has && strings.Contains("\x00"+strings.Join(e.Values, "\x00")+"\x00", "\x00"+v+"\x00")
		switch e.Operator {
		case "In":
			if !in {
				return false
			}
		case "NotIn":
			if in {
				return false
			}
		case "Exists":
			if !has {
				return false
			}
		}
	}
	return true
}

func (r *netpolRule) allows(peer policy.Party, out bool, s flow.Service) bool {
	peers := r.From
	if out {
		peers = r.To
	}
	side := len(peers) == 0
	for _, p := range peers {
		if p.IPBlock != nil {
			side = side || netip.MustParsePrefix(p.IPBlock.CIDR).Contains(peer.Addr)
		} else {
			side = side || peer.Workload && p.PodSelector.matches(peer.Labels)
		}
	}
	ports := len(r.Ports) == 0
	for _, p := range r.Ports {
		proto := map[string]uint8{"TCP": flow.TCP, "UDP": flow.UDP, "SCTP": flow.SCTP}[p.Protocol]
		ports = ports || proto == s.Proto && (p.Port == 0 || int(s.Port) == p.Port || p.EndPort > 0 && p.Port <= int(s.Port) && int(s.Port) <= p.EndPort)
	}
	return side && ports
}

func clusterAllows(policies []netpol, f policy.Facts) bool {
	for _, out := range []bool{false, true} {
		self, peer, kind := f.Server, f.Client, "Ingress"
		if out {
			self, peer, kind = f.Client, f.Server, "Egress"
		}
		if !self.Workload {
			continue
		}
		isolated, allowed := false, false
		for _, p := range policies {
			if !p.Spec.PodSelector.matches(self.Labels) || !strings.Contains(strings.Join(p.Spec.PolicyTypes, " "), kind) {
				continue
			}
			isolated = true
			rules := p.Spec.Ingress
			if out {
				rules = p.Spec.Egress
			}
			for i := range rules {
				allowed = allowed || rules[i].allows(peer, out, f.Service)
			}
		}
		if isolated && !allowed {
			return false
		}
	}
	return true
}

func parseNetworkPolicies(t *rapid.T, in export.Input) (out []netpol, losses []string) {
	var buf bytes.Buffer
	losses, err := export.Write(&buf, "networkpolicy", in)
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(&buf)
	for {
		var p netpol
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			return out, losses
		}
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
}

// For policies in enforce, the cluster's verdict is never wider than Evaluate's,
// unless the losses say so; and where nothing is lost it is the same.
func TestNetworkPolicyAgreesWithEvaluate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := randomInput(t)
		in.Set = in.Set.AtStage(policy.Enforce)
		policies, losses := parseNetworkPolicies(t, in)
		wider, narrower := false, false
		for _, l := range losses {
			wider = wider || strings.Contains(l, "WIDER")
			narrower = narrower || strings.Contains(l, "left out") || strings.Contains(l, "narrower")
		}
		mixed := map[policy.Egress]bool{}
		for _, p := range in.Set.Policies {
			mixed[p.Egress] = true
		}
		for range 30 {
			f := randomFlow(t, in)
			if f.Service.Proto != flow.TCP && f.Service.Proto != flow.UDP || f.Service.Port == 67 || f.Service.Port == 68 {
				continue // always allowed, or not spoken of
			}
			v := policy.Evaluate(in.Set, f)
			want, got := v.Outcome != policy.Blocked, clusterAllows(policies, f)
			if got && !want && !wider {
				t.Fatalf("the cluster allows %v → %v %s, Evaluate: %+v\nlosses %q", f.Client, f.Server, f.Service, v, losses)
			}
			if want && !got && !narrower && len(mixed) == 1 {
				t.Fatalf("the cluster blocks %v → %v %s, Evaluate: %+v\nlosses %q", f.Client, f.Server, f.Service, v, losses)
			}
		}
	})
}
