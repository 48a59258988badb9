package httpapi

import (
	"context"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// draft is a recommended set, judged as if it were enforced.
type draft struct{ evaluator *policy.Evaluator }

// draft returns the set that a request names by the level in its "draft"
// parameter; nil when it names none.
func (s *server) draft(p *params) (*draft, error) {
	if p.text("draft") == "" {
		return nil, p.err
	}
	level := p.level("draft")
	w, err := s.window(p)
	if err != nil {
		return nil, err
	}
	m, err := s.backend.Map(p.r.Context(), w)
	if err != nil {
		return nil, err
	}
	rec, err := s.advise(p.r.Context(), m, RecommendQuery{Window: w, Level: level})
	if err != nil {
		return nil, err
	}
	return &draft{policy.NewEvaluator(rec.Set.AtStage(policy.Enforce))}, nil
}

// outcomes judges every dependency of m.
func (d *draft) outcomes(m *topology.Map) []policy.Outcome {
	ids := make([]policy.Identity, len(m.Graph.Nodes))
	for i := range ids {
		party := policy.PartyOf(m, int32(i))
		ids[i] = d.evaluator.Identify(&party)
	}
	out := make([]policy.Outcome, len(m.Graph.Deps))
	for i := range m.Graph.Deps {
		dep := &m.Graph.Deps[i]
		out[i] = d.evaluator.Judge(ids[dep.Client], ids[dep.Server], dep.Service, "", "").Outcome
	}
	return out
}

// judge returns what gives the verdict on one dependency of m; nil for no draft.
func (d *draft) judge(m *topology.Map) func(*topology.Dependency) policy.Verdict {
	if d == nil {
		return nil
	}
	return func(dep *topology.Dependency) policy.Verdict {
		return d.evaluator.Evaluate(policy.Facts{Client: policy.PartyOf(m, dep.Client), Server: policy.PartyOf(m, dep.Server), Service: dep.Service})
	}
}

// Bounds of the cache of recommendations. It exists because every box opened
// under a draft asks for the same one; a decision or document empties it.
const (
	cachedAdvices = 8
	adviceAge     = time.Minute
)

type advised struct {
	of    *topology.Map
	query adviceKey
	rec   *policy.Recommendation
	at    time.Time
}

type adviceKey struct {
	Window
	level policy.Level
	base  bool
}

// adviceCache keeps the recommendations made last. The zero value is ready; safe
// for concurrent use.
type adviceCache struct {
	mu   sync.Mutex
	list []advised // oldest first
}

func (c *adviceCache) get(m *topology.Map, key adviceKey, now time.Time) *policy.Recommendation {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.list {
		if a.of == m && a.query == key && now.Sub(a.at) < adviceAge {
			return a.rec
		}
	}
	return nil
}

func (c *adviceCache) put(a advised) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.list) == cachedAdvices {
		c.list = append(c.list[:0:0], c.list[1:]...)
	}
	c.list = append(c.list, a)
}

func (c *adviceCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = nil
}

// advise asks the backend for a recommendation over m, or remembers the answer.
func (s *server) advise(ctx context.Context, m *topology.Map, q RecommendQuery) (*policy.Recommendation, error) {
	key := adviceKey{q.Window, q.Level, q.Base}
	if rec := s.advices.get(m, key, s.Now()); rec != nil {
		return rec, nil
	}
	rec, err := s.backend.Recommend(ctx, q)
	if err != nil {
		return nil, err
	}
	s.advices.put(advised{m, key, rec, s.Now()})
	return rec, nil
}
