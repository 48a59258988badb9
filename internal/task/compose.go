package task

import (
	"context"
	"time"
)

// After is t, begun when ready is closed.
func After(ready <-chan struct{}, t Task) Task { return &after{ready, t} }

type after struct {
	ready <-chan struct{}
	Task
}

// Run waits, then runs the task; it ends without an error when ctx ends first.
func (a *after) Run(ctx context.Context) error {
	select {
	case <-a.ready:
		return a.Task.Run(ctx)
	case <-ctx.Done():
		return nil
	}
}

// againEvery is how long a failed task rests.
const againEvery = 5 * time.Second

// Again is a task that others must outlive: when it fails it is made anew after a
// rest. told hears of each failure, and of nil when it has run for a rest's time.
func Again(name string, told func(error), make func() Task) Task {
	return &again{name: name, told: told, make: make, ready: closedChannel()}
}

type again struct {
	name  string
	told  func(error)
	make  func() Task
	ready <-chan struct{}
}

func (a *again) String() string { return a.name }

// Ready is closed from the start: nothing waits for what may fail.
func (a *again) Ready() <-chan struct{} { return a.ready }

// Run runs task after task until ctx ends.
func (a *again) Run(ctx context.Context) error {
	for {
		well := time.AfterFunc(againEvery, func() { a.told(nil) })
		err := a.make().Run(ctx)
		well.Stop()
		if ctx.Err() != nil {
			return err
		}
		a.told(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(againEvery):
		}
	}
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
