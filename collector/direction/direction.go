// Package direction decides which end of a flow is the client. One flow often
// cannot say: a capture starts in the middle of a connection, a tap sees one side
// only, an exporter reports two unrelated halves. So the package learns, over the
// whole data set, which (address, protocol, port) serve, and asks that before it
// falls back on what port numbers usually mean.
//
// In come flows with their two ends in the order they were first seen, and what
// the flow itself shows (a SYN, a DNS answer, an exporter's initiator field); out
// comes a Verdict with its Evidence and a Confidence. Evidence is used in the
// order of flow.Evidence, strongest first. Packets (assemble) and exported
// records (netflow) share the package, so that both decide alike.
//
// A Learner is not safe for concurrent use: each collector owns one, or guards it.
package direction

import (
	"net/netip"

	"github.com/bulkhead/bulkhead/flow"
)

// End is one end of a flow.
type End struct {
	Addr netip.Addr
	Port uint16
}

// Flow is what Decide and Learn need of a flow. A is the end that was seen
// sending first, or the source of the half that arrived first.
type Flow struct {
	A, B  End
	Proto uint8
	Scope flow.Scope
	Hint  Hint
}

// Hint is the best evidence the flow itself shows. The zero Hint says nothing.
type Hint struct {
	// Evidence is EvidenceSYN, EvidenceExporter, EvidenceConntrack or
	// EvidenceSemantics; anything weaker is ignored.
	Evidence  flow.Evidence
	ClientIsA bool
	// Both is set when both ends agree, as with SYN answered by SYN+ACK.
	Both bool
}

// Verdict is a decision: whether A is the client, why, and how surely.
type Verdict struct {
	ClientIsA  bool
	Evidence   flow.Evidence
	Confidence uint8 // 0..100
}

// Options configure a Learner. The zero value is usable.
type Options struct {
	// MaxEnds bounds the table of remembered ends, 40 bytes each; 0 means 262,144.
	// When it is full the end with the least evidence in its bucket is forgotten.
	MaxEnds int
	// Overrides are the operator's words; they win over everything.
	Overrides Overrides
	// Seed keys the hash. Traffic made to collide can only make the table forget
	// ends; decisions depend on the seed a little, so that equal output needs equal
	// seeds.
	Seed uint64
}

// Confidence of evidence that a flow shows by itself. A handshake seen from both
// sides is as sure as anything on a wire; a lone SYN may be spoofed.
const (
	confidenceOverride  = 100
	confidenceHandshake = 100
	confidenceSYN       = 97
	confidenceExporter  = 92
	confidenceConntrack = 99
	confidenceSemantics = 95
	confidenceFirst     = 50
)

// Learner remembers which ends serve.
type Learner struct {
	overrides Overrides
	ends      *ends
}

// New returns an empty Learner.
func New(o Options) *Learner {
	if o.MaxEnds <= 0 {
		o.MaxEnds = 1 << 18
	}
	return &Learner{overrides: o.Overrides, ends: newEnds(o.MaxEnds, o.Seed)}
}

// Override replaces the operator's words. What was learned stays.
func (l *Learner) Override(o Overrides) { l.overrides = o }

// Overrides are the operator's words in force.
func (l *Learner) Overrides() Overrides { return l.overrides }

// Decide says which end of f is the client. It does not learn from f.
func (l *Learner) Decide(f Flow) Verdict {
	if v, ok := l.overrides.decide(f); ok {
		return v
	}
	if v, ok := f.Hint.verdict(); ok {
		return v
	}
	prior := Prior(f.Proto, f.B.Port) - Prior(f.Proto, f.A.Port) // > 0: B serves
	if v, ok := l.known(f, prior); ok {
		return v
	}
	if flow.HasPorts(f.Proto) && abs(prior) >= minPrior(f.Proto) {
		return Verdict{ClientIsA: prior > 0, Evidence: flow.EvidencePortPrior, Confidence: uint8(50 + min(abs(prior), 40))}
	}
	return Verdict{ClientIsA: true, Evidence: flow.EvidenceFirstSeen, Confidence: confidenceFirst}
}

// Learn remembers f. Call it once per flow that was answered, or that the sensor
// can see one side of only; never for refused or unanswered ones, which is what a
// scan is made of.
func (l *Learner) Learn(f Flow) {
	if !flow.HasPorts(f.Proto) {
		return
	}
	client, server := f.A, f.B
	v, sure := f.Hint.verdict()
	if o, ok := l.overrides.decide(f); ok {
		v, sure = o, true
	}
	if sure && !v.ClientIsA {
		client, server = server, client
	}
	if sure {
		l.ends.note(f, server, client, roleServed)
		// The client's end matters only if it is remembered already: noting every
		// ephemeral port would push the servers out.
		l.ends.amend(f, client, roleUsed)
		return
	}
	// The end that looks ephemeral against a registered one is not worth a place:
	// should it really serve, its other peers look ephemeral, too.
	prior := Prior(f.Proto, f.B.Port) - Prior(f.Proto, f.A.Port)
	if prior < clearPrior {
		l.ends.note(f, f.A, f.B, roleUnknown)
	}
	if prior > -clearPrior {
		l.ends.note(f, f.B, f.A, roleUnknown)
	}
}

// Touch loads what Decide and Learn will ask about f into the cache. Who has
// several flows to decide calls it for all of them first, so that their misses
// overlap, and uses the result for anything that keeps the loads in the program.
func (l *Learner) Touch(f Flow) uint64 {
	return l.ends.touch(f, f.A) + l.ends.touch(f, f.B)
}

// Revise decides a finished record again with what has been learned since, and
// turns it round when that says so. It reports whether anything changed. Evidence
// that the flow showed by itself is never overruled, except by the operator.
func (l *Learner) Revise(r *flow.Record) bool {
	f := Flow{
		A: End{r.Key.Client, r.Key.ClientPort}, B: End{r.Key.Server, r.Key.ServerPort},
		Proto: r.Key.Proto, Scope: r.Key.Scope,
		Hint: Hint{Evidence: r.Evidence, ClientIsA: true},
	}
	if r.Evidence == flow.EvidenceOverride || !flow.HasPorts(r.Key.Proto) {
		return false
	}
	v := l.Decide(f)
	switch {
	case v.Evidence < r.Evidence || v.Evidence == r.Evidence && v.Confidence <= r.Confidence:
		return false
	case !v.ClientIsA:
		r.Reverse(v.Evidence, v.Confidence)
	default:
		r.Evidence, r.Confidence = v.Evidence, v.Confidence
	}
	return true
}

// Weak reports whether more of the data set could change v: such records are
// worth holding back until more has been learned.
func (v Verdict) Weak() bool { return v.Evidence <= flow.EvidenceKnownPort && v.Confidence < 90 }

func (h Hint) verdict() (Verdict, bool) {
	v := Verdict{ClientIsA: h.ClientIsA, Evidence: h.Evidence}
	switch h.Evidence {
	case flow.EvidenceSYN:
		v.Confidence = confidenceSYN
		if h.Both {
			v.Confidence = confidenceHandshake
		}
	case flow.EvidenceExporter:
		v.Confidence = confidenceExporter
	case flow.EvidenceConntrack:
		v.Confidence = confidenceConntrack
	case flow.EvidenceSemantics:
		v.Confidence = confidenceSemantics
	default:
		return v, false
	}
	return v, true
}

// known asks the table. Difference is in doublings: one proven handshake, or four
// peers against one, is a difference of two. Where port numbers say the opposite
// loudly, one more doubling is asked for; where they say nothing of TCP, one less.
func (l *Learner) known(f Flow, prior int) (Verdict, bool) {
	if !flow.HasPorts(f.Proto) {
		return Verdict{}, false
	}
	diff := l.ends.score(f, f.B) - l.ends.score(f, f.A) // > 0: B serves
	need := float64(2)
	if f.Proto == flow.TCP && abs(prior) < minPrior(f.Proto) {
		need = 1 // the alternative is a coin toss, and a TCP client's port has one peer
	}
	if (diff > 0) != (prior > 0) && abs(prior) >= 20 {
		need = 3
	}
	if f.A.Port == f.B.Port && Outward(f.end(diff > 0).Addr, f.end(diff <= 0).Addr) {
		need = 4 // NTP asks several servers from the port that it serves on
	}
	if diff < need && diff > -need {
		return Verdict{}, false
	}
	v := Verdict{ClientIsA: diff > 0, Evidence: flow.EvidenceKnownPort}
	v.Confidence = uint8(min(97, 64+8*max(diff, -diff)))
	if max(diff, -diff) < 2 {
		v.Confidence = 60
	}
	return v, true
}

// end is B, or A.
func (f *Flow) end(b bool) End {
	if b {
		return f.B
	}
	return f.A
}

// Outward reports whether a flow between them would lead out when from opened it:
// from is private (RFC 1918, RFC 4193) and to is not. Most flows that cross the
// border do.
func Outward(from, to netip.Addr) bool {
	return from.IsPrivate() && to.IsGlobalUnicast() && !to.IsPrivate()
}

func abs(n int) int { return max(n, -n) }
