package authority

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/topology"
)

// Ticket is a join token as the register knows it: everything but the secret.
type Ticket struct {
	ID      string          `json:"id"`   // hex
	Hash    string          `json:"hash"` // of the secret
	Role    fleet.Role      `json:"role"`
	Host    string          `json:"host,omitempty"`   // the only host it is for; "" for any
	Labels  topology.Labels `json:"labels,omitempty"` // the host will have
	Author  string          `json:"author,omitempty"`
	Created time.Time       `json:"created"`
	Expires time.Time       `json:"expires"`
	Used    time.Time       `json:"used,omitzero"`
	UsedBy  string          `json:"usedBy,omitempty"`
	UsedKey string          `json:"usedKey,omitempty"` // who lost the answer may ask again with the same key
}

// register is the content of the file.
type register struct {
	Tickets []Ticket          `json:"tickets"`
	Hosts   []fleet.Enrolment `json:"hosts"` // by name
}

func (r *register) host(name string) *fleet.Enrolment {
	i, ok := slices.BinarySearchFunc(r.Hosts, name, func(e fleet.Enrolment, n string) int { return cmp.Compare(e.Name, n) })
	if !ok {
		return nil
	}
	return &r.Hosts[i]
}

// book is the register on disk. It is safe for concurrent use, by processes too.
type book struct {
	dir string

	mu   sync.Mutex
	info fs.FileInfo // of the file that was read; nil for none
	reg  *register
}

func (b *book) path() string { return filepath.Join(b.dir, "register.json") }

// read returns the register as it is now. Callers must not change it.
func (b *book) read() (*register, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current()
}

// current reads the file if it is another than the one read last. b.mu is held.
func (b *book) current() (*register, error) {
	info, err := os.Stat(b.path())
	if errors.Is(err, fs.ErrNotExist) {
		return &register{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	if b.reg != nil && os.SameFile(info, b.info) && info.ModTime().Equal(b.info.ModTime()) && info.Size() == b.info.Size() {
		return b.reg, nil
	}
	text, err := os.ReadFile(b.path())
	if err != nil {
		return nil, fmt.Errorf("register: %w", err)
	}
	reg := &register{}
	if err := json.Unmarshal(text, reg); err != nil {
		return nil, fmt.Errorf("register: %s: %w", b.path(), err)
	}
	b.reg, b.info = reg, info
	return reg, nil
}

// change works on a copy of the register and keeps it if f succeeds. Only one
// process at a time does.
func (b *book) change(f func(*register) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	unlock, err := lock(filepath.Join(b.dir, "lock"))
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	defer unlock()
	now, err := b.current()
	if err != nil {
		return err
	}
	next := &register{Tickets: slices.Clone(now.Tickets), Hosts: slices.Clone(now.Hosts)}
	if err := f(next); err != nil {
		return err
	}
	slices.SortFunc(next.Hosts, func(a, b fleet.Enrolment) int { return cmp.Compare(a.Name, b.Name) })
	text, err := json.MarshalIndent(next, "", "  ")
	if err != nil {
		return fmt.Errorf("register: %w", err)
	}
	return replace(b.path(), append(text, '\n'))
}
