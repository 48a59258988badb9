package enforcer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// AftercareTime is how long a confirmed change is watched unless told otherwise.
const AftercareTime = 48 * time.Hour

// Aftercare asks that a change be watched from when it is applied until a time
// after it is confirmed: what it blocks is compared with what its simulation
// forecast, and too much harm takes the change back.
//
// Harm is counted so that nobody on the network can undo a change by knocking on
// closed doors. A dependency of the recorded window that the simulation said
// would stay allowed counts one for each such dependency, for only a change that
// does not do what it should can block it. Anything else that was not foreseen
// counts one for each workload that asked, and one for all strangers together.
type Aftercare struct {
	// For is the length of the watch after confirmation; 0 for AftercareTime.
	For time.Duration `json:"for"`
	// Bear is how much harm is borne; more takes the change back.
	Bear int `json:"bear"`
	// Since and Until are the recorded window that was simulated. Without one (both
	// 0) nothing was forecast: the watch counts, and takes nothing back.
	Since flow.Time `json:"since"`
	Until flow.Time `json:"until"`
	// Foreseen is what the simulation said would be blocked, Kept what it saw and
	// said would stay allowed.
	Foreseen []Edge `json:"foreseen"`
	Kept     []Edge `json:"kept"`
	// Networks are the named networks that edges may name, beside the policy's own.
	Networks []topology.Network `json:"networks,omitempty"`
}

// forecast reports whether there is anything to compare with.
func (a *Aftercare) forecast() bool { return a.Until != 0 }

// Edge is a dependency by the names of its ends, as topology.Node.ID has them: a
// workload's id, an address, "net:NAME", "domain:NAME" or "internet".
type Edge struct {
	Client  string       `json:"client"`
	Server  string       `json:"server"`
	Service flow.Service `json:"service"`
}

func (e Edge) String() string { return fmt.Sprintf("%s → %s %s", e.Client, e.Server, e.Service) }

// Compare orders edges by client, server and service.
func (e Edge) Compare(o Edge) int {
	return cmp.Or(cmp.Compare(e.Client, o.Client), cmp.Compare(e.Server, o.Server), e.Service.Compare(o.Service))
}

// Seen says how often an edge was blocked while a change was watched.
type Seen struct {
	Edge
	Events      uint64    `json:"events"`
	First, Last flow.Time `json:"-"`
	// Stranger says that the client is no workload that the enforcement point knows.
	Stranger bool `json:"stranger,omitempty"`
}

// Watch is a change under watch: what was asked, and what was blocked so far. It
// is kept on disk and outlives the process.
type Watch struct {
	Version int `json:"version"` // whose change it is
	Aftercare
	// Foreseen, Broken and Unforeseen are what was blocked: as forecast, against the
	// forecast, and what the recorded window did not have. Each in the order of
	// first sight, at most maxWatched long; More counts events beyond.
	SeenForeseen   []Seen `json:"seenForeseen,omitempty"`
	SeenBroken     []Seen `json:"seenBroken,omitempty"`
	SeenUnforeseen []Seen `json:"seenUnforeseen,omitempty"`
	More           uint64 `json:"more,omitempty"`
	// Ended says why the watch is over; "" while it is on.
	Ended string `json:"ended,omitempty"`
}

// maxWatched bounds how many edges of a kind a watch remembers.
const maxWatched = 4096

// Harm is what is weighed against Bear.
func (w *Watch) Harm() int {
	harm := len(w.SeenBroken)
	workloads, strangers := map[string]bool{}, 0
	for _, s := range w.SeenUnforeseen {
		if s.Stranger {
			strangers = 1
		} else {
			workloads[s.Client] = true
		}
	}
	return harm + len(workloads) + strangers
}

// exceeded reports whether the change is to be taken back.
func (w *Watch) exceeded() bool { return w.Ended == "" && w.forecast() && w.Harm() > w.Bear }

// String sums the watch up.
func (w *Watch) String() string {
	s := fmt.Sprintf("%d dependencies blocked as forecast, %d against the forecast, %d that the recorded traffic did not have; harm %d, %d is borne",
		len(w.SeenForeseen), len(w.SeenBroken), len(w.SeenUnforeseen), w.Harm(), w.Bear)
	if !w.forecast() {
		s = fmt.Sprintf("%d dependencies blocked; nothing was forecast, so nothing is taken back", len(w.SeenUnforeseen))
	}
	for _, list := range [][]Seen{w.SeenBroken, w.SeenUnforeseen} {
		if len(list) > 0 {
			return s + "; first: " + list[0].Edge.String()
		}
	}
	return s
}

// tally is a watch with its forecast ready to be looked up. Not safe for
// concurrent use.
type tally struct {
	Watch
	names          *namer
	foreseen, kept map[Edge]bool
	at             map[Edge]place
	dirty          bool
}

// place is where an edge is remembered.
type place struct {
	list *[]Seen
	i    int
}

func newTally(w Watch, names *namer) *tally {
	t := &tally{Watch: w, names: names, foreseen: map[Edge]bool{}, kept: map[Edge]bool{}, at: map[Edge]place{}}
	for _, e := range w.Foreseen {
		t.foreseen[e] = true
	}
	for _, e := range w.Kept {
		t.kept[e] = true
	}
	for _, list := range []*[]Seen{&t.SeenForeseen, &t.SeenBroken, &t.SeenUnforeseen} {
		for i := range *list {
			t.at[(*list)[i].Edge] = place{list, i}
		}
	}
	return t
}

// blocked counts events of one edge.
func (t *tally) blocked(client, server flow.Party, svc flow.Service, events uint64, when flow.Time) {
	t.dirty = true
	edge, list := t.classify(client, server, svc)
	if p, known := t.at[edge]; known {
		s := &(*p.list)[p.i]
		s.Events += events
		s.Last = max(s.Last, when)
		return
	}
	if len(*list) >= maxWatched {
		t.More += events
		return
	}
	t.at[edge] = place{list, len(*list)}
	*list = append(*list, Seen{Edge: edge, Events: events, First: when, Last: when, Stranger: !t.names.workload(client.Addr)})
}

// classify finds which of an edge's names the forecast knows it by.
func (t *tally) classify(client, server flow.Party, svc flow.Service) (Edge, *[]Seen) {
	from, to := t.names.of(client.Addr), t.names.of(server.Addr)
	for _, c := range from {
		for _, s := range to {
			e := Edge{c, s, svc}
			if t.foreseen[e] {
				return e, &t.SeenForeseen
			}
			if t.kept[e] {
				return e, &t.SeenBroken
			}
		}
	}
	return Edge{from[0], to[0], svc}, &t.SeenUnforeseen
}

// SortEdges puts edges in order, each once: forecasts are compared by people.
func SortEdges(edges []Edge) []Edge {
	slices.SortFunc(edges, Edge.Compare)
	return slices.Compact(edges)
}

// watchText is a watch as it is kept.
func (w *Watch) text() ([]byte, error) { return json.MarshalIndent(w, "", "  ") }
