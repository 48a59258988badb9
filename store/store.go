package store

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/ClickHouse/ch-go"
	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options say where the database is and how its tables are laid out.
type Options struct {
	// DSN is the address as clickhouse-go/v2 reads it. The database it names is
	// created by Migrate; "" means "bulkhead".
	DSN string
	// Cluster makes Migrate create replicated local tables and Distributed ones
	// on that ClickHouse cluster; "" is a single server.
	Cluster string
	// ClusterPlain is for clusters without a Keeper: local tables are not
	// replicated and every server has to be migrated by itself.
	ClusterPlain bool
	// KeepFlows is how long raw records and hourly edges are kept after they came
	// in, KeepEdges how long daily edges, probes, names and violations are; 0 keeps
	// them for ever. Beyond KeepFlows only the whole days of a window are
	// answered.
	KeepFlows, KeepEdges time.Duration
	// Now is the clock for documents saved without a time; nil is time.Now.
	Now func() time.Time
	// Log receives retries and what was dropped; nil discards.
	Log *slog.Logger
}

// Store is an open database. Safe for concurrent use.
type Store struct {
	opt    Options
	conn   driver.Conn         // statements, documents, small answers
	native *clickhouse.Options // how to dial for bulk data
	log    *slog.Logger
}

// Open connects lazily: the first query dials. Close releases the connections.
func Open(_ context.Context, opt Options) (*Store, error) {
	native, err := clickhouse.ParseDSN(opt.DSN)
	if err != nil {
		return nil, fmt.Errorf("open store: read address: %w", err)
	}
	if native.Protocol != clickhouse.Native {
		return nil, errors.New("open store: only ClickHouse's native protocol is spoken: use clickhouse://host:9000/database")
	}
	if native.Auth.Database == "" || native.Auth.Database == "default" {
		native.Auth.Database = "bulkhead"
	}
	if native.DialTimeout == 0 {
		native.DialTimeout = 5 * time.Second
	}
	conn, err := clickhouse.Open(native)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Store{opt: opt, conn: conn, native: native, log: opt.Log}, nil
}

// Close releases the store's connections. Writers must be closed before.
func (s *Store) Close() error { return s.conn.Close() }

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error { return s.conn.Ping(ctx) }

// Database is the name of the database in use.
func (s *Store) Database() string { return s.native.Auth.Database }

// packetTimeout bounds the silence of a server in the middle of a packet.
const packetTimeout = 30 * time.Second

// dialer hands out connections that end with a context. ch-go takes a read that
// timed out for "nothing yet" and reads again, so a deadline alone would not stop
// it on a server that is frozen.
type dialer struct {
	ctx context.Context // of the connection's user
	net.Dialer
}

func (d *dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(d.ctx, func() { conn.Close() })
	return conn, nil
}

// dial opens a connection for bulk data to the first address that answers. The
// connection is cut when ctx ends.
func (s *Store) dial(ctx context.Context) (*ch.Client, error) {
	var errs []error
	for _, addr := range s.native.Addr {
		opt := ch.Options{
			Dialer:           &dialer{ctx: ctx, Dialer: net.Dialer{Timeout: s.native.DialTimeout}},
			Address:          addr,
			Database:         s.native.Auth.Database,
			User:             s.native.Auth.Username,
			Password:         s.native.Auth.Password,
			ClientName:       "bulkhead",
			ReadTimeout:      packetTimeout,
			DialTimeout:      s.native.DialTimeout,
			HandshakeTimeout: s.native.DialTimeout,
			TLS:              s.tls(addr),
			Compression:      compressionFor(addr, s.native),
		}
		client, err := ch.Dial(ctx, opt)
		if err == nil {
			return client, nil
		}
		errs = append(errs, fmt.Errorf("connect to ClickHouse at %s: %w", addr, err))
	}
	return nil, errors.Join(errs...)
}

func (s *Store) tls(addr string) *tls.Config {
	if s.native.TLS == nil {
		return nil
	}
	c := s.native.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(addr)
	}
	return c
}

// compressionFor compresses towards other machines only: on the same host LZ4
// costs the client 300 ns a row and saves nothing.
func compressionFor(addr string, o *clickhouse.Options) ch.Compression {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	ip := net.ParseIP(host)
	if host == "localhost" || ip != nil && ip.IsLoopback() {
		return ch.CompressionDisabled
	}
	if o.Compression != nil && o.Compression.Method == clickhouse.CompressionNone {
		return ch.CompressionDisabled
	}
	return ch.CompressionLZ4
}
