package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

const (
	// After maxFailures wrong passwords from one address within failureWindow, that
	// address is refused until the window has passed. A password of
	// GeneratePassword has 100 bits, so nobody guesses one; a password that somebody
	// wrote into the file may be worse.
	maxFailures   = 10
	failureWindow = time.Minute
	// maxGuessers bounds the addresses remembered; beyond it they are judged
	// together, so that many addresses buy no more guesses than one.
	maxGuessers = 4096
)

// guesses counts wrong passwords by the address they came from. Safe for
// concurrent use.
type guesses struct {
	now func() time.Time

	mu     sync.Mutex
	from   map[netip.Prefix]*guesser
	others guesser
}

type guesser struct {
	failures int
	since    time.Time
}

// left is how long the address must wait, 0 when it may try.
func (g *guesses) left(a netip.Prefix) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	who := g.of(a)
	if who.failures < maxFailures {
		return 0
	}
	return max(0, failureWindow-g.now().Sub(who.since))
}

// failed counts a wrong password.
func (g *guesses) failed(a netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.of(a).failures++
}

// of returns the counter of an address, begun anew when its window has passed.
func (g *guesses) of(a netip.Prefix) *guesser {
	now := g.now()
	who := g.from[a]
	if who == nil {
		if len(g.from) >= maxGuessers {
			g.forget(now)
		}
		if len(g.from) >= maxGuessers {
			who = &g.others
		} else {
			if g.from == nil {
				g.from = map[netip.Prefix]*guesser{}
			}
			who = &guesser{since: now}
			g.from[a] = who
		}
	}
	if now.Sub(who.since) > failureWindow {
		*who = guesser{since: now}
	}
	return who
}

// forget drops the addresses whose window has passed.
func (g *guesses) forget(now time.Time) {
	for a, who := range g.from {
		if now.Sub(who.since) > failureWindow {
			delete(g.from, a)
		}
	}
}

// origin is where a request came from: the IPv4 address, or the IPv6 network of 64
// bits, all of which one machine can use (RFC 4291 §2.5.4).
func origin(r *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 64
	if a.Is4() {
		bits = 32
	}
	p, _ := a.Prefix(bits) // never fails: the lengths fit
	return p
}
