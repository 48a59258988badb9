package inventory

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

// readHosts reads hosts(5): an address and its names a line. The first name is the
// workload; loopback and multicast lines are passed over.
func readHosts(data []byte, file string) (*topology.Inventory, error) {
	var inv topology.Inventory
	at := map[string]int{}
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
		w := topology.Workload{ID: f[1], Name: f[1], Addresses: []topology.Address{{Addr: a.Unmap()}}}
		if i, known := at[w.ID]; known {
			inv.Workloads[i] = mergeWorkload(inv.Workloads[i], w)
			continue
		}
		at[w.ID] = len(inv.Workloads)
		inv.Workloads = append(inv.Workloads, w)
	}
	return &inv, nil
}

// readDnsmasq reads dnsmasq's lease file: expiry, hardware address, address, host
// name, client id a line.
func readDnsmasq(data []byte, file string) (*topology.Inventory, error) {
	var inv topology.Inventory
	for n, line := range strings.Split(string(data), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || f[0] == "duid" {
			continue
		}
		place := fmt.Sprintf("%s:%d", file, n+1)
		if len(f) < 4 {
			return nil, fmt.Errorf("%s: %d fields, want expiry, hardware address, address, name", place, len(f))
		}
		expiry, err := strconv.ParseInt(f[0], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: expiry %q is no number", place, f[0])
		}
		a, err := addr(f[2], place, f[1])
		if err != nil {
			return nil, err
		}
		if expiry > 0 {
			a.To = time.Unix(expiry, 0).UTC()
		}
		inv.Workloads = append(inv.Workloads, leased(f[1], f[3], a))
	}
	return join(&inv), nil
}

// leased is a workload known by its hardware address, named as it calls itself.
func leased(hardware, name string, a topology.Address) topology.Workload {
	w := topology.Workload{ID: strings.ToLower(hardware), Addresses: []topology.Address{a}}
	if name != "" && name != "*" {
		w.Name = name
	}
	return w
}

// join merges workloads that were read more than once.
func join(inv *topology.Inventory) *topology.Inventory {
	return Merge(&topology.Inventory{}, inv)
}

// readDHCPD reads ISC dhcpd.leases(5): the history of who held which address from
// when to when. A later lease of the same address ends the one before.
func readDHCPD(data []byte, file string) (*topology.Inventory, error) {
	var inv topology.Inventory
	var current *lease
	holder := map[netip.Addr]int{} // index of the workload entry that holds an address
	for n, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSuffix(strings.TrimSpace(line), ";")
		f := strings.Fields(line)
		place := fmt.Sprintf("%s:%d", file, n+1)
		switch {
		case len(f) == 3 && f[0] == "lease" && f[2] == "{":
			a, err := addr(f[1], place, "lease")
			if err != nil {
				return nil, err
			}
			current = &lease{addr: a}
		case current == nil || len(f) == 0:
		case line == "}":
			current.add(&inv, holder)
			current = nil
		default:
			if err := current.field(f); err != nil {
				return nil, fmt.Errorf("%s: %w", place, err)
			}
		}
	}
	if current != nil {
		return nil, fmt.Errorf("%s: the last lease is not closed", file)
	}
	return join(&inv), nil
}

// lease is one lease declaration being read.
type lease struct {
	addr     topology.Address
	hardware string
	name     string
}

func (l *lease) field(f []string) (err error) {
	switch {
	case f[0] == "starts" && len(f) == 4:
		l.addr.From, err = time.Parse("2006/01/02 15:04:05", f[2]+" "+f[3])
	case f[0] == "ends" && len(f) == 4:
		l.addr.To, err = time.Parse("2006/01/02 15:04:05", f[2]+" "+f[3])
	case f[0] == "hardware" && len(f) == 3:
		l.hardware = f[2]
	case f[0] == "client-hostname" && len(f) == 2:
		l.name = strings.Trim(f[1], `"`)
	}
	return err
}

func (l *lease) add(inv *topology.Inventory, holder map[netip.Addr]int) {
	if l.hardware == "" || !l.addr.To.IsZero() && !l.addr.From.Before(l.addr.To) {
		return // free, abandoned, or given back at once
	}
	w := leased(l.hardware, l.name, l.addr)
	if i, held := holder[l.addr.Addr]; held {
		before := &inv.Workloads[i].Addresses[0]
		if before.To.IsZero() || before.To.After(l.addr.From) {
			before.To = l.addr.From
		}
		if !before.From.Before(before.To) { // renewed by the same or replaced at once
			before.To = before.From.Add(1)
		}
		if inv.Workloads[i].ID == w.ID { // a renewal goes on
			before.To = l.addr.To
			return
		}
	}
	holder[l.addr.Addr] = len(inv.Workloads)
	inv.Workloads = append(inv.Workloads, w)
}
