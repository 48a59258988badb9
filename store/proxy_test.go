package store_test

import (
	"io"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/bulkhead/bulkhead/store"
)

// proxy stands between the store and its engine and does what networks do: refuse,
// cut in the middle of a request, lose the answer, stall.
type proxy struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	fault fault
	conns map[net.Conn]bool
	done  sync.WaitGroup
}

// fault is what the proxy does to new traffic. The zero value passes everything.
type fault struct {
	refuse      bool          // close at once
	cutAfter    int           // cut a connection after so many bytes towards the engine; 0 never
	loseAnswers time.Duration // let the request through, hold back the answer so long, then cut; 0 never
}

func newProxy(t testing.TB, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: u.Host, conns: map[net.Conn]bool{}}
	p.done.Add(1)
	go p.accept()
	t.Cleanup(func() { l.Close(); p.cutAll(); p.done.Wait() })
	u.Host = l.Addr().String()
	return p, u.String()
}

// set changes the fault and cuts what is open, so that it holds at once.
func (p *proxy) set(f fault) {
	p.mu.Lock()
	p.fault = f
	p.mu.Unlock()
	p.cutAll()
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) accept() {
	defer p.done.Done()
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		f := p.fault
		p.mu.Unlock()
		if f.refuse {
			client.Close()
			continue
		}
		server, err := net.Dial("tcp4", p.target)
		if err != nil {
			client.Close()
			continue
		}
		p.done.Add(1)
		go p.serve(client, server, f)
	}
}

func (p *proxy) serve(client, server net.Conn, f fault) {
	defer p.done.Done()
	p.track(true, client, server)
	defer p.track(false, client, server)
	cut := sync.OnceFunc(func() { client.Close(); server.Close() })
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		defer both.Done()
		defer cut()
		var from io.Reader = client
		if f.cutAfter > 0 {
			from = io.LimitReader(client, int64(f.cutAfter))
		}
		io.Copy(server, from)
	}()
	go func() {
		defer both.Done()
		defer cut()
		if f.loseAnswers == 0 {
			io.Copy(client, server)
			return
		}
		// The greeting passes; what comes later than loseAnswers after it does not,
		// though the engine has done the work by then.
		io.CopyN(client, server, 1)
		timer := time.AfterFunc(f.loseAnswers, cut)
		defer timer.Stop()
		buf := make([]byte, 1<<16)
		for began := time.Now(); ; {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			if time.Since(began) < f.loseAnswers/2 {
				client.Write(buf[:n])
			}
		}
	}()
	both.Wait()
}

func (p *proxy) track(open bool, conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if open {
			p.conns[c] = true
		} else {
			delete(p.conns, c)
		}
	}
}

// connect opens a connection of a test's own to a store's database.
func connect(t testing.TB, s *store.Store) driver.Conn {
	t.Helper()
	opt, err := clickhouse.ParseDSN(store.WithDatabase(sharedEngine(t).DSN(), s.Database()))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := clickhouse.Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}
