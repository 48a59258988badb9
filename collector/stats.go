package collector

import (
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/names"
	"github.com/bulkhead/bulkhead/collector/netflow"
	"github.com/bulkhead/bulkhead/flow"
)

// Stats are the counters of a collector. They hold:
//
//	Frames = Walked + Exports + Walk.Total()
//	Walked + Outer = Assemble.Packets
//	Assemble.Packets = Assemble.Counted + Assemble.Fragments + Assemble.Waiting + Assemble.Drops.Total()
type Stats struct {
	Frames  uint64 // read from the file or the ring
	Bytes   uint64 // of frames, on the wire
	Walked  uint64 // IP packets given to assemble
	Outer   uint64 // packets that carried a tunnel, given to assemble besides
	Exports uint64 // flow export datagrams given to the decoder
	// ExportRecords came out of those.
	ExportRecords uint64
	// Truncated packets were cut by the capture's snap length; they count in full.
	Truncated uint64
	// First and Last are the times of frames, the earliest and the latest.
	First, Last flow.Time

	// Kernel are the counters of the rings, on live interfaces; what the kernel
	// dropped is not among Frames.
	Kernel capture.RingStats

	Walk     flow.Drops // frames that held no packet that could be counted
	Assemble assemble.Stats
	Names    names.Stats
	NetFlow  netflow.Stats
}

// Drops is everything that was dropped, over all stages.
func (s *Stats) Drops() flow.Drops {
	all := s.Walk
	all.Add(flow.DropKernel, s.Kernel.Dropped)
	all.Merge(&s.Assemble.Drops)
	exports := s.NetFlow.Drops()
	all.Merge(&exports)
	return all
}

// Records is how many flow records came out, of packets and of exports.
func (s *Stats) Records() uint64 { return s.Assemble.Records + s.ExportRecords }

// merge adds o's counters, of another ring, to s; those of flow exports are not
// added, as rings share their decoder.
func (s *Stats) merge(o *Stats) {
	s.Frames += o.Frames
	s.Bytes += o.Bytes
	s.Walked += o.Walked
	s.Outer += o.Outer
	s.Exports += o.Exports
	s.Truncated += o.Truncated
	if s.First == 0 || o.First != 0 && o.First < s.First {
		s.First = o.First
	}
	s.Last = max(s.Last, o.Last)
	s.Kernel.Add(o.Kernel)
	s.Walk.Merge(&o.Walk)
	s.Assemble.Merge(&o.Assemble)
	s.Names.Merge(&o.Names)
}
