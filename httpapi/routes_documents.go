package httpapi

import (
	"bytes"
	"net/http"
	"regexp"

	"github.com/go-chi/chi/v5"
)

// maxExport bounds an export held in memory before it is sent: an error midway
// must not look like a whole file.
const maxExport = 256 << 20

// limitedBuffer is a bytes.Buffer that refuses to grow past maxExport.
type limitedBuffer struct{ bytes.Buffer }

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxExport {
		return 0, Errorf(CodeTooLarge, "the export is larger than %d MB", maxExport>>20)
	}
	return b.Buffer.Write(p)
}

func pathParam(r *http.Request, name string) string { return chi.URLParam(r, name) }

// docName is what kinds and names of documents may look like.
var docName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

func documentOf(r *http.Request) (kind, name string, err error) {
	kind, name = pathParam(r, "kind"), pathParam(r, "name")
	if !docName.MatchString(kind) || !docName.MatchString(name) {
		return "", "", Errorf(CodeInvalid, "document %q/%q: want lower case letters, digits, dot, dash, underscore", kind, name)
	}
	return kind, name, nil
}

func (s *server) getDocuments(w http.ResponseWriter, r *http.Request) error {
	p := &params{r: r}
	docs, err := s.backend.ListDocuments(r.Context(), p.text("kind"))
	if err != nil {
		return err
	}
	if docs == nil {
		docs = []Document{}
	}
	return reply(w, r, map[string]any{"documents": docs})
}

func (s *server) getDocument(w http.ResponseWriter, r *http.Request) error {
	kind, name, err := documentOf(r)
	if err != nil {
		return err
	}
	p := &params{r: r}
	version := p.number("version", 0, 1<<31-1, 0)
	if p.err != nil {
		return p.err
	}
	d, err := s.backend.Document(r.Context(), kind, name, uint64(version))
	if err != nil {
		return err
	}
	return reply(w, r, d)
}

// putDocument appends a version; the body names the version it is based on.
func (s *server) putDocument(w http.ResponseWriter, r *http.Request) error {
	kind, name, err := documentOf(r)
	if err != nil {
		return err
	}
	var in struct {
		Version uint64 `json:"version"` // based on; 0: new
		Reason  string `json:"reason"`
		Body    string `json:"body"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	d := Document{Kind: kind, Name: name, Version: in.Version, Author: author(r), Reason: in.Reason, Time: s.Now().UTC(), Body: in.Body}
	if d.Version, err = s.backend.SaveDocument(r.Context(), d); err != nil {
		return err
	}
	s.advices.forget()
	d.Body = ""
	if err := s.Hub.Publish(Event{Kind: EventDocument, Data: d}); err != nil {
		return err
	}
	return reply(w, r, d)
}
