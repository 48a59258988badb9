package enforcer

import (
	"fmt"
	"time"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Version is one thing an enforcement point was told to enforce: the policies and
// the host they are compiled for. Versions are numbered from 1 and never reused.
type Version struct {
	Number int       `json:"number"`
	Hash   string    `json:"hash"` // of the policy set
	Time   time.Time `json:"time"` // when it was applied
	Author string    `json:"author,omitempty"`
	Reason string    `json:"reason,omitempty"`
	// Established says what becomes of connections the change forbids.
	Established Established `json:"established"`
	// CutConnections is how many were cut when it was applied.
	CutConnections int `json:"cutConnections,omitempty"`
	// Confirmed is when it was; zero before.
	Confirmed time.Time `json:"confirmed,omitzero"`
	// Replaces is the version that was confirmed when this one was applied; 0 for
	// none. Going back goes there.
	Replaces int `json:"replaces,omitempty"`
	// Change is the id of the recorded change it is a step of; "" for none.
	Change string `json:"change,omitempty"`
	// WatchOf is the version whose watch goes on over this one; 0 for its own.
	WatchOf int `json:"watchOf,omitempty"`
	// Deadline is when the kernel falls back to monitor unless the version is
	// confirmed; zero once it is.
	Deadline time.Time `json:"deadline,omitzero"`
	Policy   string    `json:"policy"` // documents, canonical
	Host     nft.Host  `json:"host"`
}

// Established is what a change does to connections it forbids.
type Established string

const (
	Keep Established = "keep" // let them end by themselves
	Cut  Established = "cut"  // end them now
)

// set parses the version's documents.
func (v *Version) set() (*policy.Set, error) {
	set, err := policy.Parse([]byte(v.Policy), fmt.Sprintf("version %d", v.Number))
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", v.Number, err)
	}
	return set, nil
}

// compile gives the version's ruleset; gated policies drop only for that long.
func (v *Version) compile(gated map[string]time.Duration) (nft.Ruleset, error) {
	set, err := v.set()
	if err != nil {
		return nft.Ruleset{}, err
	}
	h := v.Host
	h.Unconfirmed = gated
	r, err := nft.Compile(set, h)
	if err != nil {
		return r, fmt.Errorf("version %d: %w", v.Number, err)
	}
	return r, nil
}

// newlyEnforced lists the policies that new enforces and old did not, or not in
// the same words: those whose drops must prove themselves.
func newlyEnforced(old, new *policy.Set) (names []string) {
	before := map[string]string{}
	if old != nil {
		for i := range old.Policies {
			before[old.Policies[i].Name] = aloneHash(old, i)
		}
	}
	for i := range new.Policies {
		p := &new.Policies[i]
		if p.Stage == policy.Enforce && before[p.Name] != aloneHash(new, i) {
			names = append(names, p.Name)
		}
	}
	return names
}

// aloneHash is the hash of one policy with what all policies share.
func aloneHash(s *policy.Set, i int) string {
	alone := *s
	alone.Policies = s.Policies[i : i+1]
	return alone.Hash()
}
