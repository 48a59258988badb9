package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

func inventoryClaim(a *app) *cobra.Command {
	var c topology.Claim
	var labels, from, to string
	cmd := &cobra.Command{
		Use: "claim ADDRESS", Short: "Say which machine an address of the map is that the inventory does not know", Args: cobra.ExactArgs(1),
		Long: "Makes a workload, or gives the address to the one that --id names. --from and --to bound the\ntime it held the address, for an address that is handed on.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if c.Labels, err = claimLabels(labels); err != nil {
				return err
			}
			if c.From, err = inventory.Instant(from); err != nil {
				return usagef("--from: %v", err)
			}
			if c.To, err = inventory.Instant(to); err != nil {
				return usagef("--to: %v", err)
			}
			return a.withNode(cmd.Context(), args[0], func(s *session, m *topology.Map, id string) error {
				c.Node = id
				lines, err := s.claim(cmd.Context(), author(), m, c)
				a.printLines(lines)
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&c.ID, "id", "", "of the workload; one that exists gets the address too")
	f.StringVar(&c.Name, "name", "", "of the workload; \"\" is the name seen on the wire")
	f.StringVar(&labels, "labels", "", "role=web,app=shop")
	f.StringVar(&from, "from", "", "since when it holds the address: a day or RFC 3339")
	f.StringVar(&to, "to", "", "until when")
	f.StringVar(&c.Reason, "reason", "", "why, for the record")
	return cmd
}

func claimLabels(text string) (topology.Labels, error) {
	if text == "" {
		return nil, nil
	}
	labels, err := parseLabels(text)
	if err != nil {
		return nil, usagef("--labels: %v", err)
	}
	return labels, nil
}

// claim gives an address of the map to a workload and says in lines what changed.
func (s *session) claim(ctx context.Context, author string, m *topology.Map, c topology.Claim) ([]string, error) {
	node, err := nodeByID(m, c.Node)
	if err != nil {
		return nil, err
	}
	var before topology.Inventory
	base, err := s.load(ctx, docInventory, docOnly, &before)
	if err != nil {
		return nil, err
	}
	after, err := inventory.Claimed(&before, node, c)
	if err != nil {
		return nil, usageError{err}
	}
	reason := "claimed " + c.Node
	if c.Reason != "" {
		reason += ": " + c.Reason
	}
	return inventory.Diff(&before, after), s.saveInventory(ctx, after, base, author, reason)
}

func nodeByID(m *topology.Map, id string) (*topology.Node, error) {
	for i := range m.Graph.Nodes {
		if m.Graph.Nodes[i].ID == id {
			return &m.Graph.Nodes[i], nil
		}
	}
	return nil, usagef("nothing on the map has the id %q", id)
}

func inventoryPropose(a *app) *cobra.Command {
	var accept bool
	var sure float64
	cmd := &cobra.Command{
		Use: "propose", Short: "List machines, NAT pools and virtual addresses that traffic speaks for; --accept adds all that are listed", Args: cobra.NoArgs,
		Long: "Unknown addresses are named by DHCP, NetBIOS, mDNS and DNS, with the time a re-used address\nwas held by each; NAT pools and virtual addresses come from what exporters say of translated flows.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				m, _, err := s.estateMap(cmd.Context())
				if err != nil {
					return err
				}
				list, inv, base, err := s.inventoryProposals(cmd.Context(), m, sure)
				if err != nil {
					return err
				}
				if err := a.printInventoryProposals(list); err != nil || !accept || len(list) == 0 {
					return err
				}
				after, err := inventory.With(inv, list)
				if err != nil {
					return err
				}
				return s.saveInventory(cmd.Context(), after, base, author(), fmt.Sprintf("%d proposals from traffic accepted", len(list)))
			})
		},
	}
	cmd.Flags().BoolVar(&accept, "accept", false, "add every proposal listed to the inventory")
	cmd.Flags().Float64Var(&sure, "min-confidence", 0, "only proposals at least this sure, 0..1")
	return cmd
}

// inventoryProposals is what traffic speaks for adding to the inventory, and the
// inventory with the version it is at.
func (s *session) inventoryProposals(ctx context.Context, m *topology.Map, sure float64) ([]inventory.Proposal, *topology.Inventory, uint64, error) {
	var inv topology.Inventory
	base, err := s.load(ctx, docInventory, docOnly, &inv)
	if err != nil {
		return nil, nil, 0, err
	}
	index, err := topology.NewIndex(&inv)
	if err != nil {
		return nil, nil, 0, err
	}
	seen := inventory.Seen{Graph: &m.Graph}
	if seen.Names, err = s.store.Names(ctx, store.Query{}); err != nil {
		return nil, nil, 0, err
	}
	if seen.Translations, err = s.store.Translations(ctx, store.Query{Since: m.Since, Until: m.Until}); err != nil {
		return nil, nil, 0, err
	}
	var list []inventory.Proposal
	for _, p := range inventory.Propose(&inv, index, seen) {
		if p.Confidence >= sure {
			list = append(list, p)
		}
	}
	return list, &inv, base, nil
}

func (a *app) printInventoryProposals(list []inventory.Proposal) error {
	if a.json {
		if list == nil {
			list = []inventory.Proposal{}
		}
		return a.printJSON(list)
	}
	rows := make([][]string, 0, len(list))
	for _, p := range list {
		rows = append(rows, []string{p.Kind(), p.Name(), strings.Join(p.Places(), ", "), fmt.Sprintf("%.0f%%", 100*p.Confidence), p.Why})
	}
	return table(a.out, []string{"KIND", "NAME", "ADDRESSES", "SURE", "WHY"}, rows)
}

// Claim gives an address of the map to a workload for the API.
func (b *backend) Claim(ctx context.Context, author string, c topology.Claim) error {
	m, err := b.Map(ctx, httpapi.Window{})
	if err != nil {
		return err
	}
	_, err = b.s.claim(ctx, author, m, c)
	return b.redraw(ctx, err)
}
