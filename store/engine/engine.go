package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is the ClickHouse in use: the operator's, a child of this process, or a
// child of another process that serves the same folder. It is a task: Run keeps
// it alive, Ready says that it answered. Safe for concurrent use.
type Engine struct {
	opt  Options
	at   layout
	kind atomic.Value // a kind; it changes when a shared engine is inherited
	dsn  string

	// Of an engine of our own.
	command  []string // program and arguments
	lock     *os.File
	port     int
	password string

	ready   chan struct{}
	failure atomic.Pointer[error] // of the last attempt to reach a server
	once    sync.Once
	healthy atomic.Bool
	starts  atomic.Int64
	pid     atomic.Int64
}

type kind string

const (
	kindRemote   kind = "server"   // the DSN the operator gave
	kindShared   kind = "shared"   // another process's engine on the same folder
	kindBinary   kind = "binary"   // a clickhouse program as our child
	kindEmbedded kind = "embedded" // libchdb.so in our child
)

// Open chooses what will listen and prepares it: folder, lock, port, password.
// Nothing runs until Run. Errors wrap ErrNoEngine, ErrNotWritable, ErrDiskFull or
// ErrLocked where one of them is the cause, and say what to do.
func Open(ctx context.Context, opt Options) (*Engine, error) {
	opt = opt.withDefaults()
	e := &Engine{opt: opt, ready: make(chan struct{})}
	if opt.DSN != "" {
		e.dsn = opt.DSN
		e.kind.Store(kindRemote)
		return e, nil
	}
	if err := opt.checkNames(); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	if opt.Dir == "" {
		return nil, errors.New("open engine: no folder named")
	}
	dir, err := filepath.Abs(opt.Dir)
	if err != nil {
		return nil, fmt.Errorf("open engine in %s: %w", opt.Dir, err)
	}
	e.at = layout{dir}
	if err := prepareFolder(dir, opt.MinFreeBytes); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	if err := e.lockOrShare(ctx); err != nil {
		return nil, fmt.Errorf("open engine: %w", err)
	}
	if e.Attached() {
		return e, nil
	}
	if err := e.prepare(); err != nil {
		e.lock.Close()
		return nil, fmt.Errorf("open engine in %s: %w", dir, err)
	}
	return e, nil
}

// prepare chooses the program and gives the engine its port and password.
func (e *Engine) prepare() error {
	if err := os.MkdirAll(filepath.Join(e.at.data(), "tmp"), 0o700); err != nil {
		return folderError(e.at.dir, err)
	}
	if err := e.takeIdentity(); err != nil {
		return err
	}
	return e.choose()
}

// takeIdentity gives the engine its password and port: those it had before in this
// folder, so that programs that were attached to it find it again, or new ones.
func (e *Engine) takeIdentity() error {
	if port, ok := e.readIdentity(); ok && portIsFree(port) {
		e.setPort(port)
		return nil
	}
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return err
	}
	e.password = hex.EncodeToString(secret)
	port, err := freePort()
	if err != nil {
		return fmt.Errorf("find a free port on loopback: %w", err)
	}
	e.setPort(port)
	return nil
}

// readIdentity takes the password from the folder and returns the port; false when
// there is no identity yet.
func (e *Engine) readIdentity() (port int, ok bool) {
	text, err := os.ReadFile(e.at.identity())
	if err != nil {
		return 0, false
	}
	u, err := url.Parse(string(text))
	if err != nil || u.User == nil {
		return 0, false
	}
	password, _ := u.User.Password()
	port, err = strconv.Atoi(u.Port())
	if err != nil || len(password) < 32 {
		return 0, false
	}
	e.password = password
	return port, true
}

func portIsFree(port int) bool {
	l, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func (e *Engine) setPort(port int) {
	e.port = port
	u := url.URL{Scheme: "clickhouse", User: url.UserPassword(Owner, e.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/bulkhead"}
	e.dsn = u.String()
}

// freePort asks the kernel for a port. Somebody else may take it before the
// engine does; the first start then fails and tries another.
func freePort() (int, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// DSN is the address of the engine for clickhouse-go/v2. It holds a password:
// never log it. It is final once Ready is closed, and stays the same when the
// engine restarts.
func (e *Engine) DSN() string { return e.dsn }

// Ready is closed when the engine first answered a query.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

// Attached reports that the engine belongs to another program that serves the
// same folder. When that program ends, Run starts the engine again as its own, at
// the same address.
func (e *Engine) Attached() bool { return e.mode() == kindShared }

// mode is how the engine is reached; "" before Open has decided.
func (e *Engine) mode() kind {
	k, _ := e.kind.Load().(kind)
	return k
}

// Healthy reports whether the engine is believed to answer now.
func (e *Engine) Healthy() bool { return e.healthy.Load() }

// Starts counts how often the child was started: 1 when it never died.
func (e *Engine) Starts() int { return int(e.starts.Load()) }

// PID is the child's process id, 0 when there is none.
func (e *Engine) PID() int { return int(e.pid.Load()) }

// String names the engine in logs and errors, without its password.
func (e *Engine) String() string {
	u, err := url.Parse(e.dsn)
	if err != nil || u.Host == "" {
		return "clickhouse (" + string(e.mode()) + ")"
	}
	return "clickhouse " + u.Host + " (" + string(e.mode()) + ")"
}

func (e *Engine) setReady() {
	e.healthy.Store(true)
	e.once.Do(func() { close(e.ready) })
}

// Shard is the engine's address and credentials, for another engine's Remotes.
func (e *Engine) Shard() Shard {
	return Shard{Host: "127.0.0.1", Port: e.port, User: Owner, Password: e.password}
}

// SetRemotes gives an engine that was opened but does not run yet the clusters it
// knows, when those include engines opened together with it.
func (e *Engine) SetRemotes(clusters []Cluster) error {
	opt := e.opt
	opt.Remotes = clusters
	if err := opt.checkNames(); err != nil {
		return err
	}
	e.opt = opt
	return nil
}

func (e *Engine) startPatience() time.Duration {
	if e.mode() == kindRemote || e.Attached() {
		return e.opt.StartTimeout
	}
	return startsBefore * (e.opt.StartTimeout + maxBackoff) // Run gives up before
}

func (e *Engine) lastError() error {
	if p := e.failure.Load(); p != nil {
		return *p
	}
	return errors.New("connecting takes too long")
}

// Start opens an engine, runs it in the background and waits until it answers, for
// StartTimeout when it is a server that is not ours to start.
// The returned function stops it and waits for its end. Long-lived programs use
// Open and give the Engine to their task group instead.
func Start(ctx context.Context, opt Options) (*Engine, func() error, error) {
	e, err := Open(ctx, opt)
	if err != nil {
		return nil, nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1) // one result, so that Run never blocks on it
	go func() { done <- e.Run(run) }()
	var once sync.Once
	var result error
	stop := func() error {
		once.Do(func() { cancel(); result = <-done })
		return result
	}
	late := time.NewTimer(e.startPatience())
	defer late.Stop()
	select {
	case <-e.Ready():
		return e, stop, nil
	case <-late.C:
		stop()
		return nil, nil, fmt.Errorf("%s: no answer in %s: %w; check the address given with --clickhouse and that the server runs",
			e, e.startPatience(), e.lastError())
	case err := <-done:
		cancel()
		if err == nil {
			err = errors.New("engine stopped before it answered")
		}
		return nil, nil, fmt.Errorf("%s: %w", e, err)
	case <-ctx.Done():
		stop()
		return nil, nil, context.Cause(ctx)
	}
}
