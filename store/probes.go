package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Probes returns the attempts of a window that no service answered, one per
// client, server, service and outcome, sorted by them. What several sensors saw
// counts once, as for edges, by the hour. NewSince and Servers are not used.
func (s *Store) Probes(ctx context.Context, q Query) ([]flow.Probe, error) {
	cols := &probeColumns{}
	var probes []flow.Probe
	err := s.read(ctx, q.probesSQL(), toResults(cols.all()), func(rows int) error {
		for i := range rows {
			probes = append(probes, cols.probe(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read probes: %w", err)
	}
	return probes, nil
}

const probeKey = "client, server, proto, server_port, outcome, scope, client_workload, server_workload"

func (q Query) probesSQL() string {
	var w where
	q.window(&w)
	q.parties(&w)
	sql := "SELECT " + probeKey + `,
  toUInt64(greatest(sum(h.attempts), 1)) AS attempts, toUInt64(sum(h.folded) + 1) AS targets,
  CAST(min(h.first) AS DateTime64(9, 'UTC')) AS first, CAST(max(h.last) AS DateTime64(9, 'UTC')) AS last
FROM (SELECT ` + probeKey + `, max(s.attempts) AS attempts, max(s.folded) AS folded, min(s.first) AS first, max(s.last) AS last
FROM (SELECT ` + probeKey + `, hour, sensor, sum(p.attempts) AS attempts, sum(p.folded) AS folded, min(p.first) AS first, max(p.last) AS last
FROM probes AS p WHERE ` + w.String() + `
GROUP BY ` + probeKey + `, hour, sensor) AS s GROUP BY ` + probeKey + `, hour) AS h GROUP BY ` + probeKey
	if q.Top > 0 {
		return sql + "\nORDER BY attempts DESC, " + probeKey + " LIMIT " + strconv.Itoa(q.Top)
	}
	return sql + "\nORDER BY " + probeKey
}

type probeColumns struct {
	client, server                 proto.ColIPv6
	proto                          proto.ColUInt8
	port                           proto.ColUInt16
	outcome                        proto.ColUInt8
	scope                          proto.ColUInt32
	clientWorkload, serverWorkload proto.ColUInt64
	attempts, targets              proto.ColUInt64
	first, last                    timeColumn
}

func (c *probeColumns) all() []namedColumn {
	return []namedColumn{
		{"client", &c.client}, {"server", &c.server}, {"proto", &c.proto}, {"server_port", &c.port},
		{"outcome", &c.outcome}, {"scope", &c.scope},
		{"client_workload", &c.clientWorkload}, {"server_workload", &c.serverWorkload},
		{"attempts", &c.attempts}, {"targets", &c.targets}, {"first", &c.first}, {"last", &c.last},
	}
}

func (c *probeColumns) probe(i int) flow.Probe {
	scope := flow.Scope(c.scope[i])
	return flow.Probe{
		Client:   flow.Party{Addr: addr(c.client[i]), Scope: scope, Workload: c.clientWorkload[i]},
		Server:   flow.Party{Addr: addr(c.server[i]), Scope: scope, Workload: c.serverWorkload[i]},
		Service:  flow.Service{Proto: c.proto[i], Port: c.port[i]},
		Outcome:  flow.Outcome(c.outcome[i]),
		Attempts: c.attempts[i], Targets: c.targets[i],
		First: c.first.at(i), Last: c.last.at(i),
	}
}
