package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/bulkhead/bulkhead/internal/config"
	"github.com/bulkhead/bulkhead/internal/task"
)

// reloader reads the configuration again at every SIGHUP and puts in force what a
// running sensor can take over. Sockets, rings, templates, flows and counters stay
// as they are. A file that is wrong is refused whole and the old one stays.
type reloader struct {
	app   *app
	flags func(*config.Config)                       // what the command line says wins again
	apply func(context.Context, config.Config) error // puts a checked configuration in force
	now   config.Config                              // what is in force
	hup   chan os.Signal
	ready chan struct{}
}

// newReloader listens for SIGHUP from now on: before it is listened for, the signal
// would end the program. What it applies to is set before it runs.
func newReloader(a *app, flags func(*config.Config)) *reloader {
	r := &reloader{app: a, flags: flags, now: a.cfg,
		hup: make(chan os.Signal, 1), ready: make(chan struct{})} // one waiting is enough: it reads the newest file
	signal.Notify(r.hup, syscall.SIGHUP)
	return r
}

func (r *reloader) String() string         { return "configuration" }
func (r *reloader) Ready() <-chan struct{} { return r.ready }

// Run reloads at every SIGHUP until ctx ends. A refused file is no failure.
func (r *reloader) Run(ctx context.Context) error {
	defer signal.Stop(r.hup)
	close(r.ready)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.hup:
		}
		if err := task.Reloading(); err != nil {
			return err
		}
		status := r.reload(ctx)
		fmt.Fprintln(r.app.err, status)
		if err := task.Reloaded(status); err != nil {
			return err
		}
	}
}

// reload says in one line what became of it.
func (r *reloader) reload(ctx context.Context) string {
	if r.app.configFile == "" {
		return "reload: there is no file to read again: start with --config FILE"
	}
	next, err := r.app.configuration()
	if err == nil {
		r.flags(&next)
		err = r.apply(ctx, next)
	}
	if err != nil {
		return fmt.Sprintf("reload refused, the configuration stays as it was: %v", err)
	}
	taken, restart := config.Changed(&r.now, &next)
	// What was not taken over stays as it was, so that the next reload names it again.
	r.now.TakeLive(&next)
	return "reloaded: " + inForce(taken) + needsRestart(restart)
}

func inForce(keys []string) string {
	if len(keys) == 0 {
		return "nothing new that can change while running"
	}
	return "in force now: " + strings.Join(keys, ", ")
}

func needsRestart(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return "; needs a restart: " + strings.Join(keys, ", ")
}
