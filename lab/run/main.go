// Command run builds the lab's payment segment, makes its traffic, prints the way
// from discovery to rollback as commands to type, and takes everything down again
// on Ctrl-C. It needs root.
//
//	go run ./lab/run
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/bulkhead/bulkhead/internal/task"
	"github.com/bulkhead/bulkhead/lab"
)

func main() {
	ctx, stop := task.Notify(context.Background())
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	l, err := lab.Up(ctx, lab.Options{Topology: lab.Payments(), Log: os.Stderr})
	if err != nil {
		return err
	}
	defer func() {
		if e := l.Down(); err == nil {
			err = e
		}
	}()
	if err := l.Traffic(ctx); err != nil {
		return err
	}
	if err := l.StopTap(); err != nil {
		return err
	}
	steps, err := l.Tutorial()
	if err != nil {
		return err
	}
	fmt.Printf("\nexport %s\n", strings.Join(l.Environment(), " "))
	for _, s := range steps {
		fmt.Printf("\n# %s\n%s\n", s.Say, s.Command)
	}
	fmt.Println("\nCtrl-C takes the lab down.")
	<-ctx.Done()
	return nil
}
