package direction

import (
	"math"
	"math/bits"
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

type role uint8

const (
	roleUnknown role = iota
	roleServed       // the flow proves that this end served
	roleUsed         // the flow proves that this end was a client's
)

// end is what is remembered of one (address, scope, protocol, port).
type end struct {
	addr   [16]byte // IPv4 as IPv4-mapped
	scope  flow.Scope
	port   uint16
	proto  uint8 // 0: free slot
	peers  uint64
	served uint32
	used   uint32
}

// bucketSize ends share a bucket; a full bucket forgets its weakest.
const bucketSize = 8

// ends is a set-associative table: bounded, without tombstones, and growing by
// doubling until its bound. tags has a word for each bucket, with a byte of the
// hash for each slot (0: free), so that asking for what is not there, which is
// what most questions are, touches one cache line.
type ends struct {
	tags  []uint64
	slots []end // buckets of bucketSize
	count int
	limit int // slots at most
	seed  uint64
}

func newEnds(limit int, seed uint64) *ends {
	limit = 1 << bits.Len(uint(max(limit, bucketSize)-1)) // next power of two
	t := &ends{limit: limit, seed: seed}
	t.make(min(limit, 1024))
	return t
}

func (t *ends) make(n int) {
	t.slots, t.tags, t.count = make([]end, n), make([]uint64, n/bucketSize), 0
}

// note records that peer was on the other side of e.
func (t *ends) note(f Flow, e, peer End, r role) {
	key := makeEnd(f, e)
	s := t.find(key)
	if s == nil {
		s = t.insert(key)
	}
	s.peers |= 1 << (hashAddr(t.seed^1, peer.Addr.As16(), uint64(peer.Port)) & 63)
	s.count(r)
}

// amend records r on e if e is remembered.
func (t *ends) amend(f Flow, e End, r role) {
	if s := t.find(makeEnd(f, e)); s != nil {
		s.count(r)
	}
}

func (s *end) count(r role) {
	switch {
	case r == roleServed && s.served < math.MaxUint32:
		s.served++
	case r == roleUsed && s.used < math.MaxUint32:
		s.used++
	}
}

// score is how strongly e is known to serve, in doublings: two per doubling of
// proven flows, one per doubling of distinct peers, and less what it was proven
// to use.
func (t *ends) score(f Flow, e End) float64 {
	s := t.find(makeEnd(f, e))
	if s == nil {
		return 0
	}
	return 2*log2(s.served) - 2*log2(s.used) + fanIn[bits.OnesCount64(s.peers)]
}

// log2 is the logarithm of n+1.
func log2(n uint32) float64 {
	if int(n) < len(logs) {
		return logs[n]
	}
	return math.Log2(1 + float64(n))
}

var (
	logs  = tabulate(func(n float64) float64 { return math.Log2(1 + n) })
	fanIn = tabulate(fanInLog)
)

func tabulate(f func(float64) float64) (t [65]float64) {
	for i := range t {
		t[i] = f(float64(i))
	}
	return t
}

// fanInLog is the logarithm of the number of distinct (address, port) peers, by
// linear counting (Whang, Vander-Zanden, Taylor 1990): n = -m ln(V/m), m bits of
// which V are clear. 64 bits saturate at about 266, far beyond what a decision
// needs.
func fanInLog(set float64) float64 {
	return math.Log2(max(1, -64*math.Log(max(64-set, 1)/64)))
}

func makeEnd(f Flow, e End) end {
	return end{addr: e.Addr.As16(), scope: f.Scope, port: e.Port, proto: f.Proto}
}

func (s *end) same(k *end) bool {
	return s.port == k.port && s.proto == k.proto && s.scope == k.scope && s.addr == k.addr
}

// place gives k's bucket and its tag, which is never 0.
func (t *ends) place(k *end) (bucket int, tag uint64) {
	h := hashAddr(t.seed, k.addr, uint64(k.scope)<<24|uint64(k.port)<<8|uint64(k.proto))
	return int(h) & (len(t.tags) - 1), h>>57 | 0x80
}

func (t *ends) find(k end) *end {
	b, tag := t.place(&k)
	// A byte of x is 0 where the tag matches (Hacker's Delight §6-1); tags have
	// their top bit set, so the test never mistakes a free slot.
	x := t.tags[b] ^ tag*ones
	for m := (x - ones) &^ x & (ones << 7); m != 0; m &= m - 1 {
		if s := &t.slots[b*bucketSize+bits.TrailingZeros64(m)/8]; s.same(&k) {
			return s
		}
	}
	return nil
}

// touch loads e's tags and the slot that they point to first.
func (t *ends) touch(f Flow, e End) uint64 {
	k := makeEnd(f, e)
	b, tag := t.place(&k)
	x := t.tags[b] ^ tag*ones
	m := (x - ones) &^ x & (ones << 7)
	if m == 0 {
		return x
	}
	return t.slots[b*bucketSize+bits.TrailingZeros64(m)/8].peers
}

const ones = 0x0101010101010101

// insert finds room for k: a free slot, a larger table, or the weakest end of the
// bucket.
func (t *ends) insert(k end) *end {
	if t.count > len(t.slots)/2 && len(t.slots) < t.limit {
		t.grow()
	}
	b, tag := t.place(&k)
	bucket := t.slots[b*bucketSize : (b+1)*bucketSize]
	victim := 0
	for i := range bucket {
		if bucket[i].proto == 0 {
			t.count++
			victim = i
			break
		}
		if bucket[i].strength() < bucket[victim].strength() {
			victim = i
		}
	}
	bucket[victim] = k
	shift := 8 * victim
	t.tags[b] = t.tags[b]&^(0xff<<shift) | tag<<shift
	return &bucket[victim]
}

func (s *end) strength() uint64 {
	return uint64(s.served)*4 + uint64(s.used) + uint64(bits.OnesCount64(s.peers))
}

func (t *ends) grow() {
	old := t.slots
	t.make(2 * len(old))
	for i := range old {
		if old[i].proto != 0 {
			*t.insert(old[i]) = old[i]
		}
	}
}

// hashAddr mixes an address with another word by multiplication folding (as
// wyhash does), keyed by seed.
func hashAddr(seed uint64, a [16]byte, x uint64) uint64 {
	lo, hi := le64(a[:8]), le64(a[8:])
	h := fold(lo^seed^0x9e3779b97f4a7c15, hi^0xe7037ed1a0b428db)
	return fold(h^x, seed^0x8ebc6af09c88c6e3)
}

func fold(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func le64(b []byte) uint64 {
	_ = b[7]
	return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
}

// Serves reports how strongly the data set shows that addr serves the service:
// 0 not at all, 2 for one proven flow, one more for each doubling.
func (l *Learner) Serves(addr netip.Addr, scope flow.Scope, s flow.Service) float64 {
	return l.ends.score(Flow{Scope: scope, Proto: s.Proto}, End{addr, s.Port})
}
