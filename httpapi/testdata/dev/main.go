// Command dev serves the dashboard over the hand-made estate, or with a number as
// its second argument over a generated one of that many workloads.
package main

import (
	"context"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

type backend struct {
	*fake.Backend
	probes []flow.Probe
}

func (b *backend) Recommend(_ context.Context, q httpapi.RecommendQuery) (*policy.Recommendation, error) {
	return b.Backend.Recommend(context.Background(), q)
}

func main() {
	b := &backend{Backend: fake.New(time.Now())}
	var h httpapi.Backend = b.Backend
	if len(os.Args) > 2 {
		n, _ := strconv.Atoi(os.Args[2])
		e, err := scenario.Generate(scenario.Options{Workloads: n, Days: 14})
		if err != nil {
			log.Fatal(err)
		}
		edges, probes := e.Edges()
		var x *topology.Index
		if x, err = topology.NewIndex(e.Inventory(os.Getenv("LABELS") != "")); err != nil {
			log.Fatal(err)
		}
		t := time.Now()
		if b.Estate, err = mapper.Build(mapper.Input{Edges: edges, Probes: probes, Names: e.Names(), Index: x}, mapper.Options{}); err != nil {
			log.Fatal(err)
		}
		log.Printf("map of %d edges in %s: %d nodes, %d apps, %d roles, %d infra, %d proposals", len(edges), time.Since(t), len(b.Estate.Graph.Nodes), len(b.Estate.Applications), len(b.Estate.Roles), len(b.Estate.Infrastructure), len(b.Estate.Proposals))
		b.probes = probes
		h = b
	}
	log.Fatal(http.ListenAndServe(os.Args[1], httpapi.New(h, b.Options(slog.Default()))))
}
