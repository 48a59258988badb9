package recommender

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// Ranges that ports picked at random come from.
var (
	dynamicPorts = policy.Service{Proto: flow.TCP, From: 49152, To: 65535} // RFC 6335 §6
	passiveFTP   = policy.Service{Proto: flow.TCP, From: 1024, To: 65535}  // RFC 959 §3.3, PASV
)

// narrowest is the smallest of the usual ranges that holds every port from
// lowest up: IANA's, Linux's, everything that needs no privilege.
func narrowest(lowest uint16) policy.Service {
	s := passiveFTP
	for _, from := range []uint16{32768, dynamicPorts.From} {
		if lowest >= from {
			s.From = from
		}
	}
	return s
}

// Evidence a range stands on: an endpoint mapper or FTP control channel beside
// it, or this many different ports of the range between two groups.
const (
	minFTPPorts     = 3
	minDynamicPorts = 10
)

// generalised explains one range that took the place of single ports.
type generalised struct {
	service policy.Service
	why     string   // "dynamic RPC, because …"
	ports   []uint16 // the ports seen, sorted
}

// betweenGroups are all TCP ports one group uses of another.
type betweenGroups struct {
	client, server int32
}

// services returns the service each dependency is written as, and why for those
// that were generalised.
func (e *estate) services(concerns []policy.Concern) ([]policy.Service, map[betweenGroups]generalised) {
	ports := map[betweenGroups][]uint16{}
	for i := range e.m.Graph.Deps {
		if d := &e.m.Graph.Deps[i]; d.Service.Proto == flow.TCP && concerns[i] == none {
			k := betweenGroups{e.groupOf[d.Client], e.groupOf[d.Server]}
			ports[k] = append(ports[k], d.Service.Port)
		}
	}
	ranges := map[betweenGroups]generalised{}
	for k, list := range ports {
		slices.Sort(list)
		if g, ok := rangeFor(slices.Compact(list)); ok {
			ranges[k] = g
		}
	}
	out := make([]policy.Service, len(e.m.Graph.Deps))
	for i := range e.m.Graph.Deps {
		d := &e.m.Graph.Deps[i]
		out[i] = policy.ServiceOf(d.Service)
		g, ok := ranges[betweenGroups{e.groupOf[d.Client], e.groupOf[d.Server]}]
		if ok && d.Service.Proto == flow.TCP && g.service.From <= d.Service.Port && !known(d.Service) {
			out[i] = g.service
		}
	}
	return out, ranges
}

// known services are never swallowed by a range.
func known(s flow.Service) bool { _, ok := traits[s]; return ok }

// rangeFor decides from the distinct ports used between two groups, sorted.
func rangeFor(ports []uint16) (generalised, bool) {
	_, rpc := slices.BinarySearch(ports, 135)
	_, ftp := slices.BinarySearch(ports, 21)
	var dynamic, data []uint16
	for _, p := range ports {
		if p >= dynamicPorts.From {
			dynamic = append(dynamic, p)
		}
		if p >= passiveFTP.From && !known(flow.Service{Proto: flow.TCP, Port: p}) {
			data = append(data, p)
		}
	}
	switch {
	case rpc && len(dynamic) > 0:
		return generalised{dynamicPorts, "dynamic RPC, because its endpoint mapper (tcp/135) is used too", dynamic}, true
	case ftp && len(data) >= minFTPPorts:
		return generalised{narrowest(data[0]), "passive FTP, because its control channel (tcp/21) is used too", data}, true
	case len(dynamic) >= minDynamicPorts:
		return generalised{dynamicPorts, "ports picked anew each time", dynamic}, true
	}
	return generalised{}, false
}

// plural counts a noun.
func plural(n int, noun string) string {
	if stem, y := strings.CutSuffix(noun, "y"); n != 1 && y && noun != "day" {
		return fmt.Sprintf("%d %sies", n, stem)
	}
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
