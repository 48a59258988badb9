package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// Rhythm says when an edge is used: what is hourly, nightly, or month-end only.
type Rhythm struct {
	Client, Server flow.Party
	Service        flow.Service
	// Hours has bit h set when the edge was ever seen in hour h of a day, UTC.
	Hours uint32
	// Days are the UTC days on which it was seen, oldest first, as days since
	// 1 January 1970.
	Days []uint32
	// PerDay has, beside Days, how many hours of each day.
	PerDay []uint8
}

// Rhythms returns the rhythm of every edge of a window, sorted as Edges are.
func (s *Store) Rhythms(ctx context.Context, q Query) ([]Rhythm, error) {
	weak, _, err := s.shape(ctx)
	if err != nil {
		return nil, fmt.Errorf("read rhythms: %w", err)
	}
	var key edgeKeyColumns
	var hours proto.ColUInt32
	days, perDay := new(proto.ColUInt32).Array(), new(proto.ColUInt8).Array()
	cols := append(key.all(), namedColumn{"hours", &hours}, namedColumn{"days", days}, namedColumn{"per_day", perDay})
	var out []Rhythm
	err = s.read(ctx, q.rhythmsSQL(weak), toResults(cols), func(rows int) error {
		for i := range rows {
			r := Rhythm{Hours: hours[i], Days: days.Row(i), PerDay: perDay.Row(i)}
			r.Client, r.Server, r.Service = key.edge(i)
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rhythms: %w", err)
	}
	return out, nil
}

func (q Query) rhythmsSQL(weak bool) string {
	var w where
	q.parties(&w)
	return "SELECT " + edgeKey + `, toUInt32(groupBitOr(d.hours)) AS hours,
  arraySort(groupArray(toUInt32(d.day))) AS days,
  arrayMap(x -> toUInt8(x.2), arraySort(groupArray((toUInt32(d.day), bitCount(d.hours))))) AS per_day
FROM (SELECT ` + edgeKey + ", day, groupBitOr(e.hours) AS hours FROM " + q.rightWay(weak) + " AS e WHERE " + w.String() + `
GROUP BY ` + edgeKey + ", day) AS d GROUP BY " + edgeKey + " ORDER BY " + edgeKey
}

// Incidence returns on which days of a window each edge was seen, sorted as Edges
// are. Day 0 is the UTC day of q.Since, or of the first flow when that is 0; days
// past flow.MaxIncidenceDays are left out.
func (s *Store) Incidence(ctx context.Context, q Query) ([]flow.Incidence, error) {
	if q.Since == 0 {
		first, _, err := s.Window(ctx)
		if err != nil {
			return nil, fmt.Errorf("read incidence: %w", err)
		}
		q.Since = max(first, 1)
	}
	weak, _, err := s.shape(ctx)
	if err != nil {
		return nil, fmt.Errorf("read incidence: %w", err)
	}
	var key edgeKeyColumns
	var days proto.ColUInt64
	cols := append(key.all(), namedColumn{"days", &days})
	var out []flow.Incidence
	err = s.read(ctx, q.incidenceSQL(weak), toResults(cols), func(rows int) error {
		for i := range rows {
			inc := flow.Incidence{Days: days[i]}
			inc.Client, inc.Server, inc.Service = key.edge(i)
			out = append(out, inc)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read incidence: %w", err)
	}
	return out, nil
}

func (q Query) incidenceSQL(weak bool) string {
	var w where
	q.parties(&w)
	day0 := hourFloor(q.Since) / 24
	w.add(fmt.Sprintf("toUInt32(day) < %d", day0+flow.MaxIncidenceDays))
	return "SELECT " + edgeKey + fmt.Sprintf(", toUInt64(groupBitOr(bitShiftLeft(toUInt64(1), toUInt32(e.day) - %d))) AS days\nFROM ", day0) +
		q.rightWay(weak) + " AS e WHERE " + w.String() + " GROUP BY " + edgeKey + " ORDER BY " + edgeKey
}

// edgeKeyColumns receive an edge's key.
type edgeKeyColumns struct {
	client, server                 proto.ColIPv6
	proto                          proto.ColUInt8
	port                           proto.ColUInt16
	scope                          proto.ColUInt32
	clientWorkload, serverWorkload proto.ColUInt64
}

func (c *edgeKeyColumns) all() []namedColumn {
	return []namedColumn{
		{"client", &c.client}, {"server", &c.server}, {"proto", &c.proto}, {"server_port", &c.port}, {"scope", &c.scope},
		{"client_workload", &c.clientWorkload}, {"server_workload", &c.serverWorkload},
	}
}

func (c *edgeKeyColumns) edge(i int) (client, server flow.Party, service flow.Service) {
	scope := flow.Scope(c.scope[i])
	return flow.Party{Addr: addr(c.client[i]), Scope: scope, Workload: c.clientWorkload[i]},
		flow.Party{Addr: addr(c.server[i]), Scope: scope, Workload: c.serverWorkload[i]},
		flow.Service{Proto: c.proto[i], Port: c.port[i]}
}
