// Command truth measures what the program makes of networks whose truth is known
// and writes docs/truth.md: direction, roles, applications, shared infrastructure
// and rules on the generated estate at several sizes and noise levels, and
// grouping on recorded and described systems of the corpus.
//
//	go run ./truth [-quick] [-o docs/truth.md]
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bulkhead/bulkhead/internal/scenario"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

func main() {
	quick := flag.Bool("quick", false, "only the default estate")
	out := flag.String("o", filepath.Join(testenv.Root(), "docs", "truth.md"), "file to write, - for none")
	flag.Parse()
	if err := run(*quick, *out); err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(quick bool, out string) error {
	var page bytes.Buffer
	r := &report{page: &page, screen: os.Stdout}
	r.text(preamble)
	for _, section := range sections(quick) {
		if err := section(r); err != nil {
			return err
		}
	}
	if out == "-" {
		return nil
	}
	return os.WriteFile(out, page.Bytes(), 0o644)
}

func sections(quick bool) []func(*report) error {
	if quick {
		return []func(*report) error{func(r *report) error { return estateSection(r, estateCases[:1]) }}
	}
	return []func(*report) error{
		func(r *report) error { return directionSection(r, scenario.Options{}, observations) },
		func(r *report) error {
			others, err := otherEstateCases()
			if err != nil {
				return err
			}
			return estateSection(r, append(estateCases, others...))
		},
		seedSection,
		systemsSection,
		windowsSection,
		recommendSection,
	}
}

const preamble = `# Measured against the truth

Written by ` + "`make truth`" + `; do not edit. Every figure is measured by that run.
`
