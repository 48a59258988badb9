package inventory

import (
	"bytes"
	"encoding/csv"
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/topology"
)

// lease is one lease as a server wrote it down, in whatever format.
type lease struct {
	addr     topology.Address
	hardware string
	name     string
}

// leaseBook joins leases read in the order in which they were written: who held
// which address from when to when.
type leaseBook struct {
	inv    topology.Inventory
	holder map[netip.Addr]int // workload entry that holds an address last
}

// add takes a lease. A later one of the same address ends the one before; one of
// the same machine prolongs it.
func (b *leaseBook) add(l lease) {
	if l.hardware == "" || !l.addr.To.IsZero() && !l.addr.From.Before(l.addr.To) {
		return // free, abandoned, or given back at once
	}
	if b.holder == nil {
		b.holder = map[netip.Addr]int{}
	}
	w := leased(l.hardware, l.name, l.addr)
	if i, held := b.holder[l.addr.Addr]; held {
		before := &b.inv.Workloads[i].Addresses[0]
		if b.inv.Workloads[i].ID == w.ID && (before.To.IsZero() || !before.To.Before(l.addr.From)) { // a renewal goes on
			before.To = l.addr.To
			if b.inv.Workloads[i].Name == "" {
				b.inv.Workloads[i].Name = w.Name
			}
			return
		}
		if before.To.IsZero() || before.To.After(l.addr.From) {
			before.To = l.addr.From
		}
		if !before.From.Before(before.To) { // replaced at once
			before.To = before.From.Add(1)
		}
	}
	b.holder[l.addr.Addr] = len(b.inv.Workloads)
	b.inv.Workloads = append(b.inv.Workloads, w)
}

func (b *leaseBook) inventory() *topology.Inventory { return join(&b.inv) }

// leased is a workload known by its hardware address, named as it calls itself.
func leased(hardware, name string, a topology.Address) topology.Workload {
	w := topology.Workload{ID: strings.ToLower(hardware), Addresses: []topology.Address{a}}
	if name = strings.TrimSuffix(name, "."); name != "*" {
		w.Name = name
	}
	return w
}

// join merges workloads that were read more than once.
func join(inv *topology.Inventory) *topology.Inventory {
	return Merge(&topology.Inventory{}, inv)
}

// hardwareOfDUID is the Ethernet address in a DUID made of one (types 1 and 3,
// RFC 8415 §11.2, §11.4), so that a machine's leases of both families are its own;
// else the DUID in hexadecimal.
func hardwareOfDUID(duid []byte) string {
	if len(duid) >= 4 && duid[0] == 0 && duid[2] == 0 && duid[3] == 1 {
		if rest := duid[4:]; duid[1] == 3 && len(rest) == 6 || duid[1] == 1 && len(rest) == 10 {
			return colons(rest[len(rest)-6:])
		}
	}
	return "duid-" + hex.EncodeToString(duid)
}

func colons(b []byte) string {
	parts := make([]string, len(b))
	for i := range b {
		parts[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(parts, ":")
}

// readDnsmasq reads dnsmasq's lease file: expiry, hardware address (IPv6: the IAID),
// address, host name, client id (IPv6: the DUID) a line.
func readDnsmasq(data []byte, file string) (*topology.Inventory, error) {
	var book leaseBook
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
		l := lease{hardware: f[1], name: f[3]}
		if l.addr, err = addr(f[2], place, f[1]); err != nil {
			return nil, err
		}
		if l.addr.Addr.Is6() && len(f) > 4 {
			if duid, err := hex.DecodeString(strings.ReplaceAll(f[4], ":", "")); err == nil {
				l.hardware = hardwareOfDUID(duid)
			}
		}
		if expiry > 0 {
			l.addr.To = time.Unix(expiry, 0).UTC()
		}
		book.add(l)
	}
	return book.inventory(), nil
}

// Columns of Kea's memfile, kea-leases4.csv and kea-leases6.csv, that are read.
var keaColumns = []string{"address", "expire", "valid_lifetime", "hostname", "state"}

// readKea reads Kea's lease files: a heading, then a row for every change of a
// lease, in order.
func readKea(data []byte, file string) (*topology.Inventory, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the heading: %w", file, err)
	}
	col := map[string]int{}
	for i, h := range head {
		col[h] = i
	}
	for _, c := range keaColumns {
		if _, ok := col[c]; !ok {
			return nil, fmt.Errorf("%s:1: no column %s", file, c)
		}
	}
	var book leaseBook
	for {
		row, err := r.Read()
		if err == io.EOF {
			return book.inventory(), nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		line, _ := r.FieldPos(0)
		l, ok, err := keaLease(row, col, fmt.Sprintf("%s:%d", file, line))
		if err != nil {
			return nil, err
		}
		if ok {
			book.add(l)
		}
	}
}

// keaLease reads a row; not ok for declined leases and delegated prefixes.
func keaLease(row []string, col map[string]int, place string) (l lease, ok bool, err error) {
	get := func(c string) string {
		if i, there := col[c]; there && i < len(row) {
			return row[i]
		}
		return ""
	}
	if get("state") == "1" || get("lease_type") == "2" { // declined; IA_PD
		return l, false, nil
	}
	l.hardware, l.name = get("hwaddr"), strings.ReplaceAll(get("hostname"), "&#x2c", ",")
	if l.hardware == "" {
		id, duid := get("client_id"), false
		if id == "" {
			id, duid = get("duid"), true
		}
		b, err := hex.DecodeString(strings.ReplaceAll(id, ":", ""))
		if err != nil {
			return l, false, fmt.Errorf("%s: client %q is no list of bytes", place, id)
		}
		if l.hardware = "client-" + hex.EncodeToString(b); duid {
			l.hardware = hardwareOfDUID(b)
		}
	}
	if l.addr, err = addr(get("address"), place, l.hardware); err != nil {
		return l, false, err
	}
	expire, err1 := strconv.ParseInt(get("expire"), 10, 64)
	lifetime, err2 := strconv.ParseInt(get("valid_lifetime"), 10, 64)
	if err1 != nil || err2 != nil {
		return l, false, fmt.Errorf("%s: expire %q and valid_lifetime %q: want seconds", place, get("expire"), get("valid_lifetime"))
	}
	if lifetime != 1<<32-1 { // that is: for ever
		l.addr.From, l.addr.To = time.Unix(expire-lifetime, 0).UTC(), time.Unix(expire, 0).UTC()
	}
	return l, true, nil
}

// isKea tells Kea's files by their heading.
func isKea(data []byte) bool {
	head, _, _ := bytes.Cut(data, []byte("\n"))
	cols := strings.Split(strings.TrimSpace(string(head)), ",")
	return !slices.ContainsFunc(keaColumns, func(c string) bool { return !slices.Contains(cols, c) })
}
