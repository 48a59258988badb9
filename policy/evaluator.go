package policy

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/flow"
)

// Identity stands for all parties a set cannot tell apart. It belongs to the
// Evaluator that gave it.
type Identity int32

// Evaluator answers as Evaluate does, a million times a second. It remembers
// what it has worked out: which rules match a pair of identities is found when
// the pair is first met, and kept. The set must not change; safe for concurrent
// use; judging does not allocate once a pair is known, unless a rule of it asks
// for a process.
//
// Parties are known again by their Labels map, which must not be changed once it
// was judged by.
//
// Memory grows with the identities the set can tell apart and the pairs of them
// met, not with traffic: addresses and labels the set does not name share one
// identity. Pairs beyond maxPairs are forgotten all at once, and no more than
// maxParties parties are known by their map.
type Evaluator struct {
	set     *Set
	vocab   *vocabulary
	pools   *poolIndex
	parties atomic.Pointer[partyTable]
	pairs   atomic.Pointer[pairTable]

	mu         sync.RWMutex
	ids        map[string]Identity
	identities []*identity
	tables     map[string]*table // by what they are made of, see sideKey
	rules      map[*Rule]*rankedRule
}

// maxPairs bounds what is remembered: 24 bytes each, in a table at most half full.
const maxPairs = 4 << 20

// pair is the tables of a flow's two ends; nil where an end is not protected.
type pair struct{ in, out *table }

// rankedRule is a rule with its verdict prepared.
type rankedRule struct {
	*Rule
	policy  *Policy
	rank    uint32 // order in which rules decide, unique
	verdict Verdict
}

// identity is what is known of an identity once and for all.
type identity struct {
	party    Party         // one that has it
	pool     []*Policy     // protecting it, by name
	enforced []*Policy     // those of them in enforce
	poolKey  string        // equal for equal pools
	in, out  []*rankedRule // rules of the pool whose To (From) matches it, by rank
}

// NewEvaluator prepares set, which must be valid and is kept.
func NewEvaluator(set *Set) *Evaluator {
	e := &Evaluator{set: set, vocab: newVocabulary(set), pools: newPoolIndex(set), ids: map[string]Identity{},
		tables: map[string]*table{}, rules: map[*Rule]*rankedRule{}}
	e.pairs.Store(newPairTable(minPairSlots))
	e.parties.Store(newPartyTable(minPartySlots))
	var all []*rankedRule
	for i := range set.Policies {
		p := &set.Policies[i]
		for j := range p.Rules {
			r := &rankedRule{Rule: &p.Rules[j], policy: p, verdict: ruleVerdict(p, &p.Rules[j])}
			e.rules[r.Rule] = r
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b *rankedRule) int {
		return cmp.Or(precedence(a.Action)-precedence(b.Action), cmp.Compare(a.policy.Name, b.policy.Name), cmp.Compare(a.Name, b.Name))
	})
	for i, r := range all {
		r.rank = uint32(i)
	}
	return e
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
	if len(p.Domains) > 0 && len(e.vocab.domains) > 0 {
		return e.identify(p)
	}
	key := partyKey(p)
	if id, ok := e.parties.Load().get(p, key); ok {
		return id
	}
	id := e.identify(p)
	e.mu.Lock()
	defer e.mu.Unlock()
	have := e.parties.Load()
	if next := have.with(p, key, id); next != have {
		e.parties.Store(next)
	}
	return id
}

// identify reads what the set can tell parties apart by.
func (e *Evaluator) identify(p *Party) Identity {
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
	known := &identity{party: *p, pool: e.pools.protecting(p)}
	known.party.Addr = p.Addr.Unmap()
	known.party.Labels, known.party.Domains = maps.Clone(p.Labels), slices.Clone(p.Domains)
	known.enforced = pastMonitor(known.pool)
	for _, q := range known.pool {
		known.poolKey += q.Name + "\n"
		for i := range q.Rules {
			r := e.rules[&q.Rules[i]]
			if anyPeer(e.set, r.To, p) {
				known.in = append(known.in, r)
			}
			if anyPeer(e.set, r.From, p) {
				known.out = append(known.out, r)
			}
		}
	}
	byRank := func(a, b *rankedRule) int { return cmp.Compare(a.rank, b.rank) }
	slices.SortFunc(known.in, byRank)
	slices.SortFunc(known.out, byRank)
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
	p := e.pair(client, server)
	in, out := p.in.judge(svc, process), p.out.judge(svc, clientProcess)
	switch {
	case p.in == nil && p.out == nil:
		return untouchedVerdict
	case p.in == nil || (p.out != nil && severity(out.Outcome) > severity(in.Outcome)):
		return *out
	}
	return *in
}

// JudgeEnds returns the verdicts of the server's and of the client's end, each
// Untouched where the end is not protected. Judge gives the worse of the two.
func (e *Evaluator) JudgeEnds(client, server Identity, svc flow.Service) (in, out Verdict) {
	p := e.pair(client, server)
	return *p.in.judge(svc, ""), *p.out.judge(svc, "")
}

func (e *Evaluator) pair(client, server Identity) *pair {
	key := pairKey(client, server)
	if p := e.pairs.Load().get(key); p != nil {
		return p
	}
	return e.newPair(key, client, server)
}

func (e *Evaluator) newPair(key uint64, client, server Identity) *pair {
	e.mu.RLock()
	c, s := e.identities[client], e.identities[server]
	e.mu.RUnlock()
	p := pair{in: e.table(s, c, Inbound), out: e.table(c, s, Outbound)}
	e.mu.Lock()
	defer e.mu.Unlock()
	have := e.pairs.Load()
	if next := have.with(key, p); next != have {
		e.pairs.Store(next)
	}
	return &p
}

// table finds or builds the verdicts at self's end against peer.
func (e *Evaluator) table(self, peer *identity, way Direction) *table {
	if len(self.pool) == 0 {
		return nil
	}
	s := e.newSide(self, peer, way)
	key := sideKey(self, s, way)
	e.mu.RLock()
	t, ok := e.tables[string(key)]
	e.mu.RUnlock()
	if ok {
		return t
	}
	s.denyAll, s.fallback = defaultVerdict(self.pool, way)
	if s.enforced {
		s.denyEnforced, s.fallbackEnforced = defaultVerdict(self.enforced, way)
	}
	t = s.compile()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tables[string(key)] = t
	return t
}

// newSide gathers what can decide at one end, but for the defaults.
func (e *Evaluator) newSide(self, peer *identity, way Direction) *side {
	s := &side{enforced: len(self.enforced) > 0}
	rules := self.in
	if way == Outbound {
		rules = self.out
	}
	for _, r := range rules {
		peers := r.From
		if way == Outbound {
			peers = r.To
		}
		if anyPeer(e.set, peers, &peer.party) {
			s.rules = append(s.rules, r)
		}
	}
	for i := range e.set.AlwaysAllowed {
		if x := &e.set.AlwaysAllowed[i]; (x.Direction == BothWays || x.Direction == way) &&
			(len(x.Networks) == 0 || anyContains(x.Networks, peer.party.Addr)) {
			s.always = append(s.always, x)
		}
	}
	s.breakGlass = way == Inbound && anyContains(e.set.BreakGlass, peer.party.Addr)
	return s
}

// sideKey is equal for sides that judge alike.
func sideKey(self *identity, s *side, way Direction) []byte {
	key := append(make([]byte, 0, 128), byte(way), 0)
	if s.breakGlass {
		key[1] = 1
	}
	for _, x := range s.always {
		key = append(append(key, x.Name...), 0)
	}
	key = append(append(append(key, 1), self.poolKey...), 0)
	for _, r := range s.rules {
		key = binary.LittleEndian.AppendUint32(key, r.rank)
	}
	return key
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
