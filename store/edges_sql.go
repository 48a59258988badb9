package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// edgeKey is what makes an edge one edge.
const edgeKey = "client, server, proto, server_port, scope, client_workload, server_workload"

// edgeSums are the columns of a rollup row that are not its key.
const edgeSums = "sensor, flows, records, packets, bytes, first, last, evidence, confidence_sum, client_port_min, client_port_max, seen0, seen1, seen2"

// weakRow holds for rollup rows whose direction was decided on nothing better
// than who spoke first or which port looked registered, and whose flows all came
// from one port: a true client's come from many.
var weakRow = fmt.Sprintf("evidence < %d AND client_port_min = client_port_max AND client_port_min != 0", flow.EvidenceKnownPort)

// source is a table expression of rollup rows in the window, with the day and the
// bits of its hours: whole days from the daily rollup, the rest from the hourly,
// added up. final is "FINAL" to have one row per key, sensor and day, or "" when
// the reader adds up anyway.
func (q Query) source(final string) string {
	var sensors where
	if len(q.Sensors) > 0 {
		sensors.add("sensor IN " + list(q.Sensors, quote))
	}
	since, until := hourFloor(q.Since), hourCeil(q.Until) // hours since 1970
	firstDay, lastDay := (since+23)/24, until/24          // the whole days: [firstDay, lastDay)
	if q.Since != 0 && q.Until != 0 && firstDay > lastDay {
		return "(" + hourly(since, until, sensors) + ")" // within one day
	}
	whole := append(where(nil), sensors...)
	var parts []string
	if q.Since != 0 {
		whole.add(fmt.Sprintf("day >= toDate(%d)", firstDay))
		parts = append(parts, hourly(since, firstDay*24, sensors))
	}
	if q.Until != 0 {
		whole.add(fmt.Sprintf("day < toDate(%d)", lastDay))
		parts = append(parts, hourly(lastDay*24, until, sensors))
	}
	parts = append(parts, fmt.Sprintf("SELECT %s, %s, day, hours FROM edges_daily %s WHERE %s", edgeKey, edgeSums, final, whole))
	parts = slices.DeleteFunc(parts, func(p string) bool { return p == "" })
	return "(" + strings.Join(parts, "\nUNION ALL ") + ")"
}

// hourly selects the hours [from, to) since 1970 as rows of days; "" when there
// are none.
func hourly(from, to int64, w where) string {
	if from >= to {
		return ""
	}
	return "SELECT " + edgeKey + `, sensor, sum(h.flows) AS flows, sum(h.records) AS records, sum(h.packets) AS packets, sum(h.bytes) AS bytes,
  min(h.first) AS first, max(h.last) AS last, max(h.evidence) AS evidence, sum(h.confidence_sum) AS confidence_sum,
  min(h.client_port_min) AS client_port_min, max(h.client_port_max) AS client_port_max,
  groupBitOr(h.seen0) AS seen0, groupBitOr(h.seen1) AS seen1, groupBitOr(h.seen2) AS seen2,
  toDate(h.hour, 'UTC') AS day, groupBitOr(toUInt32(bitShiftLeft(toUInt32(1), toHour(h.hour, 'UTC')))) AS hours
FROM edges AS h WHERE ` + fmt.Sprintf("hour >= toDateTime(%d, 'UTC') AND hour < toDateTime(%d, 'UTC') AND %s", from*3600, to*3600, w) +
		" GROUP BY " + edgeKey + ", sensor, day"
}

func hourFloor(t flow.Time) int64 { return max(int64(t)/hourNanos, 0) }
func hourCeil(t flow.Time) int64  { return max((int64(t)+hourNanos-1)/hourNanos, 0) }

// rightWay is source with edges turned round that are known to be reversed.
func (q Query) rightWay(weak bool) string {
	rows := q.source("")
	if !weak && len(q.Servers) == 0 {
		return rows
	}
	reversed, why := "0", "evidence"
	if weak {
		known := fmt.Sprintf("(SELECT server, scope, proto, server_port FROM edges_daily WHERE evidence >= %d GROUP BY server, scope, proto, server_port)",
			flow.EvidenceSemantics)
		reversed = "(" + weakRow + " AND (client, scope, proto, client_port_min) IN " + known +
			" AND (server, scope, proto, server_port) NOT IN " + known + ")"
		why = strconv.Itoa(int(flow.EvidenceKnownPort))
	}
	if len(q.Servers) > 0 {
		set := list(q.Servers, func(s Server) string {
			return "(" + literal(s.Addr) + ", toUInt32(" + number(s.Scope) + "), toUInt8(" + number(s.Service.Proto) + "), toUInt16(" + number(s.Service.Port) + "))"
		})
		asked := "(client_port_min = client_port_max AND (client, scope, proto, client_port_min) IN " + set +
			" AND (server, scope, proto, server_port) NOT IN " + set + ")"
		why = fmt.Sprintf("if(%s, %d, %s)", asked, flow.EvidenceOverride, why)
		reversed = "(" + reversed + " OR " + asked + ")"
	}
	return `(SELECT r AS turned,
  if(r, s.server, s.client) AS client, if(r, s.client, s.server) AS server, proto, toUInt16(if(r, s.client_port_min, s.server_port)) AS server_port, scope,
  if(r, s.server_workload, s.client_workload) AS client_workload, if(r, s.client_workload, s.server_workload) AS server_workload,
  sensor, flows, records, packets, bytes, first, last, toUInt8(if(r, why, s.evidence)) AS evidence, confidence_sum, seen0, seen1, seen2, day, hours
FROM (SELECT *, ` + reversed + " AS r, toUInt8(" + why + ") AS why FROM " + rows + ") AS s)"
}

// edgesSQL is the statement behind Edges. several says that more than one sensor
// saw traffic: then a connection may have been seen by more than one.
func (q Query) edgesSQL(weak, several bool) string {
	var w where
	q.parties(&w)
	if q.NewSince != 0 {
		before := Query{Until: q.NewSince}.source("")
		w.add("(" + edgeKey + ") NOT IN (SELECT " + edgeKey + " FROM " + before + " WHERE first < " + instant(q.NewSince) + " GROUP BY " + edgeKey + ")")
	}
	var rows, counts string
	if weak || several || len(q.Servers) > 0 {
		rows = "(" + perDay + q.rightWay(weak) + " AS e WHERE " + w.String() + "\nGROUP BY " + edgeKey + ", day, sensor) AS d GROUP BY " + edgeKey + ", day) AS e"
		counts = "toUInt32(count()) AS days, toUInt32(sum(bitCount(e.hours))) AS hours, toUInt32(uniqExactArray(e.seen)) AS sensors"
	} else {
		rows = q.source("FINAL") + " AS e WHERE " + w.String()
		counts = "toUInt32(count()) AS days, toUInt32(sum(bitCount(e.hours))) AS hours, toUInt32(1) AS sensors"
	}
	sql := "SELECT " + edgeKey + `,
  toUInt64(greatest(sum(e.flows), 1)) AS flows, toUInt64(sum(e.packets)) AS packets, toUInt64(sum(e.bytes)) AS bytes,
  CAST(min(e.first) AS DateTime64(9, 'UTC')) AS first, CAST(max(e.last) AS DateTime64(9, 'UTC')) AS last,
  ` + counts + `,
  toUInt8(max(e.evidence)) AS evidence, toUInt8(intDiv(sum(e.confidence_sum), greatest(sum(e.records), 1))) AS confidence
FROM ` + rows + "\nGROUP BY " + edgeKey
	if q.Top > 0 {
		return sql + "\nORDER BY flows DESC, " + edgeKey + " LIMIT " + strconv.Itoa(q.Top)
	}
	return sql + "\nORDER BY " + edgeKey
}
