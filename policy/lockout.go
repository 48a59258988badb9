package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// ErrLockout marks a set that would cut off whoever puts it in force.
var ErrLockout = errors.New("it would lock you out")

// Session is a line somebody works over at this moment: SSH to a machine, the
// dashboard, the agent's line to its controller.
type Session struct {
	What           string // in words: "your SSH session from 192.0.2.7"
	Client, Server Party
	Service        flow.Service
	Process        string // the serving unit, "" when not known
}

// CheckLockout reports what putting set in force would take from the people who
// have to mend it: a session it blocks by an enforced policy, or a break-glass
// network of what is in force now that it leaves out. now may be nil. The error
// wraps ErrLockout and names what to change. Policies in monitor block nothing and
// lock nobody out; nor does a set without enforced policies, whatever it leaves out.
func CheckLockout(now, set *Set, sessions []Session) error {
	if !slices.ContainsFunc(set.Policies, func(p Policy) bool { return p.Stage == Enforce }) {
		return nil
	}
	for i := range sessions {
		s := &sessions[i]
		v := Evaluate(set, Facts{Client: s.Client, Server: s.Server, Service: s.Service, Process: s.Process})
		if v.Outcome == Blocked {
			return fmt.Errorf("%w: %s (%s) would be blocked: %s; allow it, or add its network to the break-glass networks", ErrLockout, s.What, s.Service, v.Why)
		}
	}
	if now == nil {
		return nil
	}
	var lost []string
	for _, p := range now.BreakGlass {
		if !slices.ContainsFunc(set.BreakGlass, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
			lost = append(lost, p.String())
		}
	}
	if len(lost) > 0 {
		return fmt.Errorf("%w: break-glass networks would be gone: %s", ErrLockout, strings.Join(lost, ", "))
	}
	return nil
}
