package scenario

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// event is a flow about to happen.
type event struct {
	at   flow.Time
	link int32
	r    rng
}

// days calls f for each captured day with the day's events in time order. The
// slice is reused.
func (e *Estate) days(f func([]event) error) error {
	perDay := make([][]int32, e.opts.Days) // flows of each link, by day
	counts := make([]int, 0, e.opts.Days)
	for l := range e.links {
		counts = e.counts(int32(l), counts)
		for day, n := range counts {
			if n > 0 && !e.missing(day) {
				perDay[day] = append(perDay[day], int32(l), int32(n))
			}
		}
	}
	var events []event
	for day := range perDay {
		events = events[:0]
		for i := 0; i < len(perDay[day]); i += 2 {
			l, n := perDay[day][i], int(perDay[day][i+1])
			for k := range n {
				if t, r := e.moment(l, day, k, n); e.happens(l, t) {
					events = append(events, event{t, l, r})
				}
			}
		}
		perDay[day] = nil
		slices.SortFunc(events, func(a, b event) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.link, b.link), cmp.Compare(a.r, b.r))
		})
		if err := f(events); err != nil {
			return err
		}
	}
	return nil
}

// happens reports whether both ends of the link are there at t.
func (e *Estate) happens(l int32, t flow.Time) bool {
	k := &e.links[l]
	return e.hosts[k.client].present(t) && e.hosts[k.server].present(t)
}

// Flows calls f with every flow a perfect sensor would report, in order of their
// beginning, and stops at its first error. The record belongs to f.
func (e *Estate) Flows(f func(flow.Record) error) error {
	var id uint64
	return e.days(func(events []event) error {
		for i := range events {
			id++
			s := e.shapeOf(events[i].link, events[i].at, events[i].r)
			r := e.record(&s)
			r.ID = id
			if err := f(r); err != nil {
				return err
			}
		}
		return nil
	})
}

// record is what a perfect sensor reports of a flow.
func (e *Estate) record(s *shape) flow.Record {
	k := s.link
	client := e.clientParty(k, s.v6)
	r := flow.Record{
		Key: flow.Key{
			Client: client.Addr, Server: e.hosts[k.server].addr(s.v6),
			ClientPort: s.port, ServerPort: k.svc.Port, Proto: k.svc.Proto,
		},
		Outcome: k.outcome, Evidence: flow.EvidenceSYN, Confidence: 100,
		End: flow.EndIdle, Sensor: Sensor, Source: flow.SourcePackets, VLAN: e.vlan(k.server),
	}
	if k.svc.Proto != flow.TCP {
		r.Evidence, r.Confidence = evidenceOf(k.svc)
	} else if k.outcome != flow.Unanswered {
		r.End = flow.EndOfFlow
	}
	if !flow.HasPorts(k.svc.Proto) {
		r.Key.ClientPort = 0
	}
	s.sums(&r)
	e.oneSided(s, &r)
	r.ClientWorkload, r.ServerWorkload = client.Workload, e.key(k.server)
	return r
}

// Sensor is the name of the tap that sees the estate.
const Sensor = "tap"

// evidenceOf is what can be known of a datagram's direction from one flow.
func evidenceOf(svc flow.Service) (flow.Evidence, uint8) {
	if contentOf(svc) != contentOpaque || svc.Proto == flow.ICMP || svc.Proto == flow.ICMPv6 {
		return flow.EvidenceSemantics, 99
	}
	return flow.EvidenceKnownPort, 90
}

// oneSided removes what a tap that sees one direction does not see. Of TCP the
// visible half still proves that the other side took part.
func (e *Estate) oneSided(s *shape, r *flow.Record) {
	switch s.link.sees {
	case clientOnly:
		r.ServerPackets, r.ServerBytes, r.ServerFlags = 0, 0, 0
	case serverOnly:
		r.ClientPackets, r.ClientBytes, r.ClientFlags = 0, 0, 0
	default:
		return
	}
	if r.Key.Proto != flow.TCP {
		r.Outcome, r.Evidence, r.Confidence = flow.OneWay, flow.EvidencePortPrior, 70
	}
}

// clientParty is the client as the sensor sees it: behind a translated address
// where there is one.
func (e *Estate) clientParty(k *link, v6 bool) flow.Party {
	if e.translated(k) {
		return flow.Party{Addr: e.pool[int(k.client)%len(e.pool)]}
	}
	return flow.Party{Addr: e.hosts[k.client].addr(v6), Workload: e.key(k.client)}
}

func (h *host) addr(v6 bool) netip.Addr {
	if v6 {
		return h.v6
	}
	return h.v4
}

// key is the workload key of a host that the inventory knows, else 0.
func (e *Estate) key(h int32) uint64 {
	if e.hosts[h].outside() {
		return 0
	}
	return topology.WorkloadKey(e.hosts[h].name)
}

// vlan is the 802.1Q id of the segment a host stands in: one per application.
func (e *Estate) vlan(h int32) uint16 {
	if e.hosts[h].outside() {
		return 10
	}
	return 100 + uint16(e.hosts[h].app%3900)
}
