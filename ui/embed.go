// Package ui is the dashboard: a React and TypeScript application built by Vite
// into dist and embedded in the binary. In a clone where it has not been built
// dist holds nothing but .gitkeep, and Built says so.
package ui

import (
	"embed"
	"io/fs"
)

//go:embed all:dist
var dist embed.FS

// Dist returns the built files: index.html and assets/.
func Dist() fs.FS {
	sub, err := fs.Sub(dist, "dist")
	if err != nil {
		panic(err) // dist is embedded: only a broken build lacks it
	}
	return sub
}

// Built reports whether the dashboard was built before the program was.
func Built() bool {
	_, err := fs.Stat(Dist(), "index.html")
	return err == nil
}
