package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/policy"
)

// refreshEvery is how often what only the host knows is looked at: a unit that was
// restarted has another control group, and until that is known its rules match
// nothing.
const refreshEvery = 5 * time.Second

// refresh applies the confirmed bundle again when what only the host knows has
// changed. Nothing is newly enforced by that, so it needs no confirmation.
func (k *Keeper) refresh(ctx context.Context) error {
	k.offering.Lock()
	defer k.offering.Unlock()
	st := k.opts.Enforcer.Status()
	k.mu.Lock()
	now := k.kept
	k.mu.Unlock()
	v := st.Confirmed
	if v == nil || st.Pending != nil || now.Pending != nil || v.Number != now.Version {
		return nil
	}
	set := &policy.Set{}
	if strings.Contains(v.Policy, "process:") {
		var err error
		if set, err = policy.Parse([]byte(v.Policy), fmt.Sprintf("version %d", v.Number)); err != nil {
			return err
		}
	}
	host := v.Host
	if err := k.opts.Local(set, &host); err != nil {
		return fmt.Errorf("look at this host: %w", err)
	}
	if maps.Equal(host.Cgroups, v.Host.Cgroups) && slices.Equal(host.Controllers, v.Host.Controllers) {
		return nil
	}
	set, err := policy.Parse([]byte(v.Policy), fmt.Sprintf("version %d", v.Number))
	if err != nil {
		return err
	}
	next, err := k.opts.Enforcer.Apply(ctx, enforcer.Request{Set: set, Host: host, Author: "agent",
		Reason: "control groups or the controller's addresses have changed"})
	if errors.Is(err, enforcer.ErrPending) {
		return nil
	}
	if err != nil {
		return err
	}
	if !next.Deadline.IsZero() { // never: the policies are the same
		return errors.New("a refresh waits to be confirmed")
	}
	now.Version = next.Number
	return k.keep(now)
}
