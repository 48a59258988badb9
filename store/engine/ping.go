package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ping asks the server behind dsn for its version on a connection of its own. The
// database the DSN names need not exist yet.
func ping(ctx context.Context, dsn string) error {
	opt, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return fmt.Errorf("read address of ClickHouse: %w", err)
	}
	opt.Auth.Database = ""
	opt.DialTimeout = 5 * time.Second
	opt.MaxOpenConns, opt.MaxIdleConns = 1, 1
	conn, err := clickhouse.Open(opt)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var version string
	if err := conn.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil {
		return err
	}
	if !newEnough(version) {
		return fmt.Errorf("%w: it is %s; %d.%d or newer is needed", ErrTooOld, version, minVersion[0], minVersion[1])
	}
	return nil
}

func asException(err error, ex **clickhouse.Exception) bool { return errors.As(err, ex) }

func isTooOld(err error) bool { return errors.Is(err, ErrTooOld) }
