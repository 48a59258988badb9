package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Edges returns the established service of a window, one edge per client,
// server, scope, workloads and service, sorted by them. Grouping is done in the
// database: 20 million flow rows cost the program what their edges cost.
func (s *Store) Edges(ctx context.Context, q Query) ([]flow.Edge, error) {
	cols := &edgeColumns{}
	var edges []flow.Edge
	err := s.read(ctx, q.edgesSQL(), toResults(cols.all()), func(rows int) error {
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

// edgeKey is what makes an edge one edge.
const edgeKey = "client, server, proto, server_port, scope, client_workload, server_workload"

// edgesSQL is the statement behind Edges.
func (q Query) edgesSQL() string {
	var w where
	q.window(&w)
	q.parties(&w)
	sql := "SELECT " + edgeKey + `,
  toUInt64(greatest(sum(edges.flows), 1)) AS flows, toUInt64(sum(edges.packets)) AS packets, toUInt64(sum(edges.bytes)) AS bytes,
  CAST(min(edges.first) AS DateTime64(9, 'UTC')) AS first, CAST(max(edges.last) AS DateTime64(9, 'UTC')) AS last,
  toUInt32(uniqExact(toRelativeDayNum(hour))) AS days, toUInt32(uniqExact(hour)) AS hours,
  toUInt8(max(edges.evidence)) AS evidence, toUInt8(intDiv(sum(confidence_sum), greatest(sum(records), 1))) AS confidence,
  toUInt32(uniqExact(sensor)) AS sensors
FROM edges WHERE ` + w.String()
	if q.NewSince != 0 {
		sql += " AND (" + edgeKey + ") NOT IN (SELECT " + edgeKey + " FROM edges WHERE first < " + instant(q.NewSince) + ")"
	}
	sql += "\nGROUP BY " + edgeKey
	if q.Top > 0 {
		return sql + "\nORDER BY flows DESC, " + edgeKey + " LIMIT " + strconv.Itoa(q.Top)
	}
	return sql + "\nORDER BY " + edgeKey
}

// edgeColumns receive edges.
type edgeColumns struct {
	client, server                 proto.ColIPv6
	proto                          proto.ColUInt8
	port                           proto.ColUInt16
	scope                          proto.ColUInt32
	clientWorkload, serverWorkload proto.ColUInt64
	flows, packets, bytes          proto.ColUInt64
	first, last                    timeColumn
	days, hours                    proto.ColUInt32
	evidence, confidence           proto.ColUInt8
	sensors                        proto.ColUInt32
}

func (c *edgeColumns) all() []namedColumn {
	return []namedColumn{
		{"client", &c.client}, {"server", &c.server}, {"proto", &c.proto}, {"server_port", &c.port}, {"scope", &c.scope},
		{"client_workload", &c.clientWorkload}, {"server_workload", &c.serverWorkload},
		{"flows", &c.flows}, {"packets", &c.packets}, {"bytes", &c.bytes}, {"first", &c.first}, {"last", &c.last},
		{"days", &c.days}, {"hours", &c.hours}, {"evidence", &c.evidence}, {"confidence", &c.confidence}, {"sensors", &c.sensors},
	}
}

func (c *edgeColumns) edge(i int) flow.Edge {
	scope := flow.Scope(c.scope[i])
	return flow.Edge{
		Client:  flow.Party{Addr: addr(c.client[i]), Scope: scope, Workload: c.clientWorkload[i]},
		Server:  flow.Party{Addr: addr(c.server[i]), Scope: scope, Workload: c.serverWorkload[i]},
		Service: flow.Service{Proto: c.proto[i], Port: c.port[i]},
		EdgeStats: flow.EdgeStats{
			Flows: c.flows[i], Packets: c.packets[i], Bytes: c.bytes[i],
			First: c.first.at(i), Last: c.last.at(i),
			Days: c.days[i], Hours: c.hours[i],
			Evidence: flow.Evidence(c.evidence[i]), Confidence: c.confidence[i], Sensors: c.sensors[i],
		},
	}
}
