package assemble_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
)

// cut returns the pieces of a UDP packet of client to server:2049: the first with
// ports and 100 bytes, the others without and with 10, 20, … bytes.
func cut(id uint32, pieces int, at flow.Time) []*capture.Packet {
	var out []*capture.Packet
	for i := range pieces {
		p := &capture.Packet{Time: at.Add(time.Duration(i) * time.Microsecond), Proto: flow.UDP, Src: client, Dst: server, FragID: id, Fragment: capture.LaterFragment, Bytes: uint32(10 * i)}
		if i == 0 {
			p.Fragment, p.SrcPort, p.DstPort, p.Bytes = capture.FirstFragment, 700, 2049, 100
		}
		out = append(out, p)
	}
	return out
}

// A packet counts once and in its full length in whatever order its pieces come.
func TestPiecesOfAPacketCountAsThePacketInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var ps []*capture.Packet
		packets, octets := rapid.IntRange(1, 20).Draw(rt, "packets"), uint64(0)
		for id := range packets {
			n := rapid.IntRange(1, 6).Draw(rt, "pieces")
			octets += 100 + 10*uint64(n*(n-1)/2)
			ps = append(ps, cut(uint32(id), n, start)...)
		}
		ps = rapid.Permutation(ps).Draw(rt, "order")
		got := assembled(t, assemble.Options{Seed: 1}, ps...)
		if len(got) != 1 || got[0].ClientPackets != uint64(packets) || got[0].ClientBytes != octets || got[0].Key.ServerPort != 2049 {
			rt.Errorf("%d packets of %d bytes came out as %+v", packets, octets, got)
		}
	})
}

func TestPiecesWithoutAFirstAreDroppedAndCounted(t *testing.T) {
	var s sink
	table := assemble.New(assemble.Options{Seed: 1}, s.take)
	lone := cut(1, 4, start)
	for _, p := range lone[1:] {
		table.Packet(p)
	}
	if st := table.Stats(); st.Waiting != 3 || st.Drops.Total() != 0 {
		t.Fatalf("before the time is over: %+v", st)
	}
	late := cut(1, 2, start.Add(40*time.Second))
	table.Packet(late[0]) // its number is that of the old pieces, which are not its
	table.Packet(late[1])
	if st := table.Stats(); st.Waiting != 0 || st.Drops[flow.DropFragment] != 3 || st.Fragments != 1 {
		t.Errorf("after it: %+v", st)
	}
	for _, p := range cut(9, 3, start.Add(50*time.Second))[1:] {
		table.Packet(p)
	}
	table.Advance(start.Add(10 * time.Minute))
	if st := table.Stats(); st.Waiting != 0 || st.Drops[flow.DropFragment] != 5 {
		t.Errorf("on a quiet line: %+v", st)
	}
	if err := table.Flush(); err != nil || len(s.records) != 1 || s.records[0].ClientBytes != 110 {
		t.Errorf("%v, records %+v", err, s.records)
	}
}

// A flood of pieces takes no memory, displaces the oldest, and is accounted for.
func TestFloodOfPiecesIsBounded(t *testing.T) {
	var s sink
	table := assemble.New(assemble.Options{Seed: 1}, s.take)
	piece := cut(0, 2, start)[1]
	n := testing.AllocsPerRun(100_000, func() {
		piece.FragID++
		piece.Time++
		table.Packet(piece)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	st := table.Stats()
	if st.Waiting == 0 || st.Waiting > 1024 || st.Packets != st.Waiting+st.Drops[flow.DropFragment] || st.Live != 0 {
		t.Errorf("%+v", st)
	}
	if err := table.Flush(); err != nil || len(s.records) != 0 || table.Stats().Waiting != 0 {
		t.Errorf("%v, %d records, %+v", err, len(s.records), table.Stats())
	}
}

// The pieces of a packet that was counted as a copy are copies too.
func TestPiecesSeenOnTwoInterfacesCountOnce(t *testing.T) {
	var ps []*capture.Packet
	for _, p := range cut(5, 3, start) {
		q := *p
		q.Interface = 1
		ps = append(ps, p, &q)
	}
	for _, order := range [][]*capture.Packet{ps, {ps[2], ps[3], ps[4], ps[5], ps[0], ps[1]}} {
		got := assembled(t, assemble.Options{Seed: 1}, order...)
		if len(got) != 1 || got[0].ClientPackets != 1 || got[0].ClientBytes != 130 {
			t.Errorf("%+v", got)
		}
	}
}
