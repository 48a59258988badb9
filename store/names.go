package store

import (
	"context"
	"fmt"

	"github.com/bulkhead/bulkhead/flow"
)

// Names returns the names seen in a window, one per address, name, kind and
// sensor, sorted by them. Of the query, Since, Until, Addr and Sensors are used.
func (s *Store) Names(ctx context.Context, q Query) ([]flow.Name, error) {
	var w where
	if q.Addr.IsValid() {
		w.add("addr = " + literal(q.Addr))
	}
	if len(q.Sensors) > 0 {
		w.add("sensor IN " + list(q.Sensors, quote))
	}
	var h where
	if q.Since != 0 {
		h.add("last >= " + instant(q.Since))
	}
	if q.Until != 0 {
		h.add("first < " + instant(q.Until))
	}
	sql := `SELECT addr, scope, name, kind, sensor, CAST(min(names.first) AS DateTime64(9, 'UTC')) AS first,
  CAST(max(names.last) AS DateTime64(9, 'UTC')) AS last, toUInt64(sum(names.count)) AS count
FROM names WHERE ` + w.String() + ` GROUP BY addr, scope, name, kind, sensor
HAVING ` + h.String() + ` ORDER BY addr, scope, name, kind, sensor`
	cols := newNameColumns()
	var seen []flow.Name
	err := s.read(ctx, sql, cols.result(), func(rows int) error {
		for i := range rows {
			seen = append(seen, cols.observation(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read names: %w", err)
	}
	return seen, nil
}

// observation is the inverse of append for row i.
func (c *nameColumns) observation(i int) flow.Name {
	return flow.Name{
		Addr: addr(c.addr[i]), Scope: flow.Scope(c.scope[i]), Name: c.name.Row(i), Kind: flow.NameKind(c.kind[i]),
		Sensor: c.sensor.row(i), First: c.first.at(i), Last: c.last.at(i), Count: c.count[i],
	}
}
