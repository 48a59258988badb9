package httpapi

import (
	"context"
	"sync"

	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// ExposureSource measures the blast radius of a whole estate.
type ExposureSource interface {
	// Exposure says of every workload of the window's map how many others it
	// reaches, over what was seen and set, enforced, allows; nil: as things are.
	Exposure(ctx context.Context, w Window, set *policy.Set) (*policy.Exposure, error)
}

// shade fills in what the "shade" parameter asks the boxes to show besides their
// priority: how far a compromise spreads, or how ready they are to be enforced.
func (s *server) shade(p *params, x *view.Index, d *draft, q *view.Query) error {
	switch p.oneOf("shade", "priority", "reach", "readiness") {
	case "reach":
		return s.shadeReach(p, x, d, q)
	case "readiness":
		return s.shadeReadiness(p, x, d, q)
	}
	return p.err
}

func (s *server) shadeReach(p *params, x *view.Index, d *draft, q *view.Query) (err error) {
	if s.Exposure == nil {
		return Errorf(CodeUnsupported, "this server measures no blast radius")
	}
	q.Exposed = &view.Exposed{}
	if q.Exposed.Today, err = s.exposure(p, x.Map, nil); err != nil || d == nil {
		return err
	}
	q.Exposed.Draft, err = s.exposure(p, x.Map, d.evaluator.Set())
	return err
}

// shadeReadiness finds which policy protects each node: by the draft when one was
// asked for, else by the recommendation at the default level.
func (s *server) shadeReadiness(p *params, x *view.Index, d *draft, q *view.Query) error {
	if s.Readiness == nil {
		return Errorf(CodeUnsupported, "this server estimates no readiness")
	}
	w, err := s.window(p)
	if err != nil {
		return err
	}
	if d == nil {
		rec, err := s.advise(p.r.Context(), x.Map, RecommendQuery{Window: w, Level: policy.ServiceLevel})
		if err != nil {
			return err
		}
		d = &draft{policy.NewEvaluator(rec.Set.AtStage(policy.Enforce))}
	}
	list, err := s.Readiness.Readiness(p.r.Context(), w)
	if err != nil {
		return err
	}
	of := make(map[string]*policy.Readiness, len(list))
	for i := range list {
		of[list[i].Policy] = &list[i]
	}
	q.Ready = func(n int32) (worst *policy.Readiness) {
		party := policy.PartyOf(x.Map, n)
		for _, pol := range d.evaluator.Protected(d.evaluator.Identify(&party)) {
			if r := of[pol.Name]; r != nil && (worst == nil || r.AtRisk > worst.AtRisk) {
				worst = r
			}
		}
		return worst
	}
	return nil
}

// exposureCache keeps the exposures measured last: at a hundred thousand
// workloads one takes seconds, and every box opened asks for the same. The zero
// value is ready; safe for concurrent use.
type exposureCache struct {
	mu   sync.Mutex
	list []measured // oldest first
}

type measured struct {
	of   *topology.Map
	hash string // of the set, "" for none
	e    *policy.Exposure
}

// cachedExposures is today's and each level's of the map in use, and a spare.
const cachedExposures = 6

func (s *server) exposure(p *params, m *topology.Map, set *policy.Set) (*policy.Exposure, error) {
	hash := ""
	if set != nil {
		hash = set.Hash()
	}
	s.exposed.mu.Lock()
	defer s.exposed.mu.Unlock()
	for _, have := range s.exposed.list {
		if have.of == m && have.hash == hash {
			return have.e, nil
		}
	}
	w, err := s.window(p)
	if err != nil {
		return nil, err
	}
	e, err := s.Exposure.Exposure(p.r.Context(), w, set)
	if err != nil {
		return nil, err
	}
	if len(s.exposed.list) == cachedExposures {
		s.exposed.list = append(s.exposed.list[:0:0], s.exposed.list[1:]...)
	}
	s.exposed.list = append(s.exposed.list, measured{m, hash, e})
	return e, nil
}
