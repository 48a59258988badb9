package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Edges returns the established service of a window, one edge per client,
// server, scope, workloads and service, sorted by them. Grouping is done in the
// database: 20 million flow rows cost the program what their edges cost.
//
// Edges whose direction was weakly decided when they came in are turned round
// when it has since been learned, from better evidence on other edges, that the
// port on the client's side is one its address serves; or when q.Servers says so.
//
// A connection that several sensors saw counts once; see perDay.
func (s *Store) Edges(ctx context.Context, q Query) ([]flow.Edge, error) {
	sql, err := s.EdgesSQL(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("read edges: %w", err)
	}
	cols := &edgeColumns{}
	var edges []flow.Edge
	err = s.read(ctx, sql, toResults(cols.all()), func(rows int) error {
		edges = append(edges, make([]flow.Edge, rows)...)
		for i, at := 0, len(edges)-rows; i < rows; i, at = i+1, at+1 {
			edges[at] = cols.edge(i)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read edges: %w", err)
	}
	return edges, nil
}

// EdgesSQL is the statement Edges runs for q, for people who want to see it.
func (s *Store) EdgesSQL(ctx context.Context, q Query) (string, error) {
	weak, several, err := s.shape(ctx)
	return q.edgesSQL(weak, several), err
}

// shape tells how edges have to be read: whether reading might turn some round,
// and whether several sensors saw traffic. It reads four small columns.
func (s *Store) shape(ctx context.Context) (weak, several bool, err error) {
	var w, n uint64
	err = s.get(ctx, "SELECT (SELECT count() FROM (SELECT 1 FROM edges_daily WHERE "+weakRow+" LIMIT 1)), (SELECT uniqExact(sensor) FROM edges_daily)", nil, &w, &n)
	return w > 0, n > 1, err
}

// edgeColumns receive edges.
type edgeColumns struct {
	edgeKeyColumns
	flows, packets, bytes proto.ColUInt64
	first, last           timeColumn
	days, hours, sensors  proto.ColUInt32
	evidence, confidence  proto.ColUInt8
}

func (c *edgeColumns) all() []namedColumn {
	return append(c.edgeKeyColumns.all(), []namedColumn{
		{"flows", &c.flows}, {"packets", &c.packets}, {"bytes", &c.bytes}, {"first", &c.first}, {"last", &c.last},
		{"days", &c.days}, {"hours", &c.hours}, {"sensors", &c.sensors}, {"evidence", &c.evidence}, {"confidence", &c.confidence},
	}...)
}

func (c *edgeColumns) edge(i int) flow.Edge {
	client, server, service := c.edgeKeyColumns.edge(i)
	return flow.Edge{
		Client: client, Server: server, Service: service,
		EdgeStats: flow.EdgeStats{
			Flows: c.flows[i], Packets: c.packets[i], Bytes: c.bytes[i],
			First: c.first.at(i), Last: c.last.at(i),
			Days: c.days[i], Hours: c.hours[i],
			Evidence: flow.Evidence(c.evidence[i]), Confidence: c.confidence[i], Sensors: c.sensors[i],
		},
	}
}
