package authority

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/topology"
)

// Grant is what a token shall allow.
type Grant struct {
	Role   fleet.Role      // "" for fleet.Agent
	Host   string          // the only host it is for; "" for any
	Labels topology.Labels // the host will have, beside what the inventory says
	Life   time.Duration   // 0 for an hour
	Author string
}

// defaultTokenLife is long enough to install a machine and short enough to be
// forgotten in a script.
const defaultTokenLife = time.Hour

// keepTickets is how long used and expired tokens stay in the register, for whoever
// asks what became of one.
const keepTickets = 7 * 24 * time.Hour

// CreateToken makes a token for one host. The secret is in the token alone.
func (a *Authority) CreateToken(g Grant) (fleet.Token, *Ticket, error) {
	if g.Host != "" {
		if err := fleet.CheckName(g.Host); err != nil {
			return fleet.Token{}, nil, err
		}
	}
	if g.Life == 0 {
		g.Life = defaultTokenLife
	}
	if g.Role == "" {
		g.Role = fleet.Agent
	}
	t := fleet.Token{CA: a.Fingerprint()}
	for _, b := range [][]byte{t.ID[:], t.Secret[:]} {
		if _, err := rand.Read(b); err != nil {
			return fleet.Token{}, nil, fmt.Errorf("create token: %w", err)
		}
	}
	now := a.opts.Now()
	ticket := Ticket{ID: hex.EncodeToString(t.ID[:]), Hash: t.Hash(), Role: g.Role, Host: g.Host, Labels: g.Labels,
		Author: g.Author, Created: now, Expires: now.Add(g.Life)}
	err := a.book.change(func(r *register) error {
		r.Tickets = slices.DeleteFunc(r.Tickets, func(t Ticket) bool { return now.Sub(t.Expires) > keepTickets })
		r.Tickets = append(r.Tickets, ticket)
		return nil
	})
	return t, &ticket, err
}

// Reasons for which a token is refused. A host is told no more than that it was;
// the controller's log says which.
var (
	ErrUnknownToken = errors.New("no such join token")
	ErrUsedToken    = errors.New("the join token was used")
	ErrLateToken    = errors.New("the join token has expired")
	ErrOtherHost    = errors.New("the join token is for another host")
)

// Join enrols a host. Of several that bring the same token one is enrolled; only
// that one, with the same key, may ask again. A host that is enrolled already is
// enrolled anew, which revokes what it had.
func (a *Authority) Join(req fleet.JoinRequest) (*fleet.Credentials, error) {
	token, err := fleet.ParseToken(req.Token)
	if err != nil {
		return nil, err
	}
	if err := fleet.CheckName(req.Name); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	key, id, err := requested(req.Request)
	if err != nil {
		return nil, err
	}
	var e fleet.Enrolment
	err = a.book.change(func(r *register) error {
		t, err := a.redeem(r, token, req.Name, id)
		if err != nil {
			return err
		}
		e = fleet.Enrolment{Name: req.Name, Role: t.Role, Key: id, Labels: t.Labels, Joined: t.Used, Token: t.ID}
		r.Hosts = slices.DeleteFunc(r.Hosts, func(h fleet.Enrolment) bool { return h.Name == req.Name })
		r.Hosts = append(r.Hosts, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("join %s: %w", req.Name, err)
	}
	return a.credentials(&e, key)
}

// redeem marks the token used.
func (a *Authority) redeem(r *register, token fleet.Token, name, key string) (*Ticket, error) {
	id, now := hex.EncodeToString(token.ID[:]), a.opts.Now()
	i := slices.IndexFunc(r.Tickets, func(t Ticket) bool { return t.ID == id })
	if i < 0 || subtle.ConstantTimeCompare([]byte(r.Tickets[i].Hash), []byte(token.Hash())) != 1 {
		return nil, ErrUnknownToken
	}
	t := &r.Tickets[i]
	switch {
	case !now.Before(t.Expires):
		return nil, ErrLateToken
	case t.Host != "" && t.Host != name:
		return nil, fmt.Errorf("%w: %s", ErrOtherHost, t.Host)
	case !t.Used.IsZero() && (t.UsedKey != key || t.UsedBy != name || r.host(name) == nil):
		return nil, fmt.Errorf("%w by %s", ErrUsedToken, t.UsedBy)
	}
	if t.Used.IsZero() {
		t.Used, t.UsedBy, t.UsedKey = now, name, key
	}
	return t, nil
}

// Tickets lists the tokens there are, used and expired ones of the last week too,
// oldest first.
func (a *Authority) Tickets() ([]Ticket, error) {
	r, err := a.book.read()
	if err != nil {
		return nil, err
	}
	return slices.Clone(r.Tickets), nil
}

// RemoveToken takes a token back, by its id.
func (a *Authority) RemoveToken(id string) error {
	return a.book.change(func(r *register) error {
		n := len(r.Tickets)
		r.Tickets = slices.DeleteFunc(r.Tickets, func(t Ticket) bool { return t.ID == id })
		if len(r.Tickets) == n {
			return fmt.Errorf("join token %s: %w", id, ErrUnknownToken)
		}
		return nil
	})
}
