package httpapi

import (
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
)

// endpoint is "10.1.2.3:443", or the bare address when the protocol has no ports.
func endpoint(a netip.Addr, port uint16, proto uint8) string {
	if !flow.HasPorts(proto) {
		return a.String()
	}
	return netip.AddrPortFrom(a, port).String()
}

// recommend asks for the recommendation a request names by level and window.
func (s *server) recommend(r *http.Request) (*policy.Recommendation, *view.Index, Window, error) {
	p := &params{r: r}
	w, err := s.window(p)
	if err != nil {
		return nil, nil, w, err
	}
	level, base := p.level("level"), p.oneOf("base", "none", "saved") == "saved"
	if p.err != nil {
		return nil, nil, w, p.err
	}
	x, err := s.index(r, w)
	if err != nil {
		return nil, nil, w, err
	}
	rec, err := s.advise(r.Context(), x.Map, RecommendQuery{Window: w, Level: level, Base: base})
	return rec, x, w, err
}

// getRecommendation answers with the rules in words and their evidence.
func (s *server) getRecommendation(w http.ResponseWriter, r *http.Request) error {
	rec, x, _, err := s.recommend(r)
	if err != nil {
		return err
	}
	return reply(w, r, advice(rec, x))
}

// getPolicy answers with the recommended policies as YAML.
func (s *server) getPolicy(w http.ResponseWriter, r *http.Request) error {
	rec, _, _, err := s.recommend(r)
	if err != nil {
		return err
	}
	text, err := s.backend.FormatPolicy(r.Context(), rec.Set)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(text) // a client that left is no failure of ours
	return nil
}

// postDecision records a person's word on a decision card.
func (s *server) postDecision(w http.ResponseWriter, r *http.Request) error {
	var in Decided
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if in.ID == "" {
		return Errorf(CodeInvalid, "id is missing")
	}
	switch in.Answer {
	case "allow", "deny", "watch":
	default:
		return Errorf(CodeInvalid, "answer %q: want allow, deny or watch", in.Answer)
	}
	if err := s.backend.Decide(r.Context(), author(r), in); err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, in)
}

// getSimulation replays the recommendation of a level over the window.
func (s *server) getSimulation(w http.ResponseWriter, r *http.Request) error {
	rec, x, win, err := s.recommend(r)
	if err != nil {
		return err
	}
	return s.simulate(w, r, rec.Set, x, win)
}

// postSimulation replays a policy somebody wrote.
func (s *server) postSimulation(w http.ResponseWriter, r *http.Request) error {
	p := &params{r: r}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	var in struct {
		Policy string `json:"policy"` // YAML
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	set, err := s.backend.ParsePolicy(r.Context(), []byte(in.Policy))
	if err != nil {
		return &Error{Code: CodeInvalid, Message: err.Error(), Err: err} // it names line and word of what the client sent
	}
	x, err := s.index(r, win)
	if err != nil {
		return err
	}
	return s.simulate(w, r, set, x, win)
}

func (s *server) simulate(w http.ResponseWriter, r *http.Request, set *policy.Set, x *view.Index, win Window) error {
	sim, err := s.backend.Simulate(r.Context(), set, win)
	if err != nil {
		return err
	}
	return reply(w, r, simulated(sim, x))
}

// getReach answers how far a compromise of one node spreads: today, and under
// the recommendation of draft when given.
func (s *server) getReach(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	q := ReachQuery{Window: win, From: view.NodeID(p.text("from"))}
	out := reach{From: view.Ref{ID: q.From, Name: q.From, Kind: view.KindGroup}}
	if n, ok := x.Node(q.From); ok {
		out.From = x.Ref(n)
	} else if !strings.Contains(q.From, "=") {
		return Errorf(CodeNotFound, "no node has the id %q", q.From)
	}
	if out.Today, err = s.reach(r, q, x, group); err != nil {
		return err
	}
	if p.text("level") != "" {
		rec, _, _, err := s.recommend(r)
		if err != nil {
			return err
		}
		q.Set = rec.Set
		if out.Draft, err = s.reach(r, q, x, group); err != nil {
			return err
		}
	}
	return reply(w, r, out)
}

func (s *server) reach(r *http.Request, q ReachQuery, x *view.Index, group []string) (*reached, error) {
	got, err := s.backend.Reach(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return reachedOf(got, x, group), nil
}

// getExports lists the formats.
func (s *server) getExports(w http.ResponseWriter, r *http.Request) error {
	return reply(w, r, map[string]any{"formats": s.backend.ExportFormats()})
}

// export writes the recommendation in the format a request names.
func (s *server) export(r *http.Request) (f ExportFormat, rec *policy.Recommendation, body *limitedBuffer, losses []string, err error) {
	name := pathParam(r, "format")
	for _, f = range s.backend.ExportFormats() {
		if f.Name != name {
			continue
		}
		var win Window
		if rec, _, win, err = s.recommend(r); err != nil {
			return f, nil, nil, nil, err
		}
		body = &limitedBuffer{}
		losses, err = s.backend.Export(r.Context(), ExportQuery{Window: win, Format: name, Set: rec.Set, Recommendation: rec}, body)
		return f, rec, body, losses, err
	}
	return f, nil, nil, nil, Errorf(CodeNotFound, "no export format %q", name)
}

// getExport writes the recommendation in one format, as a file to keep.
func (s *server) getExport(w http.ResponseWriter, r *http.Request) error {
	f, rec, body, losses, err := s.export(r)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", f.ContentType)
	w.Header().Set("Content-Disposition", `attachment; filename="bulkhead-`+rec.Level.String()+f.Extension+`"`)
	w.Header().Set("Bulkhead-Losses", strconv.Itoa(len(losses)))
	_, _ = w.Write(body.Bytes()) // a client that left is no failure of ours
	return nil
}

// previewBytes is how much of an export is shown before it is kept.
const previewBytes = 20_000

// getExportPreview shows how an export begins, and what its format cannot say.
func (s *server) getExportPreview(w http.ResponseWriter, r *http.Request) error {
	f, _, body, losses, err := s.export(r)
	if err != nil {
		return err
	}
	text := body.Bytes()
	return reply(w, r, map[string]any{"format": f, "bytes": len(text), "losses": orEmpty(losses),
		"text": strings.ToValidUTF8(string(text[:min(len(text), previewBytes)]), "\uFFFD")})
}
