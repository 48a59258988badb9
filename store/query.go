package store

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Query selects what edges, probes and names are read. The zero value is
// everything.
type Query struct {
	// Since and Until bound when traffic was seen: [Since, Until), 0 for no bound.
	// Edges and probes are kept by the hour of their first packet: an hour that
	// overlaps the window counts whole.
	Since, Until flow.Time
	// Workload, when not 0, keeps what has this workload at either end.
	Workload uint64
	// Addr, when valid, keeps what has this address at either end.
	Addr netip.Addr
	// Client and Server, when valid, keep what has this address at that end.
	Client, Server netip.Addr
	// ClientAny and ServerAny, when not empty, keep what has any of these parties at
	// that end: the workload's key when the party has one, else address and scope.
	ClientAny, ServerAny []flow.Party
	// Service, when not nil, keeps this service only.
	Service *flow.Service
	// Sensors, when not empty, counts only what these sensors saw.
	Sensors []string
	// NewSince, when not 0, keeps edges whose first flow ever is not older.
	NewSince flow.Time
	// Top, when not 0, keeps that many, those with the most flows.
	Top int
	// Servers are addresses and services the operator says are servers; with them
	// and with what has been learned, weakly decided edges are read the right way
	// round. See Edges.
	Servers []Server
}

// Server says that an address serves a service.
type Server struct {
	Addr    netip.Addr
	Scope   flow.Scope
	Service flow.Service
}

const hourNanos = 3600e9

// window adds the hours that overlap [Since, Until).
func (q Query) window(w *where) {
	if q.Since != 0 {
		w.add(fmt.Sprintf("hour >= toDateTime(%d, 'UTC')", max(int64(q.Since)/hourNanos*3600, 0)))
	}
	if q.Until != 0 {
		w.add(fmt.Sprintf("hour < toDateTime(%d, 'UTC')", max((int64(q.Until)+hourNanos-1)/hourNanos*3600, 0)))
	}
	if len(q.Sensors) > 0 {
		w.add("sensor IN " + list(q.Sensors, quote))
	}
}

// parties adds what the query asks of the two ends and the service.
func (q Query) parties(w *where) {
	if q.Workload != 0 {
		w.add("(client_workload = " + number(q.Workload) + " OR server_workload = " + number(q.Workload) + ")")
	}
	if q.Addr.IsValid() {
		w.add("(client = " + literal(q.Addr) + " OR server = " + literal(q.Addr) + ")")
	}
	if q.Client.IsValid() {
		w.add("client = " + literal(q.Client))
	}
	if q.Server.IsValid() {
		w.add("server = " + literal(q.Server))
	}
	anyParty(w, "client", q.ClientAny)
	anyParty(w, "server", q.ServerAny)
	if q.Service != nil {
		w.add("proto = " + number(q.Service.Proto) + " AND server_port = " + number(q.Service.Port))
	}
}

// anyParty keeps rows whose end (client or server) is one of parties.
func anyParty(w *where, end string, parties []flow.Party) {
	if len(parties) == 0 {
		return
	}
	var keys, addrs []string
	for _, p := range parties {
		switch {
		case p.Workload != 0:
			keys = append(keys, number(p.Workload))
		case p.Addr.IsValid():
			addrs = append(addrs, "("+literal(p.Addr)+", "+number(p.Scope)+")")
		}
	}
	var either []string
	if len(keys) > 0 {
		either = append(either, end+"_workload IN ("+strings.Join(keys, ", ")+")")
	}
	if len(addrs) > 0 {
		either = append(either, "("+end+", scope) IN ("+strings.Join(addrs, ", ")+")")
	}
	if len(either) == 0 {
		either = []string{"0"} // parties that name nobody match nothing
	}
	w.add("(" + strings.Join(either, " OR ") + ")")
}

// readSettings are given with every bulk read.
var readSettings = []ch.Setting{
	// On a cluster an IN (SELECT …) is answered once and sent to every shard.
	{Key: "distributed_product_mode", Value: "global"},
	// Rollup keys hold the hour or the day, so rows of one key share a partition.
	{Key: "do_not_merge_across_partitions_select_final", Value: "1"},
	// The rollups are sorted by edge: groups can be finished one after the other,
	// in memory that does not grow with their number.
	{Key: "optimize_aggregation_in_order", Value: "1"},
}

// read runs a query and calls each for every block of its result. It begins again
// when the connection fails before the first block.
func (s *Store) read(ctx context.Context, sql string, result proto.Results, each func(rows int) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := false
	return retry(ctx, func() error {
		client, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer client.Close()
		err = client.Do(ctx, ch.Query{
			Body:     sql,
			Result:   result,
			Settings: readSettings,
			OnResult: func(_ context.Context, block proto.Block) error {
				begun = begun || block.Rows > 0
				return each(block.Rows)
			},
		})
		if err != nil && begun {
			return &interrupted{err}
		}
		return err
	})
}

// interrupted is a failure in the middle of an answer: what was read of it cannot
// be taken back, so the question is not repeated.
type interrupted struct{ cause error }

func (i *interrupted) Error() string { return "answer broken off: " + i.cause.Error() }
func (i *interrupted) Unwrap() error { return i.cause }
