package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/schemas"
	"github.com/bulkhead/bulkhead/store"
)

func openEmpty(t *testing.T) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{DSN: databaseDSN(t, sharedEngine(t))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestMigrateAgainChangesNothing(t *testing.T) {
	s := open(t)
	write(t, s, record(1, 1))
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Rows(t.Context()); n != 1 || err != nil {
		t.Errorf("%d rows, %v", n, err)
	}
}

// A migration killed after any statement is finished by the next start.
func TestMigrateKilledAtAnyStatement(t *testing.T) {
	for n := 0; n < 16; n++ {
		s := openEmpty(t)
		if err := s.MigrateUpTo(t.Context(), n); err != nil {
			t.Fatalf("%d statements: %v", n, err)
		}
		if err := s.Migrate(t.Context()); err != nil {
			t.Fatalf("after %d statements: %v", n, err)
		}
		write(t, s, record(1, 1))
		if edges, err := s.Edges(t.Context(), store.Query{}); err != nil || len(edges) != 1 {
			t.Errorf("after %d statements: edges %v, %v", n, edges, err)
		}
	}
}

func TestMigrateRefusesNewerDatabase(t *testing.T) {
	s := open(t)
	if err := s.Pretend(t.Context(), 99); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); !errors.Is(err, store.ErrNewer) || !strings.Contains(err.Error(), "newer program") {
		t.Errorf("got %v, want ErrNewer and the remedy", err)
	}
}

func TestRetentionFollowsTheOptions(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		keep time.Duration
		want string // "": no TTL
	}{{48 * time.Hour, "TTL received + toIntervalHour(48)"}, {24 * time.Hour, "TTL received + toIntervalHour(24)"}, {0, ""}} {
		s.SetRetention(c.keep)
		for range 2 {
			if err := s.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		text, err := s.Definition(t.Context(), "flows")
		if err != nil || !strings.Contains(text, c.want) || c.want == "" && strings.Contains(text, "TTL ") {
			t.Errorf("keep %v: %s, %v", c.keep, text, err)
		}
	}
}

// The statements for a replicated cluster cannot run here, for want of a Keeper;
// they must at least be ClickHouse's language.
func TestClusterStatementsParse(t *testing.T) {
	s := open(t)
	conn := connect(t, s)
	all, err := schemas.Migrations()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		statements, err := m.Statements(schemas.Target{Cluster: "prod"})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range statements {
			if err := conn.Exec(t.Context(), "EXPLAIN AST "+text); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	if err := conn.Exec(t.Context(), "EXPLAIN AST CREATE TABL x"); err == nil {
		t.Error("the check accepts anything")
	}
}
