// Package task is the shape of everything in the program that runs: a Task. All
// tasks of a command share one group; the first that fails stops the rest.
package task

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// Task is something that runs until its context ends.
type Task interface {
	// Run does the work and returns when ctx ends, nil for a clean stop.
	Run(ctx context.Context) error
	// Ready is closed once the task does its job.
	Ready() <-chan struct{}
	// String names the task in logs and errors.
	String() string
}

// ErrSignal is the cause of a context that a signal ended.
var ErrSignal = errors.New("interrupted")

// Run runs all tasks until one fails, ctx ends, or all are done. Errors name the
// task. A task that ends because ctx did has not failed.
func Run(ctx context.Context, tasks ...Task) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		g.Go(func() error {
			err := t.Run(ctx)
			stopped := ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx)))
			if err == nil || stopped {
				return nil
			}
			return fmt.Errorf("%s: %w", t, err)
		})
	}
	return g.Wait()
}

// Notify returns a context that SIGINT or SIGTERM ends with ErrSignal as its
// cause. A second signal kills the process as usual.
func Notify(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	c := make(chan os.Signal, 1) // one is enough: the second is not ours to take
	signal.Notify(c, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-c:
			cancel(ErrSignal)
		case <-ctx.Done():
		}
		signal.Stop(c)
	}()
	return ctx, func() { cancel(nil) }
}
