package inventory

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// readHosts reads hosts(5): an address and its names a line. The first name is the
// workload; loopback and multicast lines are passed over. A second line for an
// address gives it another name, as hosts(5) has it, not a second holder.
func readHosts(data []byte, file string) (*topology.Inventory, error) {
	var inv topology.Inventory
	at, taken := map[string]int{}, map[netip.Addr]bool{}
	for n, line := range strings.Split(string(data), "\n") {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		a, err := netip.ParseAddr(f[0])
		if err != nil || len(f) < 2 {
			return nil, fmt.Errorf("%s:%d: want an address and a name", file, n+1)
		}
		if a.IsLoopback() || a.IsMulticast() || a.IsUnspecified() || a.IsLinkLocalUnicast() {
			continue
		}
		if a = a.Unmap(); taken[a] {
			continue
		}
		taken[a] = true
		w := topology.Workload{ID: f[1], Name: f[1], Addresses: []topology.Address{{Addr: a}}}
		if i, known := at[w.ID]; known {
			inv.Workloads[i] = mergeWorkload(inv.Workloads[i], w)
			continue
		}
		at[w.ID] = len(inv.Workloads)
		inv.Workloads = append(inv.Workloads, w)
	}
	return &inv, nil
}
