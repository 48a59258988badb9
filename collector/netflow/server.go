package netflow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead/bulkhead/flow"
)

// ListenOptions configure a Server. Addresses is required.
type ListenOptions struct {
	// Addresses to receive on, like ":2055" or "udp://192.0.2.1:4739".
	Addresses []string
	// Workers is how many sockets share each address; 0 means one per CPU, at most
	// four. The kernel keeps an exporter on one of them.
	Workers int
	// ReceiveBuffer is the kernel's buffer per socket in bytes; 0 means 32 MiB.
	ReceiveBuffer int
	// State is a file that keeps templates across restarts; empty means none.
	State string
	// Log takes warnings; nil means slog.Default.
	Log *slog.Logger
	// Now is the collector's clock; nil means time.Now.
	Now func() time.Time
}

// ListenStats count what the sockets saw. Received datagrams are those the
// Decoder was given; KernelDrops arrived and did not fit the receive buffer.
type ListenStats struct {
	Received    uint64
	Bytes       uint64
	KernelDrops uint64
	Buffer      int  // smallest receive buffer granted, in bytes
	Capped      bool // smaller than asked for
}

// Server receives export datagrams and gives them to a Decoder. Its shape is that
// of task.Task.
type Server struct {
	o       ListenOptions
	d       *Decoder
	sockets []*socket
	ready   chan struct{}
	once    sync.Once
	buffer  int
	capped  bool

	received, bytes, drops atomic.Uint64
}

// Listen opens the sockets, so that a busy port fails at once; Run receives.
func Listen(o ListenOptions, d *Decoder) (*Server, error) {
	if o.Workers <= 0 {
		o.Workers = min(runtime.GOMAXPROCS(0), 4)
	}
	if o.ReceiveBuffer <= 0 {
		o.ReceiveBuffer = 32 << 20
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.State != "" {
		if err := d.RestoreFile(o.State, flow.TimeOf(o.Now())); err != nil {
			o.Log.Warn("templates are not restored: data waits until exporters send them again", "error", err)
		}
	}
	s := &Server{o: o, d: d, ready: make(chan struct{}), buffer: o.ReceiveBuffer}
	for _, a := range o.Addresses {
		if err := s.open(strings.TrimPrefix(a, "udp://")); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	if len(s.sockets) == 0 {
		return nil, errors.New("listen for flow exports: no address given")
	}
	if s.capped {
		o.Log.Warn("the kernel capped the receive buffer: bursts may be lost; raise net.core.rmem_max",
			"wanted_bytes", o.ReceiveBuffer, "granted_bytes", s.buffer)
	}
	return s, nil
}

// open binds all workers of one address. With port 0 the first chooses.
func (s *Server) open(address string) error {
	for range s.o.Workers {
		k, err := openSocket(address, s.o.ReceiveBuffer)
		if err != nil {
			return fmt.Errorf("listen for flow exports on %s: %w", address, err)
		}
		s.sockets = append(s.sockets, k)
		address = k.conn.LocalAddr().String()
		if k.buffer < s.o.ReceiveBuffer {
			s.buffer, s.capped = min(s.buffer, k.buffer), true
		}
	}
	return nil
}

// Addrs are the addresses bound, each once.
func (s *Server) Addrs() []net.Addr {
	var out []net.Addr
	for i := 0; i < len(s.sockets); i += s.o.Workers {
		out = append(out, s.sockets[i].conn.LocalAddr())
	}
	return out
}

// String names the task.
func (s *Server) String() string {
	return "flow export receiver on " + strings.Join(s.o.Addresses, ", ")
}

// Ready is closed once datagrams are received.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Stats returns the socket counters. It may be called at any time.
func (s *Server) Stats() ListenStats {
	return ListenStats{Received: s.received.Load(), Bytes: s.bytes.Load(), KernelDrops: s.drops.Load(), Buffer: s.buffer, Capped: s.capped}
}

// Run receives until ctx ends, then takes what the kernel still holds, flushes
// the decoder and closes the sockets. An error is the sink's or a socket's.
func (s *Server) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, k := range s.sockets {
		g.Go(func() error { return s.receive(ctx, k) })
	}
	g.Go(func() error { return s.tick(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		for _, k := range s.sockets {
			if err := k.conn.SetReadDeadline(time.Unix(1, 0)); err != nil {
				return err
			}
		}
		return nil
	})
	s.once.Do(func() { close(s.ready) })
	err := g.Wait()
	return errors.Join(err, s.d.Flush(), s.save(), s.close())
}

func (s *Server) save() error {
	if s.o.State == "" {
		return nil
	}
	return s.d.SaveFile(s.o.State)
}

// saveEvery is how often the state file is written while running.
const saveEvery = time.Minute

func (s *Server) tick(ctx context.Context) error {
	t, save := time.NewTicker(time.Second), time.NewTicker(saveEvery)
	defer t.Stop()
	defer save.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			if err := s.d.Tick(flow.TimeOf(s.o.Now())); err != nil {
				return err
			}
		case <-save.C:
			if err := s.save(); err != nil {
				s.o.Log.Warn("templates are not saved", "error", err)
			}
		}
	}
}

// receive reads batches until the read deadline that ends Run, then what is left.
func (s *Server) receive(ctx context.Context, k *socket) error {
	for {
		n, err := k.read()
		if n > 0 {
			if err := s.take(k, n); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return s.drain(k)
		default:
			return fmt.Errorf("receive flow exports on %s: %w", k.conn.LocalAddr(), err)
		}
	}
}

// drainBatches bounds what is read after the end, against a sender that never
// stops.
const drainBatches = 4096

func (s *Server) drain(k *socket) error {
	for range drainBatches {
		n, err := k.poll()
		if err != nil || n == 0 {
			return nil // nothing left
		}
		if err := s.take(k, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) take(k *socket, n int) error {
	size := uint64(0)
	for i := range n {
		size += uint64(len(k.payload(i)))
	}
	s.received.Add(uint64(n))
	s.bytes.Add(size)
	s.drops.Add(k.newDrops(n))
	return s.d.batch(k, n, flow.TimeOf(s.o.Now()))
}

func (s *Server) close() error {
	var errs []error
	for _, k := range s.sockets {
		errs = append(errs, k.conn.Close())
	}
	return errors.Join(errs...)
}
