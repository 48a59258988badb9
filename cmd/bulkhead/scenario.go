package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/scenario"
)

func scenarioCmd(a *app) *cobra.Command {
	var opt scenario.Options
	var dir string
	cmd := &cobra.Command{
		Use: "scenario", Short: "Write the demonstration estate as files: pcap, NetFlow v9, IPFIX, inventory, ground truth", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			estate, err := scenario.Generate(opt)
			if err != nil {
				return usageError{err}
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
			for _, f := range []struct {
				name  string
				write func(io.Writer) error
			}{
				{"estate.pcap", estate.WritePcap},
				{"netflow9.pcap", estate.WriteNetFlow9},
				{"ipfix.pcap", estate.WriteIPFIX},
				{"inventory.yaml", func(w io.Writer) error { return yaml.NewEncoder(w).Encode(estate.Inventory(false)) }},
				{"truth.json", func(w io.Writer) error { return json.NewEncoder(w).Encode(estate.Truth()) }},
			} {
				size, err := writeTo(filepath.Join(dir, f.name), f.write)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.out, "%s\t%s\n", filepath.Join(dir, f.name), byteSize(size))
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&opt.Workloads, "workloads", scenario.DefaultWorkloads, "size of the estate, to 100,000")
	cmd.Flags().IntVar(&opt.Days, "days", scenario.DefaultDays, "days of traffic")
	cmd.Flags().Uint64Var(&opt.Seed, "seed", 1, "same seed, same files")
	cmd.Flags().StringVarP(&dir, "output", "o", "estate", "folder")
	return cmd
}

func writeTo(file string, write func(io.Writer) error) (size int64, err error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return 0, fmt.Errorf("write %s: %w", file, err)
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}
