package task_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bulkhead/bulkhead/internal/task"
)

// fake is a task that ends with what f returns.
type fake func(context.Context) error

func (f fake) Run(ctx context.Context) error { return f(ctx) }
func (f fake) Ready() <-chan struct{}        { return nil }
func (f fake) String() string                { return "fake" }

func TestRun(t *testing.T) {
	broken := errors.New("broken")
	wait := fake(func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	for name, c := range map[string]struct {
		tasks []task.Task
		end   bool // the context ends with ErrSignal
		want  error
	}{
		"all done":               {[]task.Task{fake(func(context.Context) error { return nil })}, false, nil},
		"one fails, rest stop":   {[]task.Task{wait, fake(func(context.Context) error { return broken })}, false, broken},
		"a signal is no failure": {[]task.Task{wait, wait}, true, nil},
		"a failure at the end is": {[]task.Task{wait, fake(func(ctx context.Context) error {
			<-ctx.Done()
			return broken
		})}, true, broken},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		if c.end {
			cancel(task.ErrSignal)
		}
		if err := task.Run(ctx, c.tasks...); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		cancel(nil)
	}
}
