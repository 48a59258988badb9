package httpapi

import (
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/bulkhead/bulkhead/ui"
)

// dashboard serves the embedded application. Vite puts a hash of the content in
// the name of everything under assets/, so those never change; every other path
// that is no file is a page of the application and gets index.html.
func dashboard(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "only GET is served here", http.StatusMethodNotAllowed)
		return
	}
	if !ui.Built() {
		http.Error(w, "UI not built: run make ui", http.StatusServiceUnavailable)
		return
	}
	name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
	info, err := fs.Stat(ui.Dist(), name)
	switch {
	case err == nil && !info.IsDir() && strings.HasPrefix(name, "assets/"):
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	case err == nil && !info.IsDir():
		w.Header().Set("Cache-Control", "no-cache")
	case strings.HasPrefix(name, "assets/"):
		http.NotFound(w, r)
		return
	default:
		name = "index.html"
		w.Header().Set("Cache-Control", "no-cache")
	}
	http.ServeFileFS(w, r, ui.Dist(), name)
}
