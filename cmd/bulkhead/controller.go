package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/bulkhead/bulkhead/fleet/authority"
	"github.com/bulkhead/bulkhead/fleet/controller"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
)

// fleetDir holds the keys, the register and what is known of hosts.
func (a *app) fleetDir(parts ...string) string {
	return filepath.Join(append([]string{a.cfg.DataDir, "fleet"}, parts...)...)
}

// authority opens the keys and the register of this data folder.
func (a *app) authority() (*authority.Authority, error) {
	c := a.cfg.Controller
	return authority.Open(authority.Options{Dir: a.fleetDir("authority"), Life: c.CertificateLife, Grace: c.RenewGrace})
}

// newController opens the controller that the configuration names; nil for none.
func newController(b *backend) (*controller.Server, error) {
	a := b.s.app
	if a.cfg.Controller.Listen == "" {
		return nil, nil
	}
	auth, err := a.authority()
	if err != nil {
		return nil, err
	}
	sink := &fleetSink{s: b.s}
	c, err := controller.Listen(controller.Options{
		Listen: a.cfg.Controller.Listen, Dir: a.fleetDir("controller"), Authority: auth,
		Source: &fleetSource{b: b, auth: auth}, Sink: sink, Log: a.log,
		Canary: a.cfg.Controller.Canary, Soak: a.cfg.Controller.Soak,
	})
	if err != nil {
		return nil, fmt.Errorf("%w; name another address in controller.listen", err)
	}
	a.say("controller: hosts connect to %s", c.Addr())
	return c, nil
}

// fleetSink stores what hosts report, stamped with who held the addresses then.
type fleetSink struct{ s *session }

// Store implements controller.Sink.
func (f *fleetSink) Store(ctx context.Context, token string, records []flow.Record, violations []policy.Violation) error {
	index, err := f.s.inventory(ctx)
	if err != nil {
		return err
	}
	for i := range records {
		index.Stamp(&records[i])
	}
	for i := range violations {
		v := &violations[i]
		v.Client.Workload = index.KeyAt(v.Client.Addr, v.Client.Scope, v.Time)
		v.Server.Workload = index.KeyAt(v.Server.Addr, v.Server.Scope, v.Time)
	}
	if err := f.s.store.InsertOnce(ctx, token, records, violations); err != nil {
		if store.Bad(err) {
			return fmt.Errorf("%w: %w", controller.ErrRefused, err)
		}
		return err
	}
	return nil
}
