package scenario

import (
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Truth is what is so, whatever a sensor sees of it.
type Truth struct {
	// Labels are role, app, env and loc of every workload, by id.
	Labels map[string]topology.Labels
	// Infrastructure gives the kind of each workload that is shared
	// infrastructure (or a scanner), by id; others are absent.
	Infrastructure map[string]string
	// Edges are the dependencies that happened in the window, by client, server
	// and service; Client of an Edge is the true one even where address
	// translation hides it.
	Edges []TrueEdge
}

// TrueEdge is one dependency with its ends named as the graph names them
// (topology.Node.ID): workload id, address, "net:NAME" or "internet".
type TrueEdge struct {
	ClientID, ServerID string
	flow.Edge
	// Legitimate says that least privilege must allow it.
	Legitimate bool
	Concern    policy.Concern // why a person must decide; "" for legitimate edges
	Why        string
}

// Application returns "app/env" of a workload, which is what the mapper's
// applications are compared with.
func (t *Truth) Application(id string) string {
	l := t.Labels[id]
	return l[topology.LabelApp] + "/" + l[topology.LabelEnv]
}

// Role returns "app/env/role" of a workload.
func (t *Truth) Role(id string) string {
	return t.Application(id) + "/" + t.Labels[id][topology.LabelRole]
}

// Truth returns the ground truth of the estate.
func (e *Estate) Truth() *Truth {
	t := &Truth{Labels: make(map[string]topology.Labels, e.workloads), Infrastructure: map[string]string{}}
	for i := range e.workloads {
		h := int32(i)
		t.Labels[e.hosts[i].name] = e.labels(h)
		if kind := e.roleSpec(h).Kind; kind != "" {
			t.Infrastructure[e.hosts[i].name] = kind
		}
	}
	for _, part := range e.perCore(e.truthOf) {
		t.Edges = append(t.Edges, part.truth...)
	}
	slices.SortStableFunc(t.Edges, func(a, b TrueEdge) int {
		if c := strings.Compare(a.ClientID, b.ClientID); c != 0 {
			return c
		}
		if c := strings.Compare(a.ServerID, b.ServerID); c != 0 {
			return c
		}
		return a.Service.Compare(b.Service)
	})
	return t
}

func (e *Estate) truthOf(from, to int) (out aggregates) {
	counts := make([]int, 0, e.opts.Days)
	for l := from; l < to; l++ {
		k := &e.links[l]
		if k.outcome != flow.Established {
			continue
		}
		counts = e.counts(int32(l), counts)
		total, _ := e.aggregate(int32(l), counts)
		if total.Flows == 0 {
			continue
		}
		v6, ln := e.speaksIPv6(k), e.lines[k.line]
		edge := TrueEdge{ClientID: e.nodeID(k.client), ServerID: e.nodeID(k.server), Legitimate: ln.Concern == "", Concern: policy.Concern(ln.Concern), Why: ln.Why}
		edge.Edge = flow.Edge{
			Client: flow.Party{Addr: e.hosts[k.client].addr(v6), Workload: e.key(k.client)},
			Server: flow.Party{Addr: e.hosts[k.server].addr(v6), Workload: e.key(k.server)}, Service: k.svc, EdgeStats: total,
		}
		out.truth = append(out.truth, edge)
	}
	return out
}

// nodeID names a host as the graph does.
func (e *Estate) nodeID(h int32) string {
	host := &e.hosts[h]
	if !host.outside() {
		return host.name
	}
	switch o := &e.spec.Outside[host.role]; o.Kind {
	case "network":
		return "net:" + o.Name
	case "internet":
		return "internet"
	case "group":
		return "multicast"
	}
	return host.addr(!host.v4.IsValid()).String()
}
