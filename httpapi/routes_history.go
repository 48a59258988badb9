package httpapi

import "net/http"

func (s *server) history(r *http.Request) (h HistorySource, kind, name string, err error) {
	if s.History == nil {
		return nil, "", "", Errorf(CodeUnsupported, "this server keeps no history")
	}
	kind, name, err = documentOf(r)
	return s.History, kind, name, err
}

// getVersions lists the versions of a document, newest first.
func (s *server) getVersions(w http.ResponseWriter, r *http.Request) error {
	h, kind, name, err := s.history(r)
	if err != nil {
		return err
	}
	list, err := h.History(r.Context(), kind, name)
	if err != nil {
		return err
	}
	return reply(w, r, map[string]any{"versions": orEmpty(list)})
}

// diffLines bounds what one comparison shows.
const diffLines = 2000

// getDocumentDiff says what a version changed.
func (s *server) getDocumentDiff(w http.ResponseWriter, r *http.Request) error {
	h, kind, name, err := s.history(r)
	if err != nil {
		return err
	}
	p := &params{r: r}
	from, to := p.number("from", 0, 1<<31-1, 0), p.number("to", 0, 1<<31-1, 0)
	if p.err != nil {
		return p.err
	}
	lines, err := h.DiffDocument(r.Context(), kind, name, uint64(from), uint64(to))
	if err != nil {
		return err
	}
	return reply(w, r, map[string]any{"lines": orEmpty(lines[:min(len(lines), diffLines)]), "total": len(lines)})
}

// postRestore writes an old version as the newest.
func (s *server) postRestore(w http.ResponseWriter, r *http.Request) error {
	h, kind, name, err := s.history(r)
	if err != nil {
		return err
	}
	var in struct {
		Version uint64 `json:"version"` // to restore
		Base    uint64 `json:"base"`    // the newest the caller knows of
		Reason  string `json:"reason"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	version, err := h.RestoreDocument(r.Context(), author(r), kind, name, in.Version, in.Base, in.Reason)
	if err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, map[string]uint64{"version": version})
}
