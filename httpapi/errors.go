package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Code is the class of a failure as clients see it. Codes are part of the API.
type Code string

const (
	CodeInvalid         Code = "invalid"         // the request cannot be understood
	CodeUnauthenticated Code = "unauthenticated" // no session and no token
	CodeForbidden       Code = "forbidden"       // cross-origin, or not this user
	CodeThrottled       Code = "throttled"       // too many wrong passwords
	CodeNotFound        Code = "not-found"
	CodeConflict        Code = "conflict" // based on a version that is no longer the newest
	CodeTooLarge        Code = "too-large"
	CodeUnsupported     Code = "unsupported" // this build or configuration cannot do it
	CodeNotReady        Code = "not-ready"   // no data yet, or the store is away
	CodeTimeout         Code = "timeout"
	CodeInternal        Code = "internal"
)

// statusOf is the one table from codes to HTTP.
var statusOf = map[Code]int{
	CodeInvalid:         http.StatusBadRequest,
	CodeUnauthenticated: http.StatusUnauthorized,
	CodeForbidden:       http.StatusForbidden,
	CodeThrottled:       http.StatusTooManyRequests,
	CodeNotFound:        http.StatusNotFound,
	CodeConflict:        http.StatusConflict,
	CodeTooLarge:        http.StatusRequestEntityTooLarge,
	CodeUnsupported:     http.StatusNotImplemented,
	CodeNotReady:        http.StatusServiceUnavailable,
	CodeTimeout:         http.StatusGatewayTimeout,
	CodeInternal:        http.StatusInternalServerError,
}

// Error is a failure with a message that is safe to show. Err, which may be nil,
// goes to the log only.
type Error struct {
	Code    Code
	Message string
	Err     error
	Retry   time.Duration // after which trying again makes sense; 0: not said
}

// Errorf makes an Error whose message is shown to clients.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap implements errors.Unwrap.
func (e *Error) Unwrap() error { return e.Err }

// asError finds the Error in err's chain; anything else is an internal failure
// whose text clients do not see.
func asError(err error) *Error {
	var e *Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e):
		return e
	case errors.As(err, &tooLarge):
		return &Error{Code: CodeTooLarge, Message: fmt.Sprintf("the body is larger than %d bytes", tooLarge.Limit), Err: err}
	case errors.Is(err, errors.ErrUnsupported):
		return &Error{Code: CodeUnsupported, Message: "not supported here", Err: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Message: "it took too long", Err: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error; the log has the details", Err: err}
}
