package controller

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
)

// maxLines bounds the addresses of its own that a controller remembers.
const maxLines = 32

// reached notes at which of its addresses a host has reached this controller: what
// a host believes to be the address may be translated on the way.
func (s *Server) reached(r *http.Request) {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return
	}
	at := local.AddrPort()
	at = netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
	if at.Addr().IsLoopback() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := slices.BinarySearchFunc(s.lines, at, netip.AddrPort.Compare)
	if !known && len(s.lines) < maxLines {
		s.lines = slices.Insert(slices.Clone(s.lines), i, at)
		s.dirty = true
	}
}

// ends are the addresses at which hosts have reached this controller, sorted.
func (s *Server) ends() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines
}
