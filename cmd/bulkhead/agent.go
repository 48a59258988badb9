package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/link"
)

func agentCmd(a *app) *cobra.Command {
	s := &standalone{app: a, hostFlags: hostFlags{app: a}}
	var join joinFlags
	cmd := &cobra.Command{
		Use: "agent", Short: "Enforce on this machine until stopped, what a controller sends or a policy file says", Args: cobra.NoArgs,
		Long: `Restores what was last confirmed before anything else, enforces, reports what it
blocks or would block, rolls back what is not confirmed in time, and repairs the
table when somebody else changes it. The ruleset stays in force when the agent
stops, and when its controller is away.

With a controller: join once, then run.

  bulkhead agent --join TOKEN --controller https://HOST:PORT
  bulkhead agent

Without one: --standalone POLICY puts a policy file in force and prints violations
as JSON lines (and into the store with --store).`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case s.policy != "" && (join.token != "" || join.controller != ""):
				return usagef("agent: --standalone needs no controller")
			case s.policy != "":
				return s.run(cmd.Context())
			}
			return a.member(cmd.Context(), join, fleet.Agent)
		},
	}
	s.hostFlags.flags(cmd)
	join.flags(cmd)
	cmd.Flags().StringVar(&s.policy, "standalone", "", "policy file; no controller")
	cmd.Flags().BoolVar(&s.confirm, "confirm", false, "with --standalone: confirm the change at once, without the kernel's way back")
	cmd.Flags().BoolVar(&s.store, "store", false, "with --standalone: keep violations, and this machine's connections, in the store too")
	return cmd
}

func gatewayCmd(a *app) *cobra.Command {
	var join joinFlags
	cmd := &cobra.Command{
		Use: "gateway", Short: "Enforce on this Linux router for the workloads behind it, as a controller says, until stopped", Args: cobra.NoArgs,
		Long: `Does what the agent does, for the packets this machine forwards. It joins with a
token made by "bulkhead join-token create --gateway":

  bulkhead gateway --join TOKEN --controller https://HOST:PORT
  bulkhead gateway

A workload behind it may have an agent of its own. Both judge alike; what only the
host can tell, which process it is, the gateway leaves to the host.

On a machine that bridges, join with --bridge, or run once with it: it is remembered
(--bridge=false forgets it), and a machine that loses br_netfilter later says so.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			join.bridgeSet = cmd.Flags().Changed("bridge")
			return a.member(cmd.Context(), join, fleet.Gateway)
		},
	}
	join.flags(cmd)
	cmd.Flags().BoolVar(&join.bridge, "bridge", false, "this machine bridges between the workloads; needs br_netfilter")
	return cmd
}

// joinFlags say which controller to join.
type joinFlags struct {
	token, controller, name string
	bridge, bridgeSet       bool // of a gateway; whether it was said
}

func (j *joinFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&j.token, "join", "", "join a controller with this token, or with the one in the file @FILE, and exit")
	cmd.Flags().StringVar(&j.controller, "controller", "", "with --join: address of the controller, https://HOST:PORT")
	cmd.Flags().StringVar(&j.name, "name", "", "with --join: name of this machine; default: its host name")
}

// member joins a controller, or runs as a host that has joined.
func (a *app) member(ctx context.Context, join joinFlags, role fleet.Role) error {
	if join.bridge { // before a token is spent
		if err := nft.CheckBridge(nft.BridgeSysctls); err != nil {
			return err
		}
	}
	if join.token != "" {
		return a.join(ctx, join, role)
	}
	if join.controller != "" || join.name != "" {
		return usagef("--controller and --name go with --join TOKEN")
	}
	id, err := link.Open(a.agentDir())
	if errors.Is(err, link.ErrNotJoined) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	if id.Role() != role {
		return usagef("this machine joined as a %s: run `bulkhead %s`, or join again with another token", roleWord(id.Role()), verbOf(id.Role()))
	}
	if join.bridgeSet {
		if err := id.SetBridge(join.bridge); err != nil {
			return err
		}
	}
	return a.runMember(ctx, id)
}

func verbOf(r fleet.Role) string {
	if r == fleet.Gateway {
		return "gateway"
	}
	return "agent"
}

// join redeems a token and keeps the identity.
func (a *app) join(ctx context.Context, j joinFlags, role fleet.Role) error {
	token, err := secret(j.token)
	if err != nil {
		return usagef("--join: %v", err)
	}
	if j.controller == "" {
		return usagef("--join: name the controller with --controller https://HOST:PORT")
	}
	address, err := link.Address(j.controller)
	if err != nil {
		return usagef("--controller: %v", err)
	}
	if j.name == "" {
		if j.name, err = os.Hostname(); err != nil {
			return usagef("--name: this machine has none: %v", err)
		}
	}
	if err := fleet.CheckName(j.name); err != nil {
		return usagef("--name: %v", err)
	}
	id, err := link.Join(ctx, link.JoinOptions{Dir: a.agentDir(), Token: token, Controller: address, Name: j.name, Version: version, Bridge: j.bridge})
	if errors.Is(err, fleet.ErrToken) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	a.say("%s has joined %s as a %s; now run `bulkhead %s`", id.Name(), id.Controller(), roleWord(id.Role()), verbOf(id.Role()))
	if id.Role() != role {
		a.say("note: the token is for a %s", roleWord(id.Role()))
	}
	return nil
}
