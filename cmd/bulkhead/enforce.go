package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// enforcing is the verb `enforce`.
type enforcing struct {
	*app
	hostFlags
	mode        string
	established string
	reason      string
	dryRun      bool
	confirm     bool
	watch       bool
	force       bool
	release     bool
	status      bool

	change string // id of the recorded change this is a step of
}

func enforceCmd(a *app) *cobra.Command {
	e := &enforcing{app: a, hostFlags: hostFlags{app: a}}
	cmd := &cobra.Command{
		Use: "enforce [POLICY]", Short: "Put a policy into this kernel, in monitor or enforce, or show what would be put",
		Long: `Compiles the policy for this machine and puts it into nftables as the one table
"inet bulkhead"; no other table is touched. In monitor nothing is ever dropped:
what the policy forbids is logged. In enforce the drops stand behind a gate that
the kernel itself closes again unless "bulkhead confirm" comes in time.

What the change will block is forecast from the recorded traffic. For two days after
it is confirmed (enforcer.watch) an agent, or --watch, compares what is blocked with
that forecast, and takes the change back when it does more harm than is borne
(enforcer.bear).

--watch stays: it prints violations as they come, records them and this machine's
connections, rolls back what must be, and repairs the table, until stopped.
--dry-run prints the ruleset and what would change, and changes nothing.
--status says what is in force, --release leaves the machine as it was found.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case e.release, e.status:
				return e.withEnforcer(func(f *enforcer.Enforcer) error { return e.manage(cmd.Context(), f) })
			case len(args) == 0:
				return usagef("enforce: name a policy file, or --status or --release")
			}
			return e.run(cmd.Context(), args[0])
		},
	}
	e.hostFlags.flags(cmd)
	cmd.Flags().StringVar(&e.mode, "mode", "", "monitor or enforce, for every policy of the file; default: the stages in the file")
	cmd.Flags().StringVar(&e.established, "established", "keep", "keep or cut connections that exist and that the change forbids")
	cmd.Flags().StringVar(&e.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVar(&e.dryRun, "dry-run", false, "print the ruleset and the difference, change nothing")
	cmd.Flags().BoolVar(&e.confirm, "confirm", false, "confirm the change at once, without the kernel's way back")
	cmd.Flags().BoolVar(&e.force, "force", false, "put it in force although it cuts this session off")
	cmd.Flags().BoolVar(&e.watch, "watch", false, "stay and watch until stopped")
	cmd.Flags().BoolVar(&e.release, "release", false, "remove the table and forget what was in force")
	cmd.Flags().BoolVar(&e.status, "status", false, "what is in force, and every step so far")
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
	if e.established != string(enforcer.Keep) && e.established != string(enforcer.Cut) {
		return usagef("--established %s: want keep or cut", e.established)
	}
	host, err := e.host(ctx, set)
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
	care, err := e.aftercare(ctx, set)
	if err != nil {
		return err
	}
	if e.watch {
		return e.stay(ctx, set, host, care)
	}
	return e.withEnforcer(func(f *enforcer.Enforcer) error { return e.apply(ctx, f, set, host, care) })
}

// readPolicy reads a policy file. An empty file is refused: it is what a command that
// failed leaves behind, and enforcing it would lift every rule.
func readPolicy(file string) (*policy.Set, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usageError{err}
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, usagef("%s: is empty", file)
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

// hostWorkloads are the workloads with the addresses they hold now and their
// effective labels.
func hostWorkloads(members []topology.Member) []nft.Workload {
	ws := make([]nft.Workload, len(members))
	for i, m := range members {
		ws[i] = nft.Workload{ID: m.ID, Labels: m.Labels, Addrs: m.Addrs, Scope: m.Scope, Backends: m.Backends}
	}
	return ws
}

// apply puts the set in force and says what happens next.
func (e *enforcing) apply(ctx context.Context, f *enforcer.Enforcer, set *policy.Set, host nft.Host, care *enforcer.Aftercare) error {
	if !e.force {
		if err := refuseLockout(confirmedSet(f), set, host); err != nil {
			return err
		}
	}
	v, err := f.Apply(ctx, enforcer.Request{Set: set, Host: host, Author: author(), Reason: e.reason,
		Established: enforcer.Established(e.established), Change: e.change, Aftercare: care})
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	e.say("version %d is in the kernel, read back and equal", v.Number)
	if e.json {
		if err := e.printJSON(appliedJSON{v.Number, v.Hash, v.Deadline, v.CutConnections}); err != nil {
			return err
		}
	}
	if v.Established == enforcer.Cut {
		e.say("%s cut", count(v.CutConnections, "established connection was", "established connections were"))
	}
	if err := e.warnOfOthers(); err != nil {
		return err
	}
	if v.Deadline.IsZero() {
		return nil
	}
	if e.confirm {
		if err := f.Confirm(ctx); err != nil {
			return err
		}
		e.sayWatched(f.Status())
		return nil
	}
	e.say("not confirmed: at %s the kernel falls back to monitor by itself, unless you run `bulkhead confirm` before",
		v.Deadline.Local().Format(time.TimeOnly))
	return nil
}

// appliedJSON is what was put in force, for scripts.
type appliedJSON struct {
	Version        int       `json:"version"`
	Hash           string    `json:"hash"`
	ConfirmBy      time.Time `json:"confirmBy,omitzero"` // absent when nothing waits
	CutConnections int       `json:"cutConnections"`
}

// warnOfOthers names foreign tables that can drop what the policy allows.
func (e *enforcing) warnOfOthers() (err error) {
	k, err := nft.Open(0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	others, err := k.Obstacles()
	for _, o := range others {
		fmt.Fprintf(e.err, "note: what the policy allows may be dropped by another: %s\n", o)
	}
	return err
}

// withEnforcer opens this machine's enforcer for one command.
func (a *app) withEnforcer(f func(*enforcer.Enforcer) error) (err error) {
	k, err := nft.Open(0)
	if err != nil {
		return fmt.Errorf("enforce: %w", err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	opt := a.enforcerOptions(k)
	opt.Author = author()
	opt.Owned = func() (bool, error) {
		o, err := k.Owner()
		return o.Owned, err
	}
	e, err := enforcer.Open(opt)
	if err != nil {
		return err
	}
	return f(e)
}

// enforcerDir is where this machine's enforcer keeps its state.
func (a *app) enforcerDir() string { return filepath.Join(a.cfg.DataDir, "enforcer") }

func (a *app) enforcerOptions(k *nft.Kernel) enforcer.Options {
	return enforcer.Options{Kernel: k, Dir: a.enforcerDir(),
		Gate: a.cfg.Enforcer.ConfirmWithin, CutConnections: enforcer.Cutter(k, 0)}
}
