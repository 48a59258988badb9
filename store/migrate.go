package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/bulkhead/bulkhead/schemas"
)

// ErrNewer: the database was migrated by a newer program than this one.
var ErrNewer = errors.New("database is newer than this program")

// ErrChanged: a migration that was applied differs from this program's.
var ErrChanged = errors.New("an applied migration is not the one this program has")

const migrationsTable = `CREATE TABLE IF NOT EXISTS schema_migrations%s (
    version UInt32, name String, hash String, applied DateTime DEFAULT now()
) ENGINE = %s ORDER BY version SETTINGS fsync_after_insert = 1`

// Migrate creates the database and brings its tables up to date. It can be run
// any number of times, also after it was killed half way: a migration counts as
// applied only after its last statement, and every statement may be repeated.
// It refuses (ErrNewer) a database that a newer program has migrated.
func (s *Store) Migrate(ctx context.Context) error {
	all, err := schemas.Migrations()
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return s.migrate(ctx, all)
}

func (s *Store) migrate(ctx context.Context, all []schemas.Migration) error {
	if err := s.createDatabase(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	on, engine := s.onCluster(), "MergeTree"
	if on != "" {
		engine = "ReplicatedMergeTree"
	}
	if err := s.exec(ctx, fmt.Sprintf(migrationsTable, on, engine)); err != nil {
		return fmt.Errorf("migrate: create schema_migrations: %w", err)
	}
	applied, err := s.applied(ctx)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := check(applied, all); err != nil {
		return fmt.Errorf("migrate %s: %w", s.Database(), err)
	}
	for _, m := range all {
		if _, done := applied[m.Version]; done {
			continue
		}
		if err := s.apply(ctx, m); err != nil {
			return err
		}
	}
	return s.applyRetention(ctx)
}

// createDatabase connects without a database, as ours may not be there yet.
func (s *Store) createDatabase(ctx context.Context) error {
	opt := *s.native
	opt.Auth.Database = ""
	conn, err := clickhouse.Open(&opt)
	if err != nil {
		return err
	}
	defer conn.Close()
	create := "CREATE DATABASE IF NOT EXISTS " + identifier(s.Database()) + s.onCluster()
	if err := retry(ctx, func() error { return conn.Exec(ctx, create) }); err != nil {
		return fmt.Errorf("create database %s: %w", s.Database(), err)
	}
	return nil
}

func (s *Store) onCluster() string {
	if s.opt.Cluster == "" || s.opt.ClusterPlain {
		return ""
	}
	return " ON CLUSTER " + identifier(s.opt.Cluster)
}

// applied returns the hashes of the applied migrations by version.
func (s *Store) applied(ctx context.Context) (map[int]string, error) {
	rows, err := s.conn.Query(ctx, "SELECT version, any(hash) FROM schema_migrations GROUP BY version")
	if err != nil {
		return nil, fmt.Errorf("read schema_migrations: %w", err)
	}
	defer rows.Close()
	applied := map[int]string{}
	for rows.Next() {
		var version uint32
		var hash string
		if err := rows.Scan(&version, &hash); err != nil {
			return nil, fmt.Errorf("read schema_migrations: %w", err)
		}
		applied[int(version)] = hash
	}
	return applied, rows.Err()
}

// check refuses databases this program does not understand.
func check(applied map[int]string, all []schemas.Migration) error {
	for version, hash := range applied {
		if version > len(all) {
			return fmt.Errorf("%w: it is at version %d and this program knows %d; run the newer program", ErrNewer, version, len(all))
		}
		if want := all[version-1]; want.Hash != hash {
			return fmt.Errorf("%w: version %d %s; run the program that wrote it, or start with an empty database", ErrChanged, version, want.Name)
		}
	}
	return nil
}

func (s *Store) apply(ctx context.Context, m schemas.Migration) error {
	statements, err := m.Statements(schemas.Target{Cluster: s.opt.Cluster, Plain: s.opt.ClusterPlain})
	if err != nil {
		return err
	}
	for i, statement := range statements {
		if err := s.exec(ctx, statement); err != nil {
			return fmt.Errorf("migration %d %s, statement %d: %w", m.Version, m.Name, i+1, err)
		}
	}
	err = s.exec(syncInsert(ctx), "INSERT INTO schema_migrations (version, name, hash) VALUES (?, ?, ?)",
		uint32(m.Version), m.Name, m.Hash)
	if err != nil {
		return fmt.Errorf("migration %d %s: record it: %w", m.Version, m.Name, err)
	}
	s.log.Info("schema migrated", "version", m.Version, "name", m.Name)
	return nil
}

// retention lists the tables whose rows expire, and by which option.
var retention = []struct {
	table string
	keep  func(Options) time.Duration
}{
	{"flows", func(o Options) time.Duration { return o.KeepFlows }},
	{"edges", func(o Options) time.Duration { return o.KeepFlows }},
	{"edges_daily", func(o Options) time.Duration { return o.KeepEdges }},
	{"probes", func(o Options) time.Duration { return o.KeepEdges }},
	{"names", func(o Options) time.Duration { return o.KeepEdges }},
	{"violations", func(o Options) time.Duration { return o.KeepEdges }},
}

// applyRetention gives each table the TTL its option asks for, and leaves a table
// that has it alone.
func (s *Store) applyRetention(ctx context.Context) error {
	for _, r := range retention {
		table := s.local(r.table)
		var create string
		err := s.get(ctx, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = ?", []any{table}, &create)
		if err != nil {
			return fmt.Errorf("read definition of %s: %w", table, err)
		}
		has := strings.Contains(create, " TTL ")
		hours := int64(r.keep(s.opt) / time.Hour)
		alter := "ALTER TABLE " + table + s.onCluster()
		want := fmt.Sprintf("TTL received + toIntervalHour(%d)", hours)
		switch {
		case hours == 0 && !has, hours > 0 && strings.Contains(create, want+" "):
			continue
		case hours == 0:
			alter += " REMOVE TTL"
		default:
			alter += " MODIFY " + want + " SETTINGS materialize_ttl_after_modify = 0"
		}
		if err := s.exec(ctx, alter); err != nil {
			return fmt.Errorf("set retention of %s: %w", table, err)
		}
	}
	return nil
}

// local is the name of the table that holds the rows of table on this server.
func (s *Store) local(table string) string {
	if s.opt.Cluster == "" {
		return table
	}
	return table + "_local"
}
