package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/recommender/export"
)

func exportCmd(a *app) *cobra.Command {
	var w window
	var format, out string
	cmd := &cobra.Command{
		Use: "export POLICY", Short: "Write a policy for a reviewer, or for an enforcement point Bulkhead does not drive",
		Long: "Writes a policy in another form. What the form cannot say is listed on standard error\nand in the file; nothing is widened silently.\n\nFormats:\n" + formatList(),
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.ContainsFunc(exportFormats(), func(f export.Format) bool { return f.Name == format }) {
				return usagef("--format: unknown export format %q; `bulkhead export --help` lists them", format)
			}
			set, err := readPolicy(args[0])
			if err != nil {
				return err
			}
			var text bytes.Buffer
			var losses []string
			err = a.with(cmd.Context(), func(s *session) error {
				m, probes, err := s.windowMap(cmd.Context(), &w)
				if err != nil {
					return err
				}
				sim, err := recommender.Simulate(set, m, probes, recommender.SimulateOptions{})
				if err != nil {
					return err
				}
				rec, err := s.evidenceFor(cmd.Context(), set, m, probes)
				if err != nil {
					return err
				}
				members, err := s.members(cmd.Context(), m)
				if err != nil {
					return err
				}
				in := export.Input{Set: set, Map: m, Members: members, Recommendation: rec, Simulation: sim, At: time.Now().UTC()}
				if err := s.review(cmd.Context(), format, &in, probes); err != nil {
					return err
				}
				losses, err = exportSet(&text, format, in)
				return err
			})
			if err != nil {
				return err
			}
			for _, l := range losses {
				fmt.Fprintf(a.err, "not expressed: %s\n", printable(l))
			}
			if out == "" {
				_, err = a.out.Write(text.Bytes())
				return err
			}
			return os.WriteFile(out, text.Bytes(), 0o644)
		},
	}
	w.flags(cmd)
	cmd.Flags().StringVar(&format, "format", "markdown", "see the list above")
	cmd.Flags().StringVarP(&out, "output", "o", "", "file; default: standard output")
	return cmd
}

// nftables is the one format that the enforcer writes rather than the exporter.
var nftables = export.Format{Name: "nftables", Title: "nftables, for a gateway before these workloads", Extension: ".nft", ContentType: "text/plain"}

func exportFormats() []export.Format {
	all := append(export.Formats(), nftables)
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	return all
}

func formatList() string {
	var b strings.Builder
	for _, f := range exportFormats() {
		fmt.Fprintf(&b, "  %-22s %s\n", f.Name, f.Title)
	}
	return b.String()
}

// exportSet writes a set in a format and returns what that format cannot say.
func exportSet(w io.Writer, format string, in export.Input) ([]string, error) {
	if format != nftables.Name {
		return export.Write(w, format, in)
	}
	host := nft.Host{Name: "gateway", Mode: nft.ModeGateway, Text: true, Workloads: hostWorkloads(in.Members), Networks: in.Set.Networks}
	r, err := nft.Compile(in.Set.Live(), host)
	if err != nil {
		return nil, err
	}
	_, err = r.WriteTo(w)
	return r.Losses, err
}
