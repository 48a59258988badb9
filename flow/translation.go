package flow

import "net/netip"

// Translation is an address that stands for others, as exporters reported it
// (Record.NAT): clients behind a NAT's address, or servers behind a virtual one.
type Translation struct {
	// Servers says which end was translated: servers behind a virtual address, or
	// clients that appear under another address.
	Servers bool
	Public  netip.Addr // what the other end sees
	Scope   Scope
	Behind  []netip.Addr // sorted; at most some thousands
	Flows   uint64
}
