package store

import (
	"errors"
	"net/url"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
)

// WithDatabase returns dsn with another database name; a dsn that is no URL comes
// back as it is.
func WithDatabase(dsn, database string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn
	}
	u.Path = "/" + database
	return u.String()
}

// ErrorCode is the number of the ClickHouse error behind err, 0 when there is none.
func ErrorCode(err error) int {
	var bulk *ch.Exception
	if errors.As(err, &bulk) {
		return int(bulk.Code)
	}
	var ex *clickhouse.Exception
	if errors.As(err, &ex) {
		return int(ex.Code)
	}
	return 0
}
