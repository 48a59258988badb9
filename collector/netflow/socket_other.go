//go:build !linux

package netflow

import (
	"errors"
	"net"
	"net/netip"
)

// socket is not available here.
type socket struct {
	conn   *net.UDPConn
	buffer int
}

func openSocket(string, int) (*socket, error) { return nil, errors.ErrUnsupported }

func (s *socket) read() (int, error)          { return 0, errors.ErrUnsupported }
func (s *socket) poll() (int, error)          { return 0, errors.ErrUnsupported }
func (s *socket) payload(int) []byte          { return nil }
func (s *socket) from(int) netip.AddrPort     { return netip.AddrPort{} }
func (s *socket) newDrops(int) (drops uint64) { return 0 }
