package store

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bulkhead/bulkhead/flow"
)

// identifier quotes a database, table or cluster name.
func identifier(s string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(s) + "`"
}

// quote makes a string literal.
func quote(s string) string {
	return "'" + strings.NewReplacer("\\", "\\\\", "'", "\\'").Replace(s) + "'"
}

// literal makes an IPv6 literal as the tables keep addresses.
func literal(a netip.Addr) string {
	b := a.As16()
	return "toIPv6(" + quote(netip.AddrFrom16(b).WithZone("").String()) + ")"
}

// instant makes a DateTime64(9) literal.
func instant(t flow.Time) string {
	return "fromUnixTimestamp64Nano(" + strconv.FormatInt(int64(t), 10) + ", 'UTC')"
}

// list joins the literals of a slice: (a, b, c).
func list[T any](items []T, text func(T) string) string {
	parts := make([]string, len(items))
	for i, v := range items {
		parts[i] = text(v)
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64](n T) string {
	return strconv.FormatUint(uint64(n), 10)
}

// where joins conditions with AND; none gives "1".
type where []string

func (w *where) add(condition string) { *w = append(*w, condition) }

func (w where) String() string {
	if len(w) == 0 {
		return "1"
	}
	return strings.Join(w, " AND ")
}

// insertSettings are given with every insert, because their defaults differ
// between versions of ClickHouse and exactly-once rests on them.
var insertSettings = clickhouse.Settings{
	"async_insert":       0,
	"insert_deduplicate": 1,
	"deduplicate_blocks_in_dependent_materialized_views": 1,
	"materialized_views_ignore_errors":                   0,
	"throw_on_max_partitions_per_insert_block":           1,
	"max_partitions_per_insert_block":                    0,
	"distributed_foreground_insert":                      1,
	"insert_distributed_sync":                            1,
	// The views group what they write; merging it once more at the insert costs 350 ns
	// a row and finds nothing to merge.
	"optimize_on_insert": 0,
	// One block per view and insert, not one for every 65,409 rows to be put together
	// again.
	"max_block_size":                     1 << 20,
	"group_by_two_level_threshold":       0,
	"group_by_two_level_threshold_bytes": 0,
}

// syncInsert is ctx with the insert settings.
func syncInsert(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(insertSettings))
}

// insertOnce is syncInsert with a token: a second insert with the same token adds
// nothing and still succeeds.
func insertOnce(ctx context.Context, token string) context.Context {
	with := clickhouse.Settings{"insert_deduplication_token": token}
	for k, v := range insertSettings {
		with[k] = v
	}
	return clickhouse.Context(ctx, clickhouse.WithSettings(with))
}

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
