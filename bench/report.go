package main

import (
	"fmt"
	"io"
	"strings"
)

// row is one tool's figure in a comparison.
type row struct {
	tool   string
	figure float64 // in the section's unit
	cpu    float64 // seconds, median
	rssMB  float64
	note   string
	own    bool // another figure of ours: no ratio
}

// section is one comparison: the same work by several tools in one run. The first
// row is ours; ratios are to it.
type section struct {
	title  string
	unit   string
	better string // "more" or "less"
	method string
	rows   []row
	// lines are a Go benchmark's name and figures, for sections made of those.
	lines [][2]string
}

func (s *section) write(w io.Writer) {
	fmt.Fprintf(w, "## %s\n\n%s\n\n", s.title, s.method)
	if len(s.lines) > 0 {
		fmt.Fprint(w, "| benchmark | figures |\n|---|---|\n")
		for _, l := range s.lines {
			fmt.Fprintf(w, "| %s | %s |\n", l[0], l[1])
		}
		fmt.Fprintln(w)
		return
	}
	fmt.Fprintf(w, "| tool | %s | CPU s | peak MB | ours against it | note |\n|---|---|---|---|---|---|\n", s.unit)
	for i, r := range s.rows {
		ratio := ""
		if i > 0 && !r.own && r.figure > 0 && s.rows[0].figure > 0 {
			q := s.rows[0].figure / r.figure
			if s.better == "less" {
				q = 1 / q
			}
			ratio = fmt.Sprintf("%.2f×", q)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %s |\n", r.tool, number(r.figure), number(r.cpu), number(r.rssMB), ratio, r.note)
	}
	fmt.Fprintln(w)
}

func number(v float64) string {
	switch {
	case v == 0:
		return ""
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.3f", v), "0"), ".")
}
