package store

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// How long a question waits for a database that is starting again. An embedded
// engine that died is back in well under a second.
const (
	retryFor   = 5 * time.Second
	retryFirst = 50 * time.Millisecond
	retryMost  = 500 * time.Millisecond
)

// retry runs op until it does not fail for want of a connection, for a few
// seconds. op must be harmless when it is repeated.
func retry(ctx context.Context, op func() error) error {
	wait := retryFirst
	for began := time.Now(); ; {
		err := op()
		if err == nil || !unreachable(err) || time.Since(began) > retryFor {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMost)
	}
}

// unreachable reports whether err is the connection's and not the database's.
func unreachable(err error) bool {
	var op *net.OpError
	var late *interrupted
	if errors.As(err, &late) {
		return false
	}
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, ch.ErrClosed)
}

// exec runs a statement that may be repeated.
func (s *Store) exec(ctx context.Context, statement string, args ...any) error {
	return retry(ctx, func() error { return s.conn.Exec(ctx, statement, args...) })
}

// get reads one row into values.
func (s *Store) get(ctx context.Context, query string, args []any, values ...any) error {
	return retry(ctx, func() error { return s.conn.QueryRow(ctx, query, args...).Scan(values...) })
}

// each reads rows, calling scan for every one. When reading begins again, begin is
// called first.
func (s *Store) each(ctx context.Context, query string, args []any, begin func(), scan func(driver.Rows) error) error {
	return retry(ctx, func() error {
		begin()
		rows, err := s.conn.Query(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			if err := scan(rows); err != nil {
				return err
			}
		}
		return rows.Err()
	})
}
