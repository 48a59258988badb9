//go:build !linux

package netflowtest

import "net"

// batch sends one datagram at a time where there is no sendmmsg.
type batch struct{ conn *net.UDPConn }

func newBatch(conn *net.UDPConn) (*batch, error) { return &batch{conn}, nil }

func (b *batch) size() int { return 1 }

func (b *batch) send(datagrams [][]byte, from, n int) (int, error) {
	for i := range n {
		if _, err := b.conn.Write(datagrams[(from+i)%len(datagrams)]); err != nil {
			return i, err
		}
	}
	return n, nil
}
