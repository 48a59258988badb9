package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer"
)

func confirmCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "confirm", Short: "Make the change that waits permanent", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withEnforcer(func(f *enforcer.Enforcer) error {
				if err := f.Confirm(cmd.Context()); err != nil {
					return fmt.Errorf("confirm: %w", err)
				}
				a.say("confirmed")
				a.sayWatched(f.Status())
				return nil
			})
		},
	}
}

func rollbackCmd(a *app) *cobra.Command {
	var to int
	var why string
	cmd := &cobra.Command{
		Use: "rollback", Short: "Take the waiting change back, or return to an earlier version", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withEnforcer(func(f *enforcer.Enforcer) error {
				if p := f.Status().Pending; p != nil && to != 0 {
					return usagef("rollback: version %d waits to be confirmed: confirm it, or roll it back without --to, first", p.Number)
				}
				if err := f.Rollback(cmd.Context(), to, why); err != nil {
					return fmt.Errorf("rollback: %w", err)
				}
				a.say("rolled back")
				return nil
			})
		},
	}
	cmd.Flags().IntVar(&to, "to", 0, "the version to return to; default: the one before")
	cmd.Flags().StringVar(&why, "reason", "", "why, for the journal")
	return cmd
}
