package flow

import "net/netip"

// NAT is a flow's tuple as it is on the far side of an address translation, where
// an exporter says so (IPFIX postNATSourceIPv4Address and its siblings, IE 225–228,
// 281, 282). Record.Key is the tuple before. The zero NAT means not known, or not
// translated; an end that was not translated has the zero address.
type NAT struct {
	Client, Server         netip.Addr
	ClientPort, ServerPort uint16
}

// Reverse exchanges client and server.
func (n NAT) Reverse() NAT {
	return NAT{Client: n.Server, Server: n.Client, ClientPort: n.ServerPort, ServerPort: n.ClientPort}
}

// Equal reports whether n and o are the same.
func (n NAT) Equal(o NAT) bool { return n == o }
