package policy

import (
	"cmp"
	"maps"
	"slices"
	"sync"

	"github.com/bulkhead/bulkhead/flow"
)

// Identity stands for all parties a set cannot tell apart. It belongs to the
// Evaluator that gave it.
type Identity int32

// Evaluator answers as Evaluate does, a million times a second. It remembers
// what it has worked out: the verdicts of a pair of identities are computed when
// the pair is first met, and kept. The set must not change; safe for concurrent
// use; judging does not allocate once a pair is known.
//
// Memory grows with the identities the set can tell apart and the pairs met, not
// with traffic: addresses and labels the set does not name share one identity.
// Pairs beyond maxPairs are forgotten all at once.
type Evaluator struct {
	set   *Set
	vocab *vocabulary

	mu         sync.RWMutex
	ids        map[string]Identity
	identities []identity
	pairs      map[uint64]*pair
}

const maxPairs = 4 << 20

// rankedRule is a rule with its verdict prepared.
type rankedRule struct {
	*Rule
	policy  *Policy
	verdict Verdict
}

// identity is what is known of an identity once and for all.
type identity struct {
	party    Party        // one that has it
	pool     []*Policy    // protecting it, by name
	in, out  []rankedRule // rules of the pool whose To (From) matches it
	enforced []*Policy
}

// NewEvaluator prepares set, which must be valid and is kept.
func NewEvaluator(set *Set) *Evaluator {
	return &Evaluator{set: set, vocab: newVocabulary(set), ids: map[string]Identity{}, pairs: map[uint64]*pair{}}
}

// Set returns the set the evaluator judges by.
func (e *Evaluator) Set() *Set { return e.set }

// Evaluate judges one flow.
func (e *Evaluator) Evaluate(f Facts) Verdict {
	return e.Judge(e.Identify(&f.Client), e.Identify(&f.Server), f.Service, f.ClientProcess, f.Process)
}

// Identify returns the identity of a party. Callers that judge many flows of few
// parties keep it.
func (e *Evaluator) Identify(p *Party) Identity {
	var buf [192]byte
	key := e.vocab.appendKey(buf[:0], p)
	e.mu.RLock()
	id, ok := e.ids[string(key)]
	e.mu.RUnlock()
	if ok {
		return id
	}
	return e.newIdentity(string(key), p)
}

func (e *Evaluator) newIdentity(key string, p *Party) Identity {
	known := identity{party: *p, pool: protecting(e.set, p)}
	known.party.Addr = p.Addr.Unmap()
	known.party.Labels, known.party.Domains = maps.Clone(p.Labels), slices.Clone(p.Domains)
	known.enforced = pastMonitor(known.pool)
	for _, q := range known.pool {
		for i := range q.Rules {
			r := rankedRule{&q.Rules[i], q, ruleVerdict(q, &q.Rules[i])}
			if anyPeer(e.set, r.To, p) {
				known.in = append(known.in, r)
			}
			if anyPeer(e.set, r.From, p) {
				known.out = append(known.out, r)
			}
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if id, ok := e.ids[key]; ok {
		return id
	}
	id := Identity(len(e.identities))
	e.identities = append(e.identities, known)
	e.ids[key] = id
	return id
}

// Protected returns the policies past draft that protect an identity, by name.
func (e *Evaluator) Protected(id Identity) []*Policy {
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.identities[id].pool
}

// Judge judges one flow between identities. clientProcess and process are the
// using and the serving unit, "" when not known.
func (e *Evaluator) Judge(client, server Identity, svc flow.Service, clientProcess, process string) Verdict {
	key := uint64(uint32(client))<<32 | uint64(uint32(server))
	e.mu.RLock()
	p, ok := e.pairs[key]
	e.mu.RUnlock()
	if !ok {
		p = e.newPair(key, client, server)
	}
	return p.judge(svc, clientProcess, process)
}

func (e *Evaluator) newPair(key uint64, client, server Identity) *pair {
	e.mu.RLock()
	c, s := e.identities[client], e.identities[server]
	e.mu.RUnlock()
	p := &pair{in: e.newSide(&s, &c, Inbound), out: e.newSide(&c, &s, Outbound)}
	p.compile()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.pairs) >= maxPairs {
		clear(e.pairs)
	}
	e.pairs[key] = p
	return p
}

// newSide gathers what can decide at one end: self's, against peer.
func (e *Evaluator) newSide(self, peer *identity, way Direction) *side {
	if len(self.pool) == 0 {
		return nil
	}
	s := &side{enforced: len(self.enforced) > 0}
	rules, peersOf := self.in, func(r *Rule) []Peer { return r.From }
	if way == Outbound {
		rules, peersOf = self.out, func(r *Rule) []Peer { return r.To }
	}
	for _, r := range rules {
		if anyPeer(e.set, peersOf(r.Rule), &peer.party) {
			s.rules = append(s.rules, r)
		}
	}
	slices.SortStableFunc(s.rules, func(a, b rankedRule) int {
		return cmp.Or(precedence(a.Action)-precedence(b.Action), cmp.Compare(a.policy.Name, b.policy.Name), cmp.Compare(a.Name, b.Name))
	})
	for i := range e.set.AlwaysAllowed {
		if x := &e.set.AlwaysAllowed[i]; (x.Direction == BothWays || x.Direction == way) &&
			(len(x.Networks) == 0 || anyContains(x.Networks, peer.party.Addr)) {
			s.always = append(s.always, x)
		}
	}
	s.breakGlass = way == Inbound && anyContains(e.set.BreakGlass, peer.party.Addr)
	s.denyAll, s.fallback = defaultVerdict(self.pool, way)
	if s.enforced {
		s.denyEnforced, s.fallbackEnforced = defaultVerdict(self.enforced, way)
	}
	return s
}

func precedence(a Action) int {
	switch a {
	case OverrideDeny:
		return 0
	case Allow:
		return 1
	}
	return 2
}
