package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// enforcing is the verb `enforce`.
type enforcing struct {
	*app
	mode    string
	gateway bool
	self    []string
	dryRun  bool
	confirm bool
}

func enforceCmd(a *app) *cobra.Command {
	e := &enforcing{app: a}
	cmd := &cobra.Command{
		Use: "enforce POLICY", Short: "Put a policy into this kernel, in monitor or enforce, or show what would be put",
		Long: `Compiles the policy for this machine and puts it into nftables as the one table
"inet bulkhead"; no other table is touched. In monitor nothing is ever dropped:
what the policy forbids is logged. In enforce the drops stand behind a gate that
the kernel itself closes again unless the change is confirmed in time.

--dry-run prints the ruleset and what would change, and changes nothing.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&e.mode, "mode", "", "monitor or enforce, for every policy of the file; default: the stages in the file")
	cmd.Flags().BoolVar(&e.gateway, "gateway", false, "this machine forwards for the workloads behind it")
	cmd.Flags().StringSliceVar(&e.self, "workload", nil, "ids of the workloads that run here; default: those with this machine's addresses")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "print the ruleset and the difference, change nothing")
	cmd.Flags().BoolVar(&e.confirm, "confirm", false, "confirm the change at once, without the kernel's way back")
	return cmd
}

func (e *enforcing) run(ctx context.Context, file string) error {
	set, err := readPolicy(file)
	if err != nil {
		return err
	}
	if set, err = e.staged(set); err != nil {
		return err
	}
	var members []topology.Member
	err = e.with(ctx, func(s *session) error {
		m, _, err := s.estateMap(ctx)
		if err != nil {
			return err
		}
		members, err = s.members(ctx, m)
		return err
	})
	if err != nil {
		return err
	}
	host, err := e.host(members, set)
	if err != nil {
		return err
	}
	want, err := nft.Compile(set, host)
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", file, err)}
	}
	if e.dryRun {
		return e.show(want)
	}
	return e.apply(ctx, want, host)
}

func readPolicy(file string) (*policy.Set, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	set, err := policy.Parse(data, file)
	if err != nil {
		return nil, usageError{err}
	}
	return set, nil
}

// staged returns the set with every policy at the stage --mode names.
func (e *enforcing) staged(set *policy.Set) (*policy.Set, error) {
	if e.mode == "" {
		return set, nil
	}
	var stage policy.Stage
	if err := stage.UnmarshalText([]byte(e.mode)); err != nil || stage == policy.Draft {
		return nil, usagef("--mode %s: want monitor or enforce", e.mode)
	}
	return set.AtStage(stage), nil
}

// host says what runs here: the named workloads, or those that hold one of this
// machine's addresses. A machine that holds none is taken for a gateway.
func (e *enforcing) host(members []topology.Member, set *policy.Set) (nft.Host, error) {
	h := nft.Host{Mode: nft.ModeHost, Self: e.self, Networks: set.Networks, Workloads: hostWorkloads(members), Unconfirmed: map[string]time.Duration{}}
	h.Name, _ = os.Hostname()
	byAddr := map[netip.Addr]string{}
	for _, w := range h.Workloads {
		for _, a := range w.Addrs {
			byAddr[a] = w.ID
		}
	}
	if !e.confirm {
		for _, p := range set.Policies {
			if p.Stage == policy.Enforce {
				h.Unconfirmed[p.Name] = e.cfg.Enforcer.ConfirmWithin
			}
		}
	}
	if e.gateway {
		h.Mode = nft.ModeGateway
		return h, nil
	}
	if len(h.Self) > 0 {
		return h, nil
	}
	addrs, err := localAddrs()
	if err != nil {
		return h, err
	}
	for _, a := range addrs {
		if id := byAddr[a]; id != "" {
			h.Self = append(h.Self, id)
		}
	}
	if len(h.Self) == 0 {
		e.say("no workload of the map has an address of this machine: compiling for a gateway (name one with --workload)")
		h.Mode = nft.ModeGateway
	}
	return h, nil
}

// hostWorkloads are the workloads with the addresses they hold now and their
// effective labels.
func hostWorkloads(members []topology.Member) []nft.Workload {
	ws := make([]nft.Workload, len(members))
	for i, m := range members {
		ws[i] = nft.Workload{ID: m.ID, Labels: m.Labels, Addrs: m.Addrs}
	}
	return ws
}

func localAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("read this machine's addresses: %w", err)
	}
	var out []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok && !addr.IsLoopback() {
				out = append(out, addr.Unmap())
			}
		}
	}
	return out, nil
}

// show prints the ruleset and its difference from what the kernel holds.
func (e *enforcing) show(want nft.Ruleset) error {
	fmt.Fprint(e.out, want.String())
	for _, l := range want.Losses {
		fmt.Fprintf(e.out, "# not expressed: %s\n", l)
	}
	have, err := readKernel()
	if err != nil {
		fmt.Fprintf(e.err, "no comparison with the kernel: %v\n", err)
		return nil
	}
	changes := nft.Diff(have, want)
	if changes.Empty() {
		fmt.Fprintln(e.out, "# the kernel holds exactly this")
		return nil
	}
	fmt.Fprintf(e.out, "\n# what would change in the kernel:\n%s", changes)
	return nil
}

func readKernel() (have nft.Ruleset, err error) {
	k, err := nft.Open(0)
	if err != nil {
		return have, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	have, _, _, err = k.Read()
	return have, err
}

// apply puts the ruleset into the kernel and says what happens next.
func (e *enforcing) apply(ctx context.Context, want nft.Ruleset, h nft.Host) (err error) {
	k, err := nft.Open(0)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	done, err := k.Apply(ctx, want)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	e.say("applied and read back: %d elements in %s", done.Elements, done.Took.Round(time.Millisecond))
	if len(h.Unconfirmed) > 0 {
		e.say("not confirmed: the kernel falls back to monitor in %s unless you run the same command with --confirm", e.cfg.Enforcer.ConfirmWithin)
	}
	return nil
}
