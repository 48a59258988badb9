package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
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
	if err := writeFile(e.at.endpoint(), text); err != nil {
		return fmt.Errorf("%w: %w", ErrNotWritable, err)
	}
	return nil
}

// shareTimeout is how long a locked folder's engine may take to answer.
const shareTimeout = 15 * time.Second

// share uses the engine of the process that holds the folder.
func (e *Engine) share(ctx context.Context) error {
	if e.opt.Exclusive {
		return fmt.Errorf("%w: %s; stop the other program or choose another folder with --data", ErrLocked, e.at.dir)
	}
	ctx, cancel := context.WithTimeout(ctx, shareTimeout)
	defer cancel()
	var last error
	for {
		if last = e.readEndpoint(); last == nil {
			if last = ping(ctx, e.dsn); last == nil {
				e.kind = kindShared
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: another program holds %s and its engine does not answer (%w); stop it or choose another folder with --data",
				ErrLocked, e.at.dir, last)
		case <-time.After(10 * probeInterval):
		}
	}
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
// as long as it does.
func (e *Engine) follow(ctx context.Context) error {
	const every = 2 * time.Second
	wait := probeInterval
	for {
		err := ping(ctx, e.dsn)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			e.setReady()
			wait = every
		default:
			if e.healthy.Swap(false) {
				e.opt.Log.Warn("engine does not answer", "engine", e.String(), "error", err)
			}
			select {
			case <-e.ready:
			default:
				if wait = min(wait*2, every); permanent(err) {
					return fmt.Errorf("%s: %w", e, err)
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
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
