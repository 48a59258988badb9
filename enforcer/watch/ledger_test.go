package watch

import (
	"net/netip"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

func conn(id uint32) connection {
	c := connection{id: id, status: ipsSeenReply | ipsAssured,
		key: flow.Key{Client: netip.MustParseAddr("10.0.0.1"), Server: netip.MustParseAddr("10.0.0.2"), ClientPort: 1000, ServerPort: 80, Proto: flow.TCP}}
	c.flow = c.identity()
	return c
}

// A connection whose end is announced only after a dump that no longer shows it is
// one flow: it ends once, with its programs.
func TestEndAfterTheDumpCountsOnce(t *testing.T) {
	l := newLedger("h", time.Minute, 10)
	l.begun(conn(1), 100, 1, "curl", "nginx")
	out := l.vanished(2, 200, nil) // the dump of round 2 did not have it
	out = l.ended(conn(1), 300, out)
	out = l.vanished(3, 400, out)
	out = l.vanished(4, 500, out)
	if len(out) != 1 || out[0].Split != 0 || out[0].ClientProcess != "curl" || out[0].ServerProcess != "nginx" || out[0].First != 100 {
		t.Errorf("records %+v, want one from begin to end", out)
	}
}

// A connection whose end was lost ends when two dumps do not have it.
func TestLostEndIsFound(t *testing.T) {
	l := newLedger("h", time.Minute, 10)
	l.begun(conn(1), 100, 1, "", "")
	out := l.vanished(3, 200, nil)
	if len(out) != 1 || out[0].End != flow.EndIdle {
		t.Errorf("records %+v, want one that ended idle", out)
	}
}

// What is still open when the listener stops is reported, in order.
func TestDrainReportsWhatIsOpen(t *testing.T) {
	l := newLedger("h", time.Minute, 10)
	for i := range uint32(12) { // two more than are remembered
		l.begun(conn(i), flow.Time(100-i), 1, "", "")
	}
	out := l.drain(500, nil)
	if len(out) != 10 || l.overflow != 2 {
		t.Fatalf("%d records, %d beyond capacity", len(out), l.overflow)
	}
	for i := 1; i < len(out); i++ {
		if out[i].First < out[i-1].First {
			t.Errorf("record %d begins before %d", i, i-1)
		}
	}
}

// The tuple behind a translation is told whichever way round the connection was
// tracked; without translation nothing is.
func TestTranslatedConnections(t *testing.T) {
	real := netip.MustParseAddr("172.17.0.5")
	c := conn(1)
	c.reply = c.key.Reverse()
	if n := c.nat(); n != (flow.NAT{}) {
		t.Errorf("untranslated: %+v", n)
	}
	c.reply.Client, c.reply.ClientPort = real, 8080 // a published port
	if n := c.nat(); n != (flow.NAT{Server: real, ServerPort: 8080}) {
		t.Errorf("published: %+v", n)
	}
	c.key, c.turned = c.key.Reverse(), true
	if n := c.nat(); n != (flow.NAT{Client: real, ClientPort: 8080}) {
		t.Errorf("turned: %+v", n)
	}
}
