package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/internal/task"
)

// Exit codes, documented in docs/operating.md and by `bulkhead help exit-codes`.
const (
	exitOK          = 0
	exitFailure     = 1   // something did not work: the message says what and what to do
	exitUsage       = 2   // the command line, a file or a document is wrong
	exitFinding     = 3   // it worked, and the answer is no: a policy differs, a test fails, something would break
	exitInterrupted = 130 // Ctrl-C or SIGTERM; what was accepted is kept
)

// usageError is a mistake of whoever typed the command or wrote the file.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errFinding ends a command that worked and whose answer is no. It prints
// nothing: the command has said it.
var errFinding = errors.New("finding")

// exitCode reports err on w and returns the process's exit code for it.
func exitCode(err error, w io.Writer) int {
	var usage usageError
	var place *strictyaml.Error
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFinding):
		return exitFinding
	case errors.Is(err, task.ErrSignal):
		fmt.Fprintln(w, "bulkhead: interrupted; what was accepted is kept")
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &place):
		fmt.Fprintf(w, "bulkhead: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(w, "bulkhead: %v\n", err)
	return exitFailure
}
