package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// endpoint is the content of endpoint.json: how another program of the same user
// reaches the engine that serves the folder. It holds the password.
type endpoint struct {
	PID int    `json:"pid"` // of the engine
	DSN string `json:"dsn"`
}

// publish tells other programs how to reach the engine.
func (e *Engine) publish(pid int) error {
	text, err := json.Marshal(endpoint{PID: pid, DSN: e.dsn})
	if err != nil {
		return err
	}
	if err := errors.Join(writeFile(e.at.endpoint(), text), writeFile(e.at.identity(), []byte(e.dsn))); err != nil {
		return folderError(e.at.dir, err)
	}
	return nil
}

// patience with a folder that another program holds.
const (
	shareTimeout = 15 * time.Second // for its engine to answer
	lockTimeout  = 10 * time.Second // for it to end, when the folder must be ours
)

// lockOrShare takes the folder, or uses the engine of the program that holds it.
// It waits: the holder may be about to answer, or about to end.
func (e *Engine) lockOrShare(ctx context.Context) error {
	timeout := shareTimeout
	if e.opt.Exclusive {
		timeout = lockTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		lock, err := lockFolder(e.at.lock())
		if err == nil {
			e.lock = lock
			return nil
		}
		if !errors.Is(err, ErrLocked) {
			return err
		}
		if !e.opt.Exclusive {
			if err = e.share(ctx); err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: program %s holds %s (%w); stop it or choose another folder with --data-dir",
				ErrLocked, e.holder(), e.at.dir, err)
		case <-time.After(10 * probeInterval):
		}
	}
}

// share uses the engine of the program that holds the folder, if it answers.
func (e *Engine) share(ctx context.Context) error {
	if err := e.readEndpoint(); err != nil {
		return fmt.Errorf("its engine is not up: %w", err)
	}
	if err := ping(ctx, e.dsn); err != nil {
		return fmt.Errorf("its engine does not answer: %w", err)
	}
	e.kind.Store(kindShared)
	return nil
}

// holder is the process id that the lock file names, as text.
func (e *Engine) holder() string {
	text, err := os.ReadFile(e.at.lock())
	if err != nil || len(text) == 0 {
		return "(unknown)"
	}
	return strings.TrimSpace(string(text))
}

func (e *Engine) readEndpoint() error {
	text, err := os.ReadFile(e.at.endpoint())
	if err != nil {
		return err
	}
	var at endpoint
	if err := json.Unmarshal(text, &at); err != nil {
		return fmt.Errorf("read %s: %w", e.at.endpoint(), err)
	}
	e.dsn = at.DSN
	return nil
}

// follow watches an engine that is not ours: ready once it answers, and healthy
// as long as it does. It returns true when the engine's program has ended and the
// folder is ours now.
func (e *Engine) follow(ctx context.Context) (inherited bool, err error) {
	const every = 2 * time.Second
	wait := probeInterval
	for {
		err := ping(ctx, e.dsn)
		switch {
		case ctx.Err() != nil:
			return false, nil
		case err == nil:
			e.setReady()
			wait = every
		default:
			e.failure.Store(&err)
			if e.healthy.Swap(false) {
				e.opt.Log.Warn("engine does not answer", "engine", e.String(), "error", err)
			}
			if !e.answered() {
				if wait = min(wait*2, every); permanent(err) {
					return false, fmt.Errorf("%s: %w", e, err)
				}
			}
		}
		for until := time.Now().Add(wait); time.Now().Before(until); {
			if e.Attached() && e.inherit() {
				e.healthy.Store(false)
				return true, nil
			}
			select {
			case <-ctx.Done():
				return false, nil
			case <-time.After(min(10*probeInterval, wait)):
			}
		}
	}
}

// answered reports whether the engine ever answered.
func (e *Engine) answered() bool {
	select {
	case <-e.ready:
		return true
	default:
		return false
	}
}

// inherit takes the folder of an engine whose program has ended, with the address
// and password it had.
func (e *Engine) inherit() bool {
	lock, err := lockFolder(e.at.lock())
	if err != nil {
		return false
	}
	port, ok := e.readIdentity()
	if ok {
		e.lock, e.port = lock, port
		err = e.choose()
	}
	if !ok || err != nil {
		e.opt.Log.Warn("cannot run the engine of a program that has ended", "folder", e.at.dir, "error", err)
		lock.Close()
		return false
	}
	return true
}

// permanent reports an answer that waiting will not change: wrong password, or a
// server that is too old.
func permanent(err error) bool {
	var ex *clickhouse.Exception
	return asException(err, &ex) && (ex.Code == 516 || ex.Code == 192) || isTooOld(err)
}

// awaitAnswer returns nil once the engine has answered, or the last error when
// ctx ends.
func (e *Engine) awaitAnswer(ctx context.Context) error {
	for {
		err := ping(ctx, e.dsn)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(probeInterval):
		}
	}
}
