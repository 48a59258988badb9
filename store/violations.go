package store

import (
	"context"
	"fmt"
	"strconv"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// ViolationQuery selects violations. Of the Query, Since, Until (of their time),
// the parties and the service are used.
type ViolationQuery struct {
	Query
	Policy string // "": of all policies
	// EnforcedOnly keeps what was blocked and leaves out what would have been.
	EnforcedOnly bool
	// After, when not 0, keeps what is later than this: the time of the newest one
	// seen so far, to follow.
	After flow.Time
	Limit int // 0 is 1000
}

func (q ViolationQuery) where() string {
	var w where
	if q.Since != 0 {
		w.add("time >= " + instant(q.Since))
	}
	if q.Until != 0 {
		w.add("time < " + instant(q.Until))
	}
	if q.After != 0 {
		w.add("time > " + instant(q.After))
	}
	if q.Policy != "" {
		w.add("policy = " + quote(q.Policy))
	}
	if q.EnforcedOnly {
		w.add("enforced = 1")
	}
	q.parties(&w)
	return w.String()
}

func (q ViolationQuery) limit() string {
	if q.Limit <= 0 {
		return "1000"
	}
	return strconv.Itoa(q.Limit)
}

// Violations returns violations, newest first.
func (s *Store) Violations(ctx context.Context, q ViolationQuery) ([]policy.Violation, error) {
	cols := newViolationColumns()
	sql := "SELECT " + names(cols.all()) + " FROM violations WHERE " + q.where() +
		" ORDER BY time DESC, server, server_port, client, client_port LIMIT " + q.limit()
	var out []policy.Violation
	err := s.read(ctx, sql, cols.result(), func(rows int) error {
		for i := range rows {
			out = append(out, cols.violation(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read violations: %w", err)
	}
	return out, nil
}

// ViolationCount is how often an edge violated a rule.
type ViolationCount struct {
	Client, Server flow.Party
	Service        flow.Service
	Policy, Rule   string
	Outcome        policy.Outcome
	Events         uint64 // suppressed ones included
	First, Last    flow.Time
}

// ViolationCounts adds violations up by edge, policy and rule, most frequent
// first: what a watch compares with a forecast.
func (s *Store) ViolationCounts(ctx context.Context, q ViolationQuery) ([]ViolationCount, error) {
	var c countColumns
	sql := "SELECT " + edgeKey + `, policy, rule, enforced, toUInt64(count() + sum(suppressed)) AS events,
  min(v.time) AS first, max(v.time) AS last FROM violations AS v WHERE ` + q.where() +
		" GROUP BY " + edgeKey + ", policy, rule, enforced ORDER BY events DESC, " + edgeKey + ", policy, rule, enforced LIMIT " + q.limit()
	var out []ViolationCount
	err := s.read(ctx, sql, toResults(c.all()), func(rows int) error {
		for i := range rows {
			out = append(out, c.count(i))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("count violations: %w", err)
	}
	return out, nil
}

// countColumns receive violation counts.
type countColumns struct {
	edgeKeyColumns
	policy, rule proto.ColStr
	enforced     proto.ColUInt8
	events       proto.ColUInt64
	first, last  timeColumn
}

func (c *countColumns) all() []namedColumn {
	return append(c.edgeKeyColumns.all(), []namedColumn{
		{"policy", &c.policy}, {"rule", &c.rule}, {"enforced", &c.enforced}, {"events", &c.events}, {"first", &c.first}, {"last", &c.last},
	}...)
}

func (c *countColumns) count(i int) ViolationCount {
	v := ViolationCount{Policy: c.policy.Row(i), Rule: c.rule.Row(i), Outcome: policy.WouldBlock,
		Events: c.events[i], First: c.first.at(i), Last: c.last.at(i)}
	v.Client, v.Server, v.Service = c.edge(i)
	if c.enforced[i] != 0 {
		v.Outcome = policy.Blocked
	}
	return v
}
