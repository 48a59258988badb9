package mapper

import (
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// foldedPort stands for ports that servers choose as they please.
const foldedPort = 65535

// effectiveServices gives each dependency's service, with ports that servers hand
// out as they please folded into one: the dynamic range (RFC 6335 §6), the high
// ports of any server that has more than a handful of them (passive FTP, NFS,
// Java RMI), and ports of a server's own beside many it shares with its equals
// (the RPC ports of directory servers, wherever they lie).
func (w *work) effectiveServices() []flow.Service {
	const firstHigh, firstDynamic, tooMany = 32768, 49152, 4
	high := map[int32]map[uint16]bool{}
	for i := range w.deps {
		d := &w.deps[i]
		if d.Service.Port >= firstHigh && flow.HasPorts(d.Service.Proto) {
			if high[d.Server] == nil {
				high[d.Server] = map[uint16]bool{}
			}
			high[d.Server][d.Service.Port] = true
		}
	}
	own := w.ownPorts()
	services := make([]flow.Service, len(w.deps))
	for i := range w.deps {
		d := &w.deps[i]
		services[i] = d.Service
		if !flow.HasPorts(d.Service.Proto) {
			continue
		}
		if p := d.Service.Port; p >= firstDynamic || (p >= firstHigh && len(high[d.Server]) > tooMany) || own[d.Service] {
			services[i].Port = foldedPort
		}
	}
	return services
}

// ownPorts finds unregistered services that one server alone gives, where another
// server gives otherwise exactly the same three or more services and one of its
// own too. What every tenth node serves (agents) is not counted among them.
func (w *work) ownPorts() map[flow.Service]bool {
	given, servers := w.servicesGiven()
	shared, single := map[int32][]flow.Service{}, map[int32][]flow.Service{}
	for i, services := range given {
		for _, s := range services {
			switch n := servers[s]; {
			case n > 1 && n <= max(2, len(w.nodes)/10):
				shared[int32(i)] = append(shared[int32(i)], s)
			case n == 1 && s.Port >= 1024 && flow.HasPorts(s.Proto) && !registered[s]:
				single[int32(i)] = append(single[int32(i)], s)
			}
		}
	}
	return equalsWithOwn(shared, single)
}

// servicesGiven lists each node's services, sorted, and counts their servers.
func (w *work) servicesGiven() ([][]flow.Service, map[flow.Service]int) {
	given, servers := make([][]flow.Service, len(w.nodes)), map[flow.Service]int{}
	for i := range w.nodes {
		for _, d := range w.adj.serves(int32(i)) {
			given[i] = append(given[i], w.deps[d].Service)
		}
		slices.SortFunc(given[i], flow.Service.Compare)
		given[i] = slices.Compact(given[i])
		for _, s := range given[i] {
			servers[s]++
		}
	}
	return given, servers
}

// equalsWithOwn returns the single services of servers that share all their other
// ones with another server that has single services as well.
func equalsWithOwn(shared, single map[int32][]flow.Service) map[flow.Service]bool {
	equals := map[uint64][]int32{}
	for i := range single {
		if len(shared[i]) < 3 {
			continue
		}
		h := uint64(0)
		for _, s := range shared[i] {
			h = mix(h ^ featureKey(asServer, s, 0))
		}
		equals[h] = append(equals[h], i)
	}
	own := map[flow.Service]bool{}
	for _, servers := range equals {
		if len(servers) < 2 {
			continue
		}
		for _, i := range servers {
			for _, s := range single[i] {
				own[s] = true
			}
		}
	}
	return own
}

// registered are the services by which infrastructure is known; they are never
// taken for a port of a server's own.
var registered = func() map[flow.Service]bool {
	out := map[flow.Service]bool{}
	for _, k := range knownKinds {
		for _, s := range k.services {
			out[s] = true
		}
	}
	return out
}()
