package main

import (
	"fmt"
	"io"
	"strings"
)

// report writes the same tables to the page (Markdown) and to the screen.
type report struct {
	page, screen io.Writer
}

func (r *report) text(s string) { fmt.Fprintln(r.page, s) }

func (r *report) heading(s string) {
	fmt.Fprintf(r.page, "\n## %s\n\n", s)
	fmt.Fprintf(r.screen, "\n%s\n", s)
}

// table writes rows under a head, as Markdown and in aligned columns.
func (r *report) table(head []string, rows [][]string) {
	fmt.Fprintf(r.page, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(r.page, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(r.page)
	width := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i == 0 {
				fmt.Fprint(r.screen, c+pad)
			} else {
				fmt.Fprint(r.screen, "  "+pad+c)
			}
		}
		fmt.Fprintln(r.screen)
	}
}

func two(x float64) string { return fmt.Sprintf("%.3f", x) }

func percent(a, b int) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(a)/float64(b))
}
