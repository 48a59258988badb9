package httpapi

import (
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"github.com/bulkhead/bulkhead/schemas"
)

// Options configures New. The zero value serves without login, to this machine
// only.
type Options struct {
	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
	// Password turns the login on. Empty means none, and then only requests that
	// name this machine as their host are answered, so that a page elsewhere
	// cannot reach the API by rebinding its name.
	Password string
	// Random is where session keys come from; nil: crypto/rand.
	Random io.Reader
	// Hub carries events to open dashboards; nil: a hub nobody publishes to.
	Hub *Hub
	// Counters count requests; nil: nobody reads them.
	Counters *Counters
	// Violations and Readiness are what not every server has; nil answers
	// CodeUnsupported.
	Violations ViolationSource
	Readiness  ReadinessSource
	// Exposure is how far compromises spread; nil answers CodeUnsupported.
	Exposure ExposureSource
	// Identities, Inventory and History keep who was who, who is there, and what
	// people decided; nil answers CodeUnsupported.
	Identities IdentitySource
	Inventory  InventorySource
	History    HistorySource
	// Decider and Claimer take people's word on the map; nil answers
	// CodeUnsupported.
	Decider Decider
	// Proposals turns violations into rules, Changes keeps what was planned and done;
	// nil answers CodeUnsupported.
	Proposals ProposalSource
	Changes   ChangeSource
	Hosts     HostSource
	Claimer   Claimer
	// Draw bounds the boxes of one view; 0: 500.
	Draw int
	// Timeout bounds one request other than the event stream; 0: a minute.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Hub == nil {
		o.Hub = NewHub()
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	if o.Draw == 0 {
		o.Draw = 500
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return o
}

// server holds what the handlers share. Safe for concurrent use.
type server struct {
	Options
	backend  Backend
	sessions *sessions
	indexes  indexCache
	advices  adviceCache
	exposed  exposureCache
}

// New returns the handler of the whole program: API, events, health, dashboard.
func New(b Backend, o Options) http.Handler {
	o = o.withDefaults()
	s := &server{Options: o, backend: b, sessions: newSessions(o)}
	return s.routes()
}

// routes is the table of everything that is served; schemas/openapi.yaml says
// the same in words.
func (s *server) routes() *chi.Mux {
	r := chi.NewRouter()
	r.Use(s.recovered, secured, http.NewCrossOriginProtection().Handler)
	if s.Password == "" {
		r.Use(loopbackHost)
	}
	r.Get("/healthz", s.handle(s.getHealth))
	r.Get("/readyz", s.handle(s.getReady))
	r.Route("/api/v1", func(r chi.Router) {
		r.Get("/openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/yaml")
			_, _ = w.Write(schemas.OpenAPI) // a client that left is no failure of ours
		})
		r.Get("/session", s.handle(s.getSession))
		r.Post("/session", s.handle(s.postSession))
		r.Delete("/session", s.handle(s.deleteSession))
		r.Group(func(r chi.Router) {
			r.Use(s.authenticated)
			r.Get("/events", s.getEvents)
			r.Group(s.data)
		})
		r.NotFound(s.handle(notFound))
	})
	r.NotFound(dashboard)
	return r
}

// data is the routes that read and write what the program knows.
func (s *server) data(r chi.Router) {
	r.Use(middleware.Timeout(s.Timeout), middleware.Compress(5))
	r.Get("/status", s.handle(s.getStatus))
	r.Get("/map", s.handle(s.getMap))
	r.Get("/map/node", s.handle(s.getNode))
	r.Get("/map/node/identity", s.handle(s.getIdentity))
	r.Get("/map/link", s.handle(s.getLink))
	r.Get("/map/search", s.handle(s.getSearch))
	r.Get("/map/news", s.handle(s.getNews))
	r.Get("/map/proposals", s.handle(s.getProposals))
	r.Get("/map/proposals/groups", s.handle(s.getProposalGroups))
	r.Get("/map/infrastructure", s.handle(s.getInfrastructure))
	r.Post("/map/infrastructure", s.handle(s.postInfrastructure))
	r.Post("/map/application", s.handle(s.postApplication))
	r.Post("/map/claim", s.handle(s.postClaim))
	r.Post("/map/labels", s.handle(s.postLabels))
	r.Get("/inventory", s.handle(s.getInventory))
	r.Post("/inventory", s.handle(s.postInventory))
	r.Post("/inventory/plan", s.handle(s.postInventoryPlan))
	r.Get("/inventory/hygiene", s.handle(s.getHygiene))
	r.Get("/reach", s.handle(s.getReach))
	r.Get("/flows", s.handle(s.getFlows))
	r.Get("/violations", s.handle(s.getViolations))
	r.Get("/violations/proposals", s.handle(s.getViolationProposals))
	r.Post("/violations/proposals", s.handle(s.postViolationProposals))
	r.Get("/changes", s.handle(s.getChanges))
	r.Get("/changes/{id}", s.handle(s.getChange))
	r.Get("/hosts", s.handle(s.getHosts))
	r.Post("/hosts/{name}/confirm", s.handle(s.postHostConfirm))
	r.Get("/readiness", s.handle(s.getReadiness))
	r.Get("/recommendation", s.handle(s.getRecommendation))
	r.Post("/recommendation/decisions", s.handle(s.postDecision))
	r.Get("/recommendation/policy", s.handle(s.getPolicy))
	r.Get("/recommendation/tighten", s.handle(s.getTighten))
	r.Get("/simulation", s.handle(s.getSimulation))
	r.Post("/simulation", s.handle(s.postSimulation))
	r.Get("/exports", s.handle(s.getExports))
	r.Get("/exports/{format}", s.handle(s.getExport))
	r.Get("/exports/{format}/preview", s.handle(s.getExportPreview))
	r.Get("/documents", s.handle(s.getDocuments))
	r.Get("/documents/{kind}/{name}", s.handle(s.getDocument))
	r.Get("/documents/{kind}/{name}/versions", s.handle(s.getVersions))
	r.Get("/documents/{kind}/{name}/diff", s.handle(s.getDocumentDiff))
	r.Post("/documents/{kind}/{name}/restore", s.handle(s.postRestore))
	r.Put("/documents/{kind}/{name}", s.handle(s.putDocument))
}

func notFound(_ http.ResponseWriter, r *http.Request) error {
	return Errorf(CodeNotFound, "there is nothing at %s", r.URL.Path)
}
