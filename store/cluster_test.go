package store_test

import (
	"context"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

// twoShards starts two engines that know each other as the cluster "two" and
// returns a migrated store on each.
func twoShards(t *testing.T) [2]*store.Store {
	t.Helper()
	testenv.Need(t, "engine")
	var engines [2]*engine.Engine
	var shards []engine.Shard
	for i := range engines {
		e, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir(), MemoryBytes: 1 << 30})
		if err != nil {
			t.Fatal(err)
		}
		engines[i], shards = e, append(shards, e.Shard())
	}
	var stores [2]*store.Store
	for i, e := range engines {
		if err := e.SetRemotes([]engine.Cluster{{Name: "two", Shards: shards}}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- e.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		select {
		case <-e.Ready():
		case err := <-done:
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), store.Options{DSN: e.DSN(), Cluster: "two", ClusterPlain: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		stores[i] = s
	}
	return stores
}

// On two real shards every question has one answer wherever it is asked, and one
// edge lives on one shard.
func TestDistributedOverTwoEngines(t *testing.T) {
	stores := twoShards(t)
	a, b := stores[0], stores[1]
	rs := traffic(3000, 100, 30)
	w := newWriter(t, a, store.WriterOptions{SpoolDir: t.TempDir(), BatchRows: 500})
	if err := w.Records(rs); err != nil {
		t.Fatal(err)
	}
	flush(t, w)
	balanced(t, w)
	var want uint64
	for _, r := range rs {
		if r.Outcome == flow.Established {
			want++
		}
	}
	for i, s := range stores {
		var got uint64
		for _, e := range edgesOf(t, s, store.Query{}) {
			got += e.Flows
		}
		if n, err := s.Rows(t.Context()); n != uint64(len(rs)) || err != nil || got != want {
			t.Errorf("server %d: %d rows, %v, %d flows in edges; want %d and %d", i, n, err, got, len(rs), want)
		}
		edgesOf(t, s, store.Query{NewSince: at(1), Servers: []store.Server{{Addr: ip("10.0.0.2"), Service: flow.Service{Proto: 6, Port: 1}}}})
	}
	na, nb, both := a.LocalEdges(t, "edges_daily_local"), b.LocalEdges(t, "edges_daily_local"), 0
	for e := range na {
		if nb[e] {
			both++
		}
	}
	if len(na) == 0 || len(nb) == 0 || both != 0 {
		t.Errorf("%d edges on the first shard, %d on the second, %d on both; want some, some, none", len(na), len(nb), both)
	}
	v, err := a.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: "p", Content: []byte("x")})
	if d, err2 := b.LoadDocument(t.Context(), "policy", "p", v); err != nil || err2 != nil || string(d.Content) != "x" {
		t.Errorf("a document saved on one server reads %q on the other: %v %v", d.Content, err, err2)
	}
}

// A batch repeated through a Distributed table is stored once on every shard.
func TestRepeatedBatchOnACluster(t *testing.T) {
	stores := twoShards(t)
	for range 3 {
		if err := stores[0].InsertTwice(t.Context(), "same-token", traffic(400, 50, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := stores[1].Rows(t.Context()); n != 400 || err != nil {
		t.Errorf("%d rows, %v; want 400", n, err)
	}
	var flows uint64
	for _, e := range edgesOf(t, stores[1], store.Query{}) {
		flows += e.Flows
	}
	probes, err := stores[1].Probes(t.Context(), store.Query{})
	for _, p := range probes {
		flows += p.Attempts
	}
	if flows != 400 || err != nil {
		t.Errorf("%d flows in the rollups, %v; want 400", flows, err)
	}
}
