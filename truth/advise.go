package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// peer is one end of an event of Inspektor Gadget: pods of one namespace with the
// same labels, or a service that has none.
type peer struct {
	namespace string
	labels    map[string]string
	name      string // used where there are no labels
}

// key is the namespace, a slash, and the labels or the name. The hash that a
// Deployment adds to its pods says nothing about them and is left out.
func (p peer) key() string {
	if len(p.labels) == 0 {
		return p.namespace + "/" + p.name
	}
	return p.namespace + "/" + podName(p.labels)
}

func newPeer(namespace, name string, labels map[string]string) peer {
	kept := maps.Clone(labels)
	delete(kept, "pod-template-hash")
	return peer{namespace, kept, name}
}

// gadgetEvent is a line of either form the tool's tests use: the older traces of
// connect and accept, which are TCP, and the newer ones of packets.
type gadgetEvent struct {
	Type           string            `json:"type"` // connect, accept or normal
	RemoteKind     string            `json:"remote_kind"`
	Port           uint16            `json:"port"`
	LocalNamespace string            `json:"local_pod_namespace"`
	LocalOwner     string            `json:"local_pod_owner"`
	LocalLabels    map[string]string `json:"local_pod_labels"`
	PodNamespace   string            `json:"remote_pod_namespace"`
	PodName        string            `json:"remote_pod_name"`
	PodLabels      map[string]string `json:"remote_pod_labels"`
	SvcNamespace   string            `json:"remote_svc_namespace"`
	SvcName        string            `json:"remote_svc_name"`
	SvcSelector    map[string]string `json:"remote_svc_label_selector"`
	K8s            struct {
		Namespace string `json:"namespace"`
		Pod       string `json:"podname"`
	} `json:"k8s"`
	Direction string `json:"pktType"` // OUTGOING or HOST
	Proto     string `json:"proto"`   // tcp or udp
	Dst       struct {
		Namespace string            `json:"namespace"`
		Name      string            `json:"name"`
		Labels    map[string]string `json:"podLabels"`
	} `json:"dst"`
}

// ends returns client, server and service of an event.
func (e *gadgetEvent) ends() (client, server peer, s flow.Service, err error) {
	local, remote := newPeer(e.LocalNamespace, e.LocalOwner, e.LocalLabels), newPeer(e.PodNamespace, e.PodName, e.PodLabels)
	if e.RemoteKind == "svc" {
		remote = newPeer(e.SvcNamespace, e.SvcName, e.SvcSelector)
	}
	s = flow.Service{Proto: flow.TCP, Port: e.Port}
	switch {
	case e.Type == "connect":
		return local, remote, s, nil
	case e.Type == "accept":
		return remote, local, s, nil
	case e.Type == "normal" && e.Direction == "OUTGOING":
		if e.Proto == "udp" {
			s.Proto = flow.UDP
		}
		return newPeer(e.K8s.Namespace, e.K8s.Pod, nil), newPeer(e.Dst.Namespace, e.Dst.Name, e.Dst.Labels), s, nil
	}
	return client, server, s, fmt.Errorf("event of type %q, direction %q: not known here", e.Type, e.Direction)
}

// loadEvents reads a trace, an array or one object after the other.
func loadEvents(path string) ([]gadgetEvent, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if b = bytes.TrimSpace(b); bytes.HasPrefix(b, []byte("[")) {
		var out []gadgetEvent
		return out, json.Unmarshal(b, &out)
	}
	var out []gadgetEvent
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		var e gadgetEvent
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, e)
	}
}

// netpol is what the comparison needs of a Kubernetes NetworkPolicy.
type netpol struct {
	Metadata struct{ Namespace string }
	Spec     struct {
		Selector struct {
			Labels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
		Ingress []struct {
			From  []netpolPeer
			Ports []netpolPort
		}
		Egress []struct {
			To    []netpolPeer
			Ports []netpolPort
		}
	}
}

type netpolPort struct {
	Port     uint16
	Protocol string
}

type netpolPeer struct {
	Pod       *labelSelector `yaml:"podSelector"`
	Namespace *labelSelector `yaml:"namespaceSelector"`
}

type labelSelector struct {
	Labels map[string]string `yaml:"matchLabels"`
}

// loadGolden reads the policies the tool wrote, one document each.
func loadGolden(path string) ([]netpol, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []netpol
	for d := yaml.NewDecoder(bytes.NewReader(b)); ; {
		var p netpol
		switch err := d.Decode(&p); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, err
		}
		out = append(out, p)
	}
}

func (p *netpol) selects(x peer) bool {
	return p.Metadata.Namespace == x.namespace && hasLabels(x.labels, p.Spec.Selector.Labels)
}

// admits says whether one clause of these peers and ports takes in x and s. The
// only namespace labels the tool writes are the two that hold its name.
func (p *netpol) admits(peers []netpolPeer, ports []netpolPort, x peer, s flow.Service) bool {
	port := slices.ContainsFunc(ports, func(o netpolPort) bool {
		return o.Port == s.Port && strings.EqualFold(o.Protocol, flow.ProtoName(s.Proto))
	})
	return port && slices.ContainsFunc(peers, func(o netpolPeer) bool {
		in := x.namespace == p.Metadata.Namespace
		if o.Namespace != nil {
			in = hasLabels(map[string]string{"name": x.namespace, "kubernetes.io/metadata.name": x.namespace}, o.Namespace.Labels)
		}
		return in && (o.Pod == nil || hasLabels(x.labels, o.Pod.Labels))
	})
}

// hasLabels says whether have holds all of want.
func hasLabels(have, want map[string]string) bool {
	for k, v := range want {
		if have[k] != v {
			return false
		}
	}
	return true
}

// goldenAdmits says whether the policies let client reach s of server: each end
// that a policy selects needs a clause of one (Kubernetes, "Network Policies",
// "The two sorts of pod isolation"). All of the tool's policies isolate both ways.
func goldenAdmits(policies []netpol, client, server peer, s flow.Service) bool {
	out, in := true, true // nothing selects the end
	for i := range policies {
		out = out && !policies[i].selects(client)
		in = in && !policies[i].selects(server)
	}
	for i := range policies {
		p := &policies[i]
		for _, e := range p.Spec.Egress {
			out = out || p.selects(client) && p.admits(e.To, e.Ports, server, s)
		}
		for _, e := range p.Spec.Ingress {
			in = in || p.selects(server) && p.admits(e.From, e.Ports, client, s)
		}
	}
	return out && in
}

// loadAdvised reads the traces of inspektor-gadget-advise with the policies the
// tool makes of them.
func loadAdvised() ([]described, error) {
	paths, err := filepath.Glob(filepath.Join(testenv.Corpus(), "inspektor-gadget-advise", "*", "*.input"))
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var out []described
	for _, path := range paths {
		d, err := loadTrace(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, d)
	}
	return out, nil
}

func loadTrace(path string) (described, error) {
	d := described{dataset: "inspektor-gadget-advise", recorded: true}
	d.name = filepath.Base(filepath.Dir(path)) + "/" + strings.TrimSuffix(filepath.Base(path), ".input")
	events, err := loadEvents(path)
	if err != nil {
		return d, err
	}
	golden, err := loadGolden(strings.TrimSuffix(path, ".input") + ".golden")
	if err != nil {
		return d, err
	}
	for i := range golden {
		for _, e := range golden[i].Spec.Egress {
			d.rules += len(e.To) * len(e.Ports)
		}
		for _, e := range golden[i].Spec.Ingress {
			d.rules += len(e.From) * len(e.Ports)
		}
	}
	peers := map[string]peer{}
	for i := range events {
		client, server, s, err := events[i].ends()
		if err != nil {
			return d, fmt.Errorf("event %d: %w", i+1, err)
		}
		peers[client.key()], peers[server.key()] = client, server
		d.calls = append(d.calls, call{client.key(), server.key(), s})
	}
	d.expected = func(c call) bool { return goldenAdmits(golden, peers[c.client], peers[c.server], c.service) }
	return d, nil
}
