// Command truth measures what the program makes of networks whose truth is known
// and writes docs/truth.md: direction, roles, applications, shared infrastructure
// and rules on the generated estate at several sizes and noise levels, and
// grouping and rules on recorded and described systems of the corpus.
//
//	go run ./truth [-quick] [-only described] [-o docs/truth.md]
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
	whole := filepath.Join(testenv.Root(), "docs", "truth.md")
	out := flag.String("o", whole, "file to write, - for none")
	only := flag.String("only", "", "one section alone, on the screen and in -o where given: direction, groups, seeds, systems, windows, recommend or described")
	flag.Parse()
	if *only != "" && *out == whole { // a part does not replace the page
		*out = "-"
	}
	if err := run(*quick, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "truth:", err)
		os.Exit(1)
	}
}

func run(quick bool, only, out string) error {
	var page bytes.Buffer
	r := &report{page: &page, screen: os.Stdout}
	r.text(preamble)
	known := false
	for _, section := range sections(quick) {
		if only != "" && section.name != only {
			continue
		}
		known = true
		if err := section.write(r); err != nil {
			return fmt.Errorf("section %s: %w", section.name, err)
		}
	}
	if !known {
		return fmt.Errorf("no section %q: see -help", only)
	}
	if out == "-" {
		return nil
	}
	return os.WriteFile(out, page.Bytes(), 0o644)
}

// section is a part of the page.
type section struct {
	name  string
	write func(*report) error
}

func sections(quick bool) []section {
	if quick {
		return []section{{"groups", func(r *report) error { return estateSection(r, estateCases[:1]) }}}
	}
	return []section{
		{"direction", func(r *report) error { return directionSection(r, scenario.Options{}, observations) }},
		{"groups", func(r *report) error {
			others, err := otherEstateCases()
			if err != nil {
				return err
			}
			return estateSection(r, append(estateCases, others...))
		}},
		{"seeds", seedSection},
		{"systems", systemsSection},
		{"windows", windowsSection},
		{"recommend", recommendSection},
		{"described", describedSection},
	}
}

const preamble = `# Measured against the truth

Written by ` + "`make truth`" + `; do not edit. Every figure is measured by that run.
`
