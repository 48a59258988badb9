package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/internal/durable"
)

type netipAddr = netip.Addr

// host is what is known of an enrolled host. Server.mu guards it.
type host struct {
	fleet.Sight
	content *Content      // of bundle Wanted; nil until the source was asked
	newer   chan struct{} // closed when Wanted grows
}

// host returns the entry of a name. s.mu is held.
func (s *Server) host(name string) *host {
	h := s.hosts[name]
	if h == nil {
		h = &host{newer: make(chan struct{})}
		s.hosts[name] = h
	}
	return h
}

// refreshUntil asks the source again and again, and keeps what is known on disk.
func (s *Server) refreshUntil(ctx context.Context) error {
	tick := time.NewTicker(s.opts.Refresh)
	defer tick.Stop()
	for {
		if err := s.refresh(ctx); err != nil && ctx.Err() == nil {
			s.opts.Log.Warn("controller: what hosts shall enforce is not known", "error", err)
		}
		if err := s.save(); err != nil {
			s.opts.Log.Warn("controller: what is known of hosts is not kept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.nudge:
		}
	}
}

// refresh brings every enrolled host's wanted bundle up to date.
func (s *Server) refresh(ctx context.Context) error {
	enrolled, err := s.opts.Authority.Hosts()
	if err != nil {
		return err
	}
	contents, err := s.opts.Source.Contents(ctx, s.members(enrolled), s.ends())
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]bool{}
	for i := range enrolled {
		known[enrolled[i].Name] = true
	}
	for name := range s.hosts {
		if !known[name] {
			delete(s.hosts, name)
			s.dirty = true
		}
	}
	waiting := s.roll(enrolled, contents)
	for i := range enrolled {
		e := &enrolled[i]
		h := s.host(e.Name)
		if c := contents[e.Name]; c != nil && !waiting[e.Name] {
			s.want(h, c)
		}
	}
	return nil
}

// members are the enrolled hosts with the addresses they last reported.
func (s *Server) members(enrolled []fleet.Enrolment) []Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Host, len(enrolled))
	for i, e := range enrolled {
		out[i] = Host{Enrolment: e}
		if h := s.hosts[e.Name]; h != nil {
			out[i].see(&h.Sight)
		}
	}
	return out
}

// see takes from what a host said what others may rely on.
func (h *Host) see(s *fleet.Sight) {
	h.Addrs, h.Enforces = s.Beat.Addrs, s.Beat.Serial != 0 && !s.Beat.Released
	if from, err := netip.ParseAddr(s.From); err == nil && slices.Contains(s.Beat.Addrs, from.Unmap()) {
		h.From = from.Unmap()
	}
}

// Known joins enrolments with what was last kept of the hosts.
func Known(enrolled []fleet.Enrolment, sights map[string]fleet.Sight) []Host {
	out := make([]Host, len(enrolled))
	for i, e := range enrolled {
		out[i] = Host{Enrolment: e}
		if s, ok := sights[e.Name]; ok {
			out[i].see(&s)
		}
	}
	return out
}

// want makes a content the one the host shall have. s.mu is held.
func (s *Server) want(h *host, c *Content) {
	if c.Err != nil {
		if h.Error != c.Err.Error() {
			h.Error, s.dirty = c.Err.Error(), true
		}
		return // what it has stays what it shall have
	}
	if h.Error != "" {
		h.Error, s.dirty = "", true
	}
	if h.Digest == c.Digest && h.Wanted > 0 && h.Wanted >= h.Beat.Seen {
		h.content = c
		return
	}
	h.Wanted = max(h.Wanted, h.Beat.Seen) + 1
	h.content, h.Digest, h.Hash, h.Workload = c, c.Digest, c.Hash, c.Workloads
	s.dirty = true
	close(h.newer)
	h.newer = make(chan struct{})
}

// Status is a host for people.
type Status struct {
	fleet.Enrolment
	fleet.Sight
	State   fleet.State
	Problem string
}

// Hosts lists all enrolled hosts, by name.
func (s *Server) Hosts() ([]Status, error) {
	enrolled, err := s.opts.Authority.Hosts()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sights := map[string]fleet.Sight{}
	for name, h := range s.hosts {
		sights[name] = h.Sight
	}
	return Statuses(enrolled, sights, s.opts.Now()), nil
}

// Statuses joins enrolments with what was last known of the hosts.
func Statuses(enrolled []fleet.Enrolment, sights map[string]fleet.Sight, now time.Time) []Status {
	out := make([]Status, 0, len(enrolled))
	for _, e := range enrolled {
		sight := sights[e.Name]
		out = append(out, Status{Enrolment: e, Sight: sight, State: fleet.StateOf(&sight, now), Problem: fleet.Problem(&sight, now)})
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func sightsFile(dir string) string { return filepath.Join(dir, "hosts.json") }

// Sights reads what a controller last kept of its hosts: for commands that run
// beside it.
func Sights(dir string) (map[string]fleet.Sight, error) {
	text, err := os.ReadFile(sightsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]fleet.Sight{}, nil
	}
	if err != nil {
		return nil, err
	}
	var out map[string]fleet.Sight
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("%s: %w", sightsFile(dir), err)
	}
	return out, nil
}

// standing is what a controller keeps besides its hosts.
type standing struct {
	Rollout Rollout
	Lines   []netip.AddrPort
}

func (s *Server) standingFile() string { return filepath.Join(s.opts.Dir, "standing.json") }

func (s *Server) load() error {
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return err
	}
	if text, err := os.ReadFile(s.standingFile()); err == nil {
		var kept standing
		if err := json.Unmarshal(text, &kept); err != nil {
			return fmt.Errorf("%s: %w", s.standingFile(), err)
		}
		s.rollout, s.lines = kept.Rollout, kept.Lines
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sights, err := Sights(s.opts.Dir)
	if err != nil {
		return err
	}
	for name, sight := range sights {
		s.host(name).Sight = sight
	}
	return nil
}

// save keeps what is known, if it has changed.
func (s *Server) save() error {
	s.mu.Lock()
	if !s.dirty {
		s.mu.Unlock()
		return nil
	}
	s.dirty = false
	sights := map[string]fleet.Sight{}
	for _, name := range slices.Sorted(maps.Keys(s.hosts)) {
		sights[name] = s.hosts[name].Sight
	}
	kept := standing{s.rollout, s.lines}
	s.mu.Unlock()
	text, err := json.Marshal(sights)
	if err == nil {
		err = durable.Replace(sightsFile(s.opts.Dir), text)
	}
	if err == nil {
		if text, err = json.Marshal(kept); err == nil {
			err = durable.Replace(s.standingFile(), text)
		}
	}
	if err != nil {
		s.mu.Lock()
		s.dirty = true
		s.mu.Unlock()
	}
	return err
}
