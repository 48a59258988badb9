package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/schemas"
)

func TestCheckRefusesDatabasesItDoesNotUnderstand(t *testing.T) {
	all, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		applied map[int]string
		want    error
	}{
		{"empty", nil, nil},
		{"half way", map[int]string{1: all[0].Hash}, nil},
		{"newer", map[int]string{len(all) + 1: "x"}, ErrNewer},
		{"changed", map[int]string{1: "x"}, ErrChanged},
	} {
		if err := check(c.applied, all); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// MigrateUpTo runs Migrate but ends it after n statements, as a kill would.
func (s *Store) MigrateUpTo(ctx context.Context, n int) error {
	if err := s.createDatabase(ctx); err != nil {
		return err
	}
	if err := s.conn.Exec(ctx, "CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, hash String, applied DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY version"); err != nil {
		return err
	}
	all, err := schemas.Migrations()
	if err != nil {
		return err
	}
	for _, m := range all {
		statements, err := m.Statements(schemas.Target{})
		if err != nil {
			return err
		}
		for _, text := range statements {
			if n--; n < 0 {
				return nil
			}
			if err := s.conn.Exec(ctx, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// MigrateTo is Migrate by a program that knew only the first migrations.
func (s *Store) MigrateTo(ctx context.Context, version int) error {
	all, err := schemas.Migrations()
	if err != nil {
		return err
	}
	return s.migrate(ctx, all[:version])
}

// Pretend records that a newer program migrated the database.
func (s *Store) Pretend(ctx context.Context, version int) error {
	return s.conn.Exec(ctx, "INSERT INTO schema_migrations (version, name, hash) VALUES (?, 'future', 'x')", uint32(version))
}

// Definition returns a table's definition.
func (s *Store) Definition(ctx context.Context, table string) (text string, err error) {
	err = s.conn.QueryRow(ctx, "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = ?", table).Scan(&text)
	return text, err
}

// SetRetention changes how long rows are kept at the next Migrate.
func (s *Store) SetRetention(flows time.Duration) { s.opt.KeepFlows = flows }
