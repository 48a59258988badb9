package store

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bulkhead/bulkhead/flow"
)

// mostBehind bounds the addresses listed behind one.
const mostBehind = 4096

// Translations returns the addresses that stood for others in the records of a
// window, by exporters and hosts that say so: clients behind a NAT first, then
// servers behind virtual addresses, each by scope and address. Of the query,
// Since, Until and Sensors are used. It reads raw records, which are kept for less
// long than edges.
func (s *Store) Translations(ctx context.Context, q Query) ([]flow.Translation, error) {
	clients, err := s.translations(ctx, q, false, "nat_client", "client")
	if err != nil {
		return nil, err
	}
	servers, err := s.translations(ctx, q, true, "server", "nat_server")
	return append(clients, servers...), err
}

// translations groups records of which an end was translated by its public side.
func (s *Store) translations(ctx context.Context, q Query, servers bool, public, behind string) ([]flow.Translation, error) {
	translated := behind
	if !servers {
		translated = public
	}
	var w where
	w.add(translated + " != toIPv6('::') AND " + public + " != " + behind)
	if q.Since != 0 {
		w.add("first >= " + instant(q.Since))
	}
	if q.Until != 0 {
		w.add("first < " + instant(q.Until))
	}
	if len(q.Sensors) > 0 {
		w.add("sensor IN " + list(q.Sensors, quote))
	}
	sql := fmt.Sprintf(`SELECT toString(%[1]s), scope, arraySort(arrayMap(x -> toString(x), groupUniqArray(%[3]d)(%[2]s))), count()
FROM flows WHERE %[4]s GROUP BY %[1]s, scope ORDER BY scope, %[1]s`, public, behind, mostBehind, w)
	var out []flow.Translation
	err := s.each(ctx, sql, nil, func() { out = nil }, func(rows driver.Rows) error {
		var seen string
		var scope uint32
		var hidden []string
		t := flow.Translation{Servers: servers}
		if err := rows.Scan(&seen, &scope, &hidden, &t.Flows); err != nil {
			return err
		}
		t.Scope = flow.Scope(scope)
		var err error
		if t.Public, err = storedAddr(seen); err != nil {
			return err
		}
		for _, h := range hidden {
			a, err := storedAddr(h)
			if err != nil {
				return err
			}
			t.Behind = append(t.Behind, a)
		}
		out = append(out, t)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read translations: %w", err)
	}
	return out, nil
}

func storedAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err
}
