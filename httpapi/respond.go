package httpapi

import (
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
)

// maxBody bounds what a client may send, in bytes: a policy of ten thousand
// rules is about 4 MB.
const maxBody = 8 << 20

// problem is an RFC 9457 problem document.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Code   Code   `json:"code"`
	Detail string `json:"detail"`
}

// handle turns a handler that returns an error into one that answers with it.
func (s *server) handle(f func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
			return
		}
		s.Counters.answered()
	}
}

// fail answers with err's problem document and logs what clients do not see.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, r.Context().Err()) && r.Context().Err() != nil && r.Context().Err().Error() == "context canceled" {
		return // the client left; nobody reads an answer
	}
	e := asError(err)
	s.Counters.refused(e.Code)
	status := statusOf[e.Code]
	if status >= 500 && e.Code != CodeNotReady {
		s.Log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.Path, "error", err)
	}
	if e.Retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(e.Retry.Seconds()))))
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem{ // the status line has said it already
		Type: "about:blank", Title: http.StatusText(status), Status: status, Code: e.Code, Detail: e.Message,
	})
}

// recovered answers a panic with a problem document instead of a cut connection.
func (s *server) recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); {
			case p == nil:
			case p == http.ErrAbortHandler:
				panic(p)
			default:
				s.Log.ErrorContext(r.Context(), "handler panicked", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
				s.fail(w, r, Errorf(CodeInternal, "internal error; the log has the details"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// reply answers with v as JSON and an entity tag over its bytes; a client that
// has them already gets 304.
func reply(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	h := fnv.New64a()
	_, _ = h.Write(body) // a hash never fails
	tag := `"` + strconv.FormatUint(h.Sum64(), 36) + `"`
	w.Header().Set("ETag", tag)
	w.Header().Set("Cache-Control", "private, no-cache")
	if r.Method == http.MethodGet && r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // a client that left is no failure of ours
	return nil
}

// decode reads a JSON body strictly: an unknown field is a mistake worth naming.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return &Error{Code: CodeInvalid, Message: "the body is not what this route takes: " + err.Error(), Err: err}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Errorf(CodeInvalid, "the body goes on after its JSON value")
	}
	return nil
}
