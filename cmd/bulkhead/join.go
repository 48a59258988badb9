package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/fleet/authority"
)

func joinTokenCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "join-token", Short: "Tokens with which agents and gateways join this controller, each once"}
	cmd.AddCommand(createTokenCmd(a), listTokensCmd(a), removeTokenCmd(a))
	return cmd
}

func createTokenCmd(a *app) *cobra.Command {
	var g authority.Grant
	var labels string
	var gateway bool
	cmd := &cobra.Command{
		Use: "create", Short: "Make a token and print it; it is not kept and cannot be shown again", Args: cobra.NoArgs,
		Long: `The token holds the fingerprint of this controller's authority, so that a host that
joins with it can be fooled by nobody on the way. It lets one host join, once:

  bulkhead agent --join TOKEN --controller https://HOST:PORT`,
		RunE: func(*cobra.Command, []string) error {
			var err error
			if g.Labels, err = parseLabels(labels); err != nil {
				return usagef("--labels: %v", err)
			}
			if g.Life <= 0 {
				return usagef("--ttl %s: want a positive duration", g.Life)
			}
			if g.Host != "" {
				if err := fleet.CheckName(g.Host); err != nil {
					return usagef("--host: %v", err)
				}
			}
			if gateway {
				g.Role = fleet.Gateway
			}
			g.Author = author()
			auth, err := a.authority()
			if err != nil {
				return err
			}
			token, ticket, err := auth.CreateToken(g)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(map[string]any{"token": token.String(), "id": ticket.ID, "role": ticket.Role, "host": ticket.Host,
					"labels": ticket.Labels, "expires": ticket.Expires})
			}
			_, err = fmt.Fprintln(a.out, token)
			a.say("for one %s, until %s", roleWord(ticket.Role), ticket.Expires.Local().Format(time.DateTime))
			if a.cfg.Controller.Listen == "" {
				a.say("note: controller.listen is not set in the configuration: `bulkhead serve` will not answer hosts")
			}
			return err
		},
	}
	cmd.Flags().DurationVar(&g.Life, "ttl", time.Hour, "how long the token can be used")
	cmd.Flags().StringVar(&g.Host, "host", "", "the only host that may use it; default: any")
	cmd.Flags().StringVar(&labels, "labels", "", "labels the host will have, as role=web,app=shop; they win over what the map proposes")
	cmd.Flags().BoolVar(&gateway, "gateway", false, "the host will be a gateway: it enforces for the workloads behind it")
	return cmd
}

func roleWord(r fleet.Role) string {
	if r == fleet.Gateway {
		return "gateway"
	}
	return "host"
}

func listTokensCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "Tokens that can be used, and those used or expired in the last week", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			auth, err := a.authority()
			if err != nil {
				return err
			}
			tickets, err := auth.Tickets()
			if err != nil {
				return err
			}
			if a.json {
				for i := range tickets {
					tickets[i].Hash = "" // of no use to anybody
				}
				return a.printJSON(append([]authority.Ticket{}, tickets...))
			}
			var rows [][]string
			for _, t := range tickets {
				state := "can be used"
				switch {
				case !t.Used.IsZero():
					state = "used by " + t.UsedBy + " at " + t.Used.Local().Format(time.DateTime)
				case !time.Now().Before(t.Expires):
					state = "expired"
				}
				rows = append(rows, []string{t.ID, roleWord(t.Role), t.Host, t.Labels.String(), t.Expires.Local().Format(time.DateTime), t.Author, state})
			}
			return table(a.out, []string{"ID", "FOR", "HOST", "LABELS", "EXPIRES", "BY", "STATE"}, rows)
		},
	}
}

func removeTokenCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Take a token back", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			auth, err := a.authority()
			if err != nil {
				return err
			}
			tickets, err := auth.Tickets()
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(tickets, func(t authority.Ticket) bool { return t.ID == args[0] }) {
				return usagef("join-token remove: there is no token %q; `bulkhead join-token list` shows their ids", args[0])
			}
			return auth.RemoveToken(args[0])
		},
	}
}
