package enforcer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
)

// Track has the kernel follow connections where no policy is in force, by a
// ruleset that judges nothing: Linux tracks only while some ruleset asks for it.
// The function returned takes that ruleset away, unless a policy has taken its place
// meanwhile.
func Track(ctx context.Context, k *nft.Kernel) (end func(context.Context) error, err error) {
	_, _, found, err := k.Read()
	if err != nil {
		return nil, fmt.Errorf("track connections: %w", err)
	}
	if found {
		return func(context.Context) error { return nil }, nil
	}
	nothing, err := nft.Compile(&policy.Set{}, nft.Host{Mode: nft.ModeHost})
	if err != nil {
		return nil, fmt.Errorf("track connections: %w", err)
	}
	if _, err := k.Apply(ctx, nothing); err != nil {
		return nil, fmt.Errorf("track connections: %w", err)
	}
	return func(ctx context.Context) error {
		if _, _, found, err := k.Read(); err != nil || !found {
			return err
		}
		drift, err := k.Drift(&nothing)
		if err != nil || !drift.Empty() {
			return err
		}
		return k.Remove(ctx)
	}, nil
}

// accounting are the settings that have connection tracking count packets and
// bytes, and stamp times (nf_conntrack-sysctl.rst); of the namespace one is in.
var accounting = []string{"/proc/sys/net/netfilter/nf_conntrack_acct", "/proc/sys/net/netfilter/nf_conntrack_timestamp"}

// CountTraffic turns accounting on and returns what puts the settings back as
// they were. Connections that exist already stay uncounted.
func CountTraffic() (restore func() error, err error) {
	before := map[string][]byte{}
	restore = func() error {
		var errs []error
		for name, value := range before {
			errs = append(errs, os.WriteFile(name, value, 0))
		}
		return errors.Join(errs...)
	}
	for _, name := range accounting {
		value, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a kernel built without it
		}
		if err == nil && string(value) != "1\n" {
			before[name] = value
			err = os.WriteFile(name, []byte("1\n"), 0)
		}
		if err != nil {
			return restore, errors.Join(fmt.Errorf("count traffic: %w", err), restore())
		}
	}
	return restore, nil
}
