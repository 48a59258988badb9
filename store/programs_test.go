package store_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

// Programs come from the records of hosts, each side by itself; records that name
// none say nothing.
func TestProgramsByEnd(t *testing.T) {
	s := open(t)
	silent, served, asked := record(1, 1), record(2, 2), record(3, 3)
	served.ServerProcess = "nginx.service"
	asked.ClientProcess, asked.ServerProcess = "curl", "nginx.service"
	write(t, s, silent, served, asked)
	got, err := s.Programs(t.Context(), store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		addr, process string
		serves        bool
		flows         uint64
	}
	var lines []line
	for _, p := range got {
		lines = append(lines, line{p.Party.Addr.String(), p.Process, p.Serves, p.Flows})
	}
	want := []line{{asked.Key.Client.String(), "curl", false, 1}, {asked.Key.Server.String(), "nginx.service", true, 2}}
	if served.Key.Server.Compare(asked.Key.Client) < 0 {
		want[0], want[1] = want[1], want[0]
	}
	if d := cmp.Diff(want, lines, cmp.AllowUnexported(line{})); d != "" {
		t.Errorf("programs (-want +got):\n%s", d)
	}
}

// A database of the release before, with rows in it, is upgraded in place: its
// records name no program, its edges stay.
func TestUpgradeToProcesses(t *testing.T) {
	s := openEmpty(t)
	if err := s.MigrateTo(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	err := connect(t, s).Exec(t.Context(), `INSERT INTO flows (first, last, id, client, server, server_port, proto, outcome, sensor)
VALUES (toDateTime64(1700000000, 9), toDateTime64(1700000001, 9), 7, '::ffff:10.0.0.1', '::ffff:10.0.0.2', 443, 6, 1, 'old')`)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	records, err := s.Flows(t.Context(), store.FlowQuery{})
	if err != nil || len(records) != 1 || records[0].ServerProcess != "" || records[0].Outcome != flow.Established {
		t.Fatalf("after the upgrade: %+v, %v", records, err)
	}
	if edges := edgesOf(t, s, store.Query{}); len(edges) != 1 {
		t.Errorf("edges after the upgrade: %+v", edges)
	}
}
