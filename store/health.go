package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// SensorHealth is what a sensor, an exporter or an agent last said of itself.
type SensorHealth struct {
	Time     time.Time
	Sensor   string
	Kind     string // "tap", "exporter", "agent", "import"
	State    string // "ok", "degraded", "lost", …
	Message  string
	Counters map[string]uint64 // since the sensor began
	Drops    map[string]uint64 // by flow.DropReason's name
}

// ReportHealth adds reports.
func (s *Store) ReportHealth(ctx context.Context, reports []SensorHealth) error {
	batch, err := s.conn.PrepareBatch(syncInsert(ctx), "INSERT INTO sensor_health (time, sensor, kind, state, message, counters, drops)")
	if err != nil {
		return fmt.Errorf("report sensor health: %w", err)
	}
	for _, r := range reports {
		if err := batch.Append(r.Time.UTC(), r.Sensor, r.Kind, r.State, r.Message, counters(r.Counters), counters(r.Drops)); err != nil {
			return fmt.Errorf("report health of %s: %w", r.Sensor, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("report sensor health: %w", err)
	}
	return nil
}

func counters(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}

// Health returns the latest report of every sensor and kind, by name.
func (s *Store) Health(ctx context.Context) ([]SensorHealth, error) {
	var out []SensorHealth
	err := s.each(ctx, `SELECT time, sensor, kind, state, message, counters, drops FROM sensor_health
ORDER BY sensor, kind, time DESC LIMIT 1 BY sensor, kind`, nil, func() { out = nil }, func(rows driver.Rows) error {
		var r SensorHealth
		if err := rows.Scan(&r.Time, &r.Sensor, &r.Kind, &r.State, &r.Message, &r.Counters, &r.Drops); err != nil {
			return err
		}
		r.Time = r.Time.UTC()
		out = append(out, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read sensor health: %w", err)
	}
	return out, nil
}
