package fleet

import (
	"fmt"
	"time"
)

// State is how a host stands to what it shall enforce.
type State string

const (
	Joined     State = "joined"      // enrolled, never heard of since
	InSync     State = "in sync"     // what is wanted is confirmed
	Pending    State = "pending"     // applied, waits to be confirmed
	Behind     State = "behind"      // newer is on its way
	Refused    State = "refused"     // the host does not take what is wanted
	RolledBack State = "rolled back" // it was in force and was taken back
	Silent     State = "silent"      // no heartbeat; what it last confirmed holds
	Released   State = "released"    // enforces nothing: somebody took the table away
)

// Heartbeats are sent this often, and a host not heard of for SilentAfter is
// silent. Nothing follows from that for what it enforces.
const (
	HeartbeatEvery = 10 * time.Second
	SilentAfter    = 3 * time.Minute
)

// Sight is what a controller knows of a host besides its enrolment.
type Sight struct {
	Beat     Heartbeat     `json:"beat"`
	At       time.Time     `json:"at"`              // by the controller's clock; zero when never
	From     string        `json:"from,omitempty"`  // address it speaks from
	Skew     time.Duration `json:"skew"`            // how far its clock is ahead of the controller's
	Wanted   uint64        `json:"wanted"`          // serial of the newest bundle for it
	Hash     string        `json:"hash"`            // of its policies
	Digest   string        `json:"digest"`          // of all that is in it
	Workload []string      `json:"workload"`        // that it enforces for; empty for a gateway
	Error    string        `json:"error,omitempty"` // why no bundle can be made for it
}

// StateOf says how a host stands at a time.
func StateOf(s *Sight, now time.Time) State {
	b := &s.Beat
	switch {
	case s.At.IsZero():
		return Joined
	case now.Sub(s.At) > SilentAfter:
		return Silent
	case b.Released:
		return Released
	case b.Refusal != nil && b.Serial != s.Wanted && b.Pending != s.Wanted && (b.Refusal.Serial == 0 || b.Refusal.Serial >= s.Wanted):
		if b.Refusal.RolledBack {
			return RolledBack
		}
		return Refused
	case b.Pending != 0 && b.Pending >= s.Wanted:
		return Pending
	case b.Serial < s.Wanted:
		return Behind
	}
	return InSync
}

// maxSkew is how wrong a host's clock may be before that is its problem to name:
// bundles from further in the future than this are refused.
const maxSkew = 5 * time.Minute

// Problem says in words what is wrong with a host, "" when nothing is.
func Problem(s *Sight, now time.Time) string {
	b := &s.Beat
	switch state := StateOf(s, now); {
	case s.Error != "":
		return s.Error
	case state == Silent:
		return fmt.Sprintf("not heard of since %s; it keeps what it last confirmed", s.At.UTC().Format(time.DateTime))
	case state == Refused || state == RolledBack:
		return b.Refusal.Why
	case state == Released:
		return "its table was taken away by hand (bulkhead enforce --release)"
	case s.Skew.Abs() > maxSkew && !s.At.IsZero():
		return fmt.Sprintf("its clock is %s %s", s.Skew.Abs().Round(time.Second), ahead(s.Skew))
	case b.Flapping:
		return "somebody keeps changing its table; repairs pause"
	case b.Problem != "":
		return b.Problem
	case len(b.Obstacles) > 0:
		return "what is allowed may be dropped by another table: " + b.Obstacles[0]
	case len(b.Losses) > 0:
		return "not expressed: " + b.Losses[0]
	}
	return ""
}

func ahead(d time.Duration) string {
	if d > 0 {
		return "ahead"
	}
	return "behind"
}
