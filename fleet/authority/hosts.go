package authority

import (
	"errors"
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/fleet"
)

// ErrNoHost: no host of that name is enrolled.
var ErrNoHost = errors.New("no such host is enrolled")

// Hosts lists who is enrolled, by name.
func (a *Authority) Hosts() ([]fleet.Enrolment, error) {
	r, err := a.book.read()
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.Hosts), nil
}

// Host returns an enrolment, nil when there is none of that name.
func (a *Authority) Host(name string) (*fleet.Enrolment, error) {
	r, err := a.book.read()
	if err != nil {
		return nil, err
	}
	e := r.host(name)
	if e == nil {
		return nil, nil
	}
	c := *e
	return &c, nil
}

// Remove takes a host out: its certificate no longer speaks for it. What it
// enforces stays in force there until it is released.
func (a *Authority) Remove(name string) error {
	return a.book.change(func(r *register) error {
		if r.host(name) == nil {
			return fmt.Errorf("%s: %w", name, ErrNoHost)
		}
		r.Hosts = slices.DeleteFunc(r.Hosts, func(h fleet.Enrolment) bool { return h.Name == name })
		return nil
	})
}

// Confirm records that an operator confirms a bundle of a host.
func (a *Authority) Confirm(name string, serial uint64) error {
	return a.amend(name, func(e *fleet.Enrolment) { e.Confirm = max(e.Confirm, serial) })
}

// Again records that a host shall try once more what it took back.
func (a *Authority) Again(name string) error {
	return a.amend(name, func(e *fleet.Enrolment) { e.Again++ })
}

func (a *Authority) amend(name string, f func(*fleet.Enrolment)) error {
	return a.book.change(func(r *register) error {
		e := r.host(name)
		if e == nil {
			return fmt.Errorf("%s: %w", name, ErrNoHost)
		}
		f(e)
		return nil
	})
}
