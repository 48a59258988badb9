package enforcer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// While a living agent owns the table in the kernel, nobody else can change it,
// not even root. Commands then hand what they want to the agent, through files in
// the state folder that only root can write: requests/ID.json, answered by
// requests/ID.answer.

// request is what a command wants done.
type request struct {
	Op          string      `json:"op"` // apply, confirm, rollback, release
	Author      string      `json:"author,omitempty"`
	To          int         `json:"to,omitempty"`
	Why         string      `json:"why,omitempty"`
	Policy      string      `json:"policy,omitempty"`
	Host        *nft.Host   `json:"host,omitempty"`
	Established Established `json:"established,omitempty"`
	Change      string      `json:"change,omitempty"`
	Aftercare   *Aftercare  `json:"aftercare,omitempty"`
}

// answer is what became of it.
type answer struct {
	Version *Version `json:"version,omitempty"`
	Error   string   `json:"error,omitempty"`
	Kind    int      `json:"kind,omitempty"` // 1 + index in requestErrors
}

// requestErrors are those that whoever asked tells apart.
var requestErrors = []error{ErrPending, ErrNoPending, ErrNoVersion, ErrNeverConfirmed}

// Bounds of requests.
const (
	answerWithin = time.Minute
	answerPoll   = 50 * time.Millisecond
	answerAge    = 10 * time.Minute // answers nobody fetched are removed then
)

// ErrNoAnswer: the owner of the table lives and does not answer.
var ErrNoAnswer = errors.New("the program that owns the table does not answer")

// delegate hands a request to the owner of the table. handled is false when there
// is none, or none any more: then whoever asks does it himself.
func (e *Enforcer) delegate(ctx context.Context, r request) (v *Version, handled bool, err error) {
	if e.opts.Owned == nil {
		return nil, false, nil
	}
	if owned, err := e.opts.Owned(); err != nil || !owned {
		return nil, false, err
	}
	r.Author = e.opts.Author
	name, err := e.state.ask(r)
	if err != nil {
		return nil, true, err
	}
	defer os.Remove(name + ".json") // gone already when it was taken up
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	for {
		if a, ok, err := fetch(name + ".answer"); ok || err != nil {
			return a.Version, true, errors.Join(err, a.err())
		}
		owned, err := e.opts.Owned()
		if err != nil {
			return nil, true, err
		}
		if _, waiting := os.Stat(name + ".json"); !owned && waiting == nil {
			return nil, false, nil
		}
		select {
		case <-ctx.Done():
			return nil, true, fmt.Errorf("%s: %w: %w", r.Op, ErrNoAnswer, ctx.Err())
		case <-time.After(answerPoll):
		}
	}
}

// ask writes a request down and returns its name without ending.
func (s *state) ask(r request) (string, error) {
	dir := s.path("requests")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("enforcer request: %w", err)
	}
	f, err := os.CreateTemp(dir, "*.new")
	if err != nil {
		return "", fmt.Errorf("enforcer request: %w", err)
	}
	name := strings.TrimSuffix(f.Name(), ".new")
	err = errors.Join(json.NewEncoder(f).Encode(r), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name+".json")
	}
	if err != nil {
		return "", fmt.Errorf("enforcer request: %w", err)
	}
	return name, nil
}

// fetch reads an answer and removes it; ok is false while there is none.
func fetch(file string) (a answer, ok bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return a, false, nil
	}
	if err == nil {
		err = errors.Join(json.Unmarshal(text, &a), os.Remove(file))
	}
	if err != nil {
		return a, false, fmt.Errorf("enforcer request: %w", err)
	}
	return a, true, nil
}

func (a *answer) err() error {
	switch {
	case a.Error == "":
		return nil
	case a.Kind > 0 && a.Kind <= len(requestErrors):
		return answered{a.Error, requestErrors[a.Kind-1]}
	}
	return errors.New(a.Error)
}

// answered is an error of the owner, told apart as if it were one's own.
type answered struct {
	text string
	is   error
}

func (a answered) Error() string { return a.text }
func (a answered) Unwrap() error { return a.is }

// serveRequests does what commands ask for, in the order of their names.
func (e *Enforcer) serveRequests(ctx context.Context) error {
	if e.opts.Owned != nil {
		if owned, err := e.opts.Owned(); err != nil || owned {
			return err // another's table, and another's requests
		}
	}
	files, err := filepath.Glob(e.state.path("requests", "*"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	for _, file := range files {
		name, isRequest := strings.CutSuffix(file, ".json")
		if isRequest {
			err = errors.Join(err, e.serveRequest(ctx, name))
		} else if info, statErr := os.Stat(file); statErr == nil && time.Since(info.ModTime()) > answerAge {
			err = errors.Join(err, os.Remove(file))
		}
	}
	return err
}

// serveRequest takes one request up, does it, and answers. A request is taken up
// once: a crash in between leaves it unanswered.
func (e *Enforcer) serveRequest(ctx context.Context, name string) error {
	text, err := os.ReadFile(name + ".json")
	if err == nil {
		err = os.Remove(name + ".json")
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // whoever asked has given up
	}
	if err != nil {
		return fmt.Errorf("enforcer request: %w", err)
	}
	var a answer
	if a.Version, err = e.perform(ctx, text); err != nil {
		a.Error = err.Error()
		a.Kind = 1 + slices.IndexFunc(requestErrors, func(kind error) bool { return errors.Is(err, kind) })
	}
	if text, err = json.Marshal(a); err != nil {
		return fmt.Errorf("enforcer request: %w", err)
	}
	return e.state.replace(text, "requests", filepath.Base(name)+".answer")
}

// perform does what a request asks for.
func (e *Enforcer) perform(ctx context.Context, text []byte) (*Version, error) {
	var r request
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("enforcer request: %w", err)
	}
	e.mu.Lock()
	own := e.opts.Author
	e.opts.Author = r.Author
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		e.opts.Author = own
		e.mu.Unlock()
	}()
	switch r.Op {
	case "apply":
		set, err := policy.Parse([]byte(r.Policy), "request")
		if err == nil && r.Host == nil {
			err = errors.New("no host is given")
		}
		if err != nil {
			return nil, fmt.Errorf("enforcer request: apply: %w", err)
		}
		return e.Apply(ctx, Request{Set: set, Host: *r.Host, Author: r.Author, Reason: r.Why, Established: r.Established, Change: r.Change, Aftercare: r.Aftercare})
	case "confirm":
		return nil, e.Confirm(ctx)
	case "rollback":
		return nil, e.Rollback(ctx, r.To, r.Why)
	case "release":
		return nil, e.Release(ctx, r.Why)
	}
	return nil, fmt.Errorf("enforcer request: %q is none of apply, confirm, rollback, release", r.Op)
}
