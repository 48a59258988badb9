package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Program is what a host said runs at one end of a service.
type Program struct {
	Party   flow.Party // whose program it is
	Service flow.Service
	// Serves says that the program offers the service; otherwise it uses it.
	Serves  bool
	Process string // unit or command name, never ""
	Flows   uint64
	Last    flow.Time
}

// Programs returns which programs served and used what in a window, by party,
// service and side, busiest first among those. It reads raw records, which are
// kept for a shorter time than edges, and only those a host itself reported. A query
// for servers alone is answered with what serves there, one for clients alone with
// what they use.
func (s *Store) Programs(ctx context.Context, q Query) ([]Program, error) {
	var c programColumns
	var ends []string
	if q.ClientAny == nil || q.ServerAny != nil {
		ends = append(ends, q.programsSQL("server", 1))
	}
	if q.ServerAny == nil || q.ClientAny != nil {
		ends = append(ends, q.programsSQL("client", 0))
	}
	sql := "SELECT * FROM (" + strings.Join(ends, "\nUNION ALL ") + ") ORDER BY party, scope, serves DESC, proto, server_port, flows DESC, process LIMIT 10000"
	var out []Program
	err := s.read(ctx, sql, toResults(c.all()), func(rows int) error {
		for i := range rows {
			out = append(out, c.program(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read programs: %w", err)
	}
	return out, nil
}

// programsSQL selects the programs at one end. The table's columns are named in
// full: the aliases of what is selected must not stand for them.
func (q Query) programsSQL(end string, serves int) string {
	w := where{end + "_process != ''", "outcome = 1"}
	if q.Since != 0 {
		w.add("f.first >= " + instant(q.Since))
	}
	if q.Until != 0 {
		w.add("f.first < " + instant(q.Until))
	}
	q.parties(&w)
	return fmt.Sprintf(`SELECT f.%[1]s AS party, scope, f.%[1]s_workload AS workload, proto, server_port, toUInt8(%[2]d) AS serves,
  CAST(f.%[1]s_process AS String) AS process, toUInt64(countIf(f.split = 0)) AS flows, max(f.last) AS seen
FROM flows AS f WHERE %[3]s GROUP BY party, scope, workload, proto, server_port, process`, end, serves, w.String())
}

// programColumns receive programs.
type programColumns struct {
	party    proto.ColIPv6
	scope    proto.ColUInt32
	workload proto.ColUInt64
	proto    proto.ColUInt8
	port     proto.ColUInt16
	serves   proto.ColUInt8
	process  proto.ColStr
	flows    proto.ColUInt64
	last     timeColumn
}

func (c *programColumns) all() []namedColumn {
	return []namedColumn{
		{"party", &c.party}, {"scope", &c.scope}, {"workload", &c.workload}, {"proto", &c.proto}, {"server_port", &c.port},
		{"serves", &c.serves}, {"process", &c.process}, {"flows", &c.flows}, {"seen", &c.last},
	}
}

func (c *programColumns) program(i int) Program {
	return Program{
		Party:   flow.Party{Addr: addr(c.party[i]), Scope: flow.Scope(c.scope[i]), Workload: c.workload[i]},
		Service: flow.Service{Proto: c.proto[i], Port: c.port[i]},
		Serves:  c.serves[i] != 0, Process: c.process.Row(i), Flows: c.flows[i], Last: c.last.at(i),
	}
}
