package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/enforcer/watch"
	"github.com/bulkhead/bulkhead/policy"
)

// standalone enforces a policy file without a controller: the verb
// `agent --standalone`.
type standalone struct {
	*app
	hostFlags
	policy  string
	confirm bool
	store   bool
	care    *enforcer.Aftercare // how the change is watched; nil for not at all
}

func (s *standalone) run(ctx context.Context) error {
	set, err := readPolicy(s.policy)
	if err != nil {
		return err
	}
	host, err := s.host(ctx, set)
	if err != nil {
		return err
	}
	s.care, err = (&enforcing{app: s.app, hostFlags: s.hostFlags}).aftercare(ctx, set)
	if err != nil {
		return err
	}
	o := &overseer{app: s.app, verb: "agent", author: "agent", host: host,
		first: func(ctx context.Context, e *enforcer.Enforcer) error { return s.first(ctx, e, set, host) }}
	if !s.store {
		return o.run(ctx)
	}
	return s.with(ctx, func(open *session) error {
		w, err := open.writer(ctx, false)
		if err != nil {
			return err
		}
		o.violations = w
		if s.cfg.Agent.Flows {
			o.records = w
		}
		return errors.Join(o.run(ctx), w.Close())
	})
}

// first puts the policy file in force unless it is what is in force.
func (s *standalone) first(ctx context.Context, e *enforcer.Enforcer, set *policy.Set, host nft.Host) error {
	if c := e.Status().Confirmed; c != nil && c.Hash == set.Hash() {
		return nil
	}
	v, err := e.Apply(ctx, enforcer.Request{Set: set, Host: host, Author: author(), Reason: "policy file " + s.policy, Aftercare: s.care})
	if err != nil {
		return err
	}
	if !v.Deadline.IsZero() && s.confirm {
		if err := e.Confirm(ctx); err != nil {
			return err
		}
	}
	s.say("version %d is in force", v.Number)
	return nil
}

// lineSink writes violations as JSON lines, and hands them on. Safe for concurrent
// use.
type lineSink struct {
	mu   sync.Mutex
	w    io.Writer
	also watch.Sink
}

// Violations implements watch.Sink.
func (l *lineSink) Violations(list []policy.Violation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	enc := json.NewEncoder(l.w)
	for i := range list {
		if err := enc.Encode(violationLine(&list[i])); err != nil {
			return err
		}
	}
	if l.also == nil {
		return nil
	}
	return l.also.Violations(list)
}

// violationJSON is a violation for scripts.
type violationJSON struct {
	Time       string `json:"time"`
	Outcome    string `json:"outcome"`
	Client     string `json:"client"`
	Server     string `json:"server"`
	Service    string `json:"service"`
	Direction  string `json:"direction"`
	Policy     string `json:"policy"`
	Rule       string `json:"rule,omitempty"`
	Hash       string `json:"hash"`
	Host       string `json:"host,omitempty"`
	Process    string `json:"process,omitempty"`
	Suppressed uint64 `json:"suppressed,omitempty"`
}

func violationLine(v *policy.Violation) violationJSON {
	direction := "outbound"
	if v.Inbound {
		direction = "inbound"
	}
	at, _ := v.Time.MarshalText() // a Time always marshals
	return violationJSON{string(at), v.Outcome.String(), v.Client.Addr.String(), v.Server.Addr.String(), v.Service.String(),
		direction, v.Policy, v.Rule, v.Hash, v.Host, v.Process, v.Suppressed}
}
