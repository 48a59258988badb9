package scenario

import (
	"container/heap"
	"math"

	"github.com/bulkhead/bulkhead/flow"
)

// cursor is a flow of which some packets are still to come.
type cursor struct {
	shape
	next   packet
	at     flow.Time
	index  int
	serial uint64 // order of beginning, decides between equal times
}

// packets calls f with every packet the tap sees, in order of time. The values
// pointed to are only valid during the call.
func (e *Estate) packets(c Capture, f func(flow.Time, *shape, *packet) error) error {
	var open cursors
	var free []*cursor
	var serial uint64
	until := func(t flow.Time) error {
		for len(open) > 0 && open[0].at < t {
			top := open[0]
			if top.visible() {
				if err := f(top.at, &top.shape, &top.next); err != nil {
					return err
				}
			}
			if top.advance() {
				heap.Fix(&open, 0)
			} else {
				heap.Pop(&open)
				free = append(free, top)
			}
		}
		return nil
	}
	err := e.days(func(events []event) error {
		for i := range events {
			if err := until(events[i].at); err != nil {
				return err
			}
			var x *cursor
			if n := len(free); n > 0 {
				x, free = free[n-1], free[:n-1]
			} else {
				x = new(cursor)
			}
			serial++
			*x = cursor{shape: e.shapeOf(events[i].link, events[i].at, events[i].r), index: -1, serial: serial}
			x.begun(c)
			x.advance()
			heap.Push(&open, x)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return until(math.MaxInt64)
}

// begun skips the handshake of a connection that was open before the capture.
func (x *cursor) begun(c Capture) {
	if c.MidStream > 0 && x.link.svc.Proto == flow.TCP && x.link.outcome == flow.Established {
		if r := rng(x.seed); r.float() < c.MidStream {
			x.index = 2
		}
	}
}

// advance moves to the next packet; false after the last.
func (x *cursor) advance() bool {
	x.index++
	if x.index >= x.count() {
		return false
	}
	x.next = x.packet(x.index)
	x.at = x.begin.Add(x.next.offset)
	return true
}

func (x *cursor) visible() bool {
	return x.link.sees == bothWays || x.next.fromServer == (x.link.sees == serverOnly)
}

// cursors is a heap by time of the next packet (container/heap).
type cursors []*cursor

func (c cursors) Len() int { return len(c) }
func (c cursors) Less(i, j int) bool {
	if c[i].at != c[j].at {
		return c[i].at < c[j].at
	}
	return c[i].serial < c[j].serial
}
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c *cursors) Push(x any)   { *c = append(*c, x.(*cursor)) }
func (c *cursors) Pop() any {
	old := *c
	x := old[len(old)-1]
	*c = old[:len(old)-1]
	return x
}
