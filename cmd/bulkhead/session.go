package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

// session is an open store: the engine that serves it, the migrated database, and
// the estate on top. Close ends what it started.
type session struct {
	app    *app
	engine *engine.Engine
	store  *store.Store
	stop   func() error // ends an engine this process started
	blind  bool         // the database's user may insert and read nothing
}

// open starts or finds the engine and migrates the database.
func (a *app) open(ctx context.Context) (*session, error) {
	eng, stop, err := engine.Start(ctx, a.engineOptions())
	if err != nil {
		return nil, err
	}
	s := &session{app: a, engine: eng, stop: stop}
	if err := s.openStore(ctx); err != nil {
		return nil, errors.Join(err, stop())
	}
	return s, nil
}

func (a *app) engineOptions() engine.Options {
	return engine.Options{
		DSN: a.cfg.ClickHouse.DSN, Dir: filepath.Join(a.cfg.DataDir, "engine"),
		MemoryBytes: a.cfg.ClickHouse.MemoryBytes, Log: a.log,
	}
}

func (s *session) openStore(ctx context.Context) error {
	c := s.app.cfg.ClickHouse
	st, err := store.Open(ctx, store.Options{
		DSN: s.engine.DSN(), Cluster: c.Cluster, KeepFlows: c.KeepFlows, KeepEdges: c.KeepEdges, Log: s.app.log,
	})
	if err != nil {
		return err
	}
	err = st.Migrate(ctx)
	if s.app.mayBeBlind && store.ErrorCode(err) == accessDenied {
		s.blind, err = true, nil
		s.app.say("the database's user may insert only: the inventory and admitted exporters of the database are not read, and another program has to migrate it")
	}
	if err != nil {
		return errors.Join(err, st.Close())
	}
	s.store = st
	return nil
}

// accessDenied is ClickHouse's ACCESS_DENIED.
const accessDenied = 497

// Close closes the store, then the engine if this process started it.
func (s *session) Close() error {
	err := s.store.Close()
	if s.stop != nil {
		err = errors.Join(err, s.stop())
	}
	return err
}

// with opens a session, runs f and closes it.
func (a *app) with(ctx context.Context, f func(*session) error) (err error) {
	s, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return f(s)
}

// insidePrefixes are the configured ranges of the estate; Load has checked them.
func (a *app) insidePrefixes() ([]prefix, error) { return config.Prefixes(a.cfg.Map.Inside) }

// drainTimeout bounds how long a command waits at its end for the store to take
// what is still in the spool; what it did not take stays in the spool.
const drainTimeout = 60 * time.Second

var errNothingRecorded = fmt.Errorf("nothing is recorded yet: run `bulkhead import FILE`, `bulkhead sense` or `make run` first")
