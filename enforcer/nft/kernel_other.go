//go:build !linux

package nft

import (
	"context"
	"errors"
	"time"
)

// Kernel is a connection to the nf_tables of one network namespace.
type Kernel struct{}

// Applied says what an Apply did.
type Applied struct {
	Changes  Changes
	Elements int
	Took     time.Duration
	Attempts int
}

// Open fails: nf_tables is part of Linux.
func Open(int) (*Kernel, error) { return nil, errors.ErrUnsupported }

// OpenOwner fails, as Open does.
func OpenOwner(int) (*Kernel, error) { return nil, errors.ErrUnsupported }

// Ownership is whose the table is.
type Ownership struct {
	Exists, Owned, Persist bool
	Port                   uint32
}

// Owner fails, as Open does.
func (k *Kernel) Owner() (Ownership, error) { return Ownership{}, errors.ErrUnsupported }

func (k *Kernel) Close() error { return errors.ErrUnsupported }
func (k *Kernel) Read() (Ruleset, uint32, bool, error) {
	return Ruleset{}, 0, false, errors.ErrUnsupported
}
func (k *Kernel) Apply(context.Context, Ruleset) (Applied, error) {
	return Applied{}, errors.ErrUnsupported
}
func (k *Kernel) Remove(context.Context) error    { return errors.ErrUnsupported }
func (k *Kernel) Drift(*Ruleset) (Changes, error) { return Changes{}, errors.ErrUnsupported }
func (k *Kernel) Generation() (uint32, error)     { return 0, errors.ErrUnsupported }

// Obstacle is a foreign base chain that can drop; there are none here.
type Obstacle struct{}

func (Obstacle) String() string { return "" }

// Obstacles fails, as Open does.
func (k *Kernel) Obstacles() ([]Obstacle, error) { return nil, errors.ErrUnsupported }

// CgroupRoot fails: control groups are part of Linux.
func CgroupRoot() (string, error) { return "", errors.ErrUnsupported }

// FindCgroups fails, as CgroupRoot does.
func FindCgroups(string, []string) (map[string]Cgroup, error) { return nil, errors.ErrUnsupported }
