package scenario

import (
	"net/netip"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// officeTag marks roles whose workloads stand behind address translation when
// Noise.NAT asks for it.
const officeTag = "office"

// poolPrefix is where translated addresses come from.
var poolPrefix = netip.MustParsePrefix("10.251.0.0/24")

// makePool sets up address translation: one address per two hundred clients, at
// least four, as a firewall's pool would have.
func (e *Estate) makePool() {
	if !e.opts.Noise.NAT {
		return
	}
	for i := range min(max(4, e.workloads/200), 240) {
		e.pool = append(e.pool, offset(poolPrefix.Addr(), uint32(i)+1))
	}
}

// translated reports whether the sensor sees the link's client behind the pool:
// an office workload that talks IPv4 to anything but another office workload.
func (e *Estate) translated(k *link) bool {
	if len(e.pool) == 0 || k.svc == (flow.Service{Proto: flow.UDP, Port: 67}) {
		return false
	}
	return e.tagged(k.client, officeTag) && !e.tagged(k.server, officeTag)
}

func (e *Estate) tagged(h int32, tag string) bool {
	return !e.hosts[h].outside() && slices.Contains(e.roleSpec(h).Tags, tag)
}
