package netflowtest

import (
	"context"
	"fmt"
	"net"
	"time"
)

// Blast sends datagrams over conn, again and again in order, until total have
// been sent or ctx ends, at rate datagrams a second; 0 means as fast as it goes.
// It returns how many were sent.
func Blast(ctx context.Context, conn *net.UDPConn, datagrams [][]byte, total int, rate float64) (int, error) {
	batch, err := newBatch(conn)
	if err != nil {
		return 0, fmt.Errorf("blast: %w", err)
	}
	start, sent := time.Now(), 0
	for sent < total && ctx.Err() == nil {
		n := min(batch.size(), total-sent)
		if rate > 0 {
			allowed := int(time.Since(start).Seconds()*rate) + 1 - sent
			if allowed <= 0 {
				time.Sleep(200 * time.Microsecond)
				continue
			}
			n = min(n, allowed)
		}
		n, err = batch.send(datagrams, sent, n)
		sent += n
		if err != nil {
			return sent, fmt.Errorf("blast: datagram %d: %w", sent, err)
		}
	}
	return sent, nil
}
