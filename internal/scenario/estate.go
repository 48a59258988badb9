package scenario

import (
	"net/netip"
	"time"

	"github.com/bulkhead/bulkhead/flow"
)

// handOverGap is how long a re-used address stays unused in between.
const handOverGap = 2 * time.Hour

// Tags keep the generators of different decisions apart.
const (
	tagAddress uint64 = iota + 1
	tagPort
	tagPick
	tagShare
	tagLink
	tagFlow
	tagOneWay
	tagRPC
	tagName
	tagSample
)

// Estate is a generated estate. It is immutable and safe for concurrent use.
type Estate struct {
	opts      Options
	spec      *Spec
	start     flow.Time
	copies    []appCopy
	hosts     []host // workloads first, then what is outside
	fqdns     []string
	workloads int
	numbers   []int  // of host names that say nothing, by workload
	lines     []line // flow lines as links name them
	links     []link // sorted by client, server, service
	byClient  []int32
	addrs     *addresses
	pool      []netip.Addr // translated addresses of office clients, with Noise.NAT
}

// Generate builds the estate the options describe.
func Generate(o Options) (*Estate, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Estate{opts: o, spec: o.Spec, start: flow.TimeOf(o.Start), addrs: newAddresses(o.Seed, o.Noise.Renumber)}
	if err := e.populate(); err != nil {
		return nil, err
	}
	e.nameHosts()
	e.makePool()
	if err := e.connect(); err != nil {
		return nil, err
	}
	return e, nil
}

// Window returns the interval the traffic lies in; until is exclusive.
func (e *Estate) Window() (since, until flow.Time) { return e.start, e.start.Add(e.window()) }

// Workloads returns how many workloads the estate has.
func (e *Estate) Workloads() int { return e.workloads }

// Links returns how many different client, server and service triples it has,
// attempts included.
func (e *Estate) Links() int { return len(e.links) }

func (e *Estate) window() time.Duration { return time.Duration(e.opts.Days) * 24 * time.Hour }

// missing reports whether the day was not captured.
func (e *Estate) missing(day int) bool {
	first := (e.opts.Days - e.opts.Noise.MissingDays) / 2
	return day >= first && day < first+e.opts.Noise.MissingDays
}
