package link

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
)

// Host is what the line is for.
type Host interface {
	// Beat says how the host is; the link adds time, certificate and queue.
	Beat() fleet.Heartbeat
	// Offer hands over a bundle as it came; the host keeps it or says why not.
	Offer(ctx context.Context, bundle []byte) error
	// Confirm passes on that an operator confirmed a bundle.
	Confirm(ctx context.Context, serial uint64) error
}

// Options of a Link.
type Options struct {
	Identity *Identity
	Host     Host
	Queue    *Queue
	Log      *slog.Logger     // nil: slog.Default
	Now      func() time.Time // nil: time.Now
	// Every is the time between heartbeats; 0 for fleet.HeartbeatEvery. While a change
	// waits to be confirmed they are a second apart.
	Every time.Duration
}

// Link is the line to the controller. It is a task, and safe for concurrent use.
type Link struct {
	opts   Options
	client *client
	ready  chan struct{}
	now    chan struct{} // cap 1: send a heartbeat without waiting

	mu     sync.Mutex
	status Status
}

// Status is how the line is.
type Status struct {
	Reached time.Time     // when the controller last answered; zero for never
	Failure string        // what was wrong at the last attempt; "" when nothing
	Skew    time.Duration // how far this host's clock is ahead of the controller's
	Wanted  uint64        // what the controller wants
}

// New prepares the line.
func New(opts Options) (*Link, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Every == 0 {
		opts.Every = fleet.HeartbeatEvery
	}
	l := &Link{opts: opts, ready: make(chan struct{}), now: make(chan struct{}, 1)}
	var err error
	l.client, err = l.dialer()
	return l, err
}

// dialer makes a client that has no connection yet.
func (l *Link) dialer() (*client, error) {
	ca, err := l.opts.Identity.authority()
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return newClient(l.opts.Identity.Controller(), pinned(fingerprint(ca)), l.opts.Identity.certificate), nil
}

// String names the task.
func (l *Link) String() string { return "link to " + l.opts.Identity.Controller() }

// Ready is closed at once: a host does its work without its controller.
func (l *Link) Ready() <-chan struct{} { return l.ready }

// Status returns how the line is.
func (l *Link) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Nudge sends a heartbeat now: something has changed that the controller should
// know.
func (l *Link) Nudge() {
	select {
	case l.now <- struct{}{}:
	default:
	}
}

// Run holds the line until ctx ends.
func (l *Link) Run(ctx context.Context) error {
	close(l.ready)
	var joined sync.WaitGroup
	joined.Go(func() { l.fetch(ctx) })
	joined.Go(func() { l.deliver(ctx) })
	l.beatUntil(ctx)
	joined.Wait()
	l.client.close()
	return nil
}

// beatUntil sends heartbeats, and renews the certificate when it is time.
func (l *Link) beatUntil(ctx context.Context) {
	for {
		answer, err := l.beat(ctx, l.client)
		l.note(answer, err)
		if err == nil && answer.Confirm != 0 {
			if err := l.opts.Host.Confirm(ctx, answer.Confirm); err != nil {
				l.opts.Log.Warn("link: not confirmed", "bundle", answer.Confirm, "error", err)
			}
		}
		wait := l.opts.Every
		if l.opts.Host.Beat().Pending != 0 {
			wait = min(wait, time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-l.now:
		case <-time.After(wait):
		}
	}
}

// beat renews the certificate if it is time, then says how the host is.
func (l *Link) beat(ctx context.Context, c *client) (answer fleet.Answer, err error) {
	if !l.opts.Now().Before(l.opts.Identity.renewAt()) {
		if err := l.renew(ctx, c); err != nil {
			return answer, fmt.Errorf("renew the certificate: %w", err)
		}
	}
	err = c.post(ctx, fleet.PathHeartbeat, l.heartbeat(), &answer)
	if Refused(err, fleet.CodeExpired) { // by the controller's clock, not by ours
		if err = l.renew(ctx, c); err == nil {
			err = c.post(ctx, fleet.PathHeartbeat, l.heartbeat(), &answer)
		}
	}
	return answer, err
}

func (l *Link) heartbeat() fleet.Heartbeat {
	b := l.opts.Host.Beat()
	b.Time, b.CertExpiry = l.opts.Now(), l.opts.Identity.Expires()
	st := l.opts.Queue.Stats()
	b.Queued, b.Lost = st.Waiting, st.Lost
	return b
}

// renew gets the next certificate for the same key, and leaves the connection that
// was made with the last one.
func (l *Link) renew(ctx context.Context, c *client) error {
	request, err := l.opts.Identity.request(l.opts.Identity.Name())
	if err != nil {
		return err
	}
	var got fleet.Credentials
	if err := c.post(ctx, fleet.PathRenew, fleet.RenewRequest{Request: request}, &got); err != nil {
		return err
	}
	if err := l.opts.Identity.take(&got); err != nil {
		return err
	}
	l.opts.Log.Info("link: certificate renewed", "until", l.opts.Identity.Expires())
	c.renew()
	return nil
}

// note keeps the outcome of a heartbeat, and says it when it changes.
func (l *Link) note(a fleet.Answer, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.opts.Now()
	if err == nil {
		if l.status.Failure != "" || l.status.Reached.IsZero() {
			l.opts.Log.Info("link: the controller answers", "controller", l.opts.Identity.Controller())
		}
		l.status = Status{Reached: now, Skew: now.Sub(a.Time), Wanted: a.Wanted}
		return
	}
	if text := err.Error(); l.status.Failure != text {
		l.opts.Log.Warn("link: the controller does not answer; what was last confirmed stays in force", "error", err)
		l.status.Failure = text
	}
}

// Reach asks the controller over a new connection, name resolution included: what
// a restart would have to do. An error says that it could not be reached.
func (l *Link) Reach(ctx context.Context) error {
	c, err := l.dialer()
	if err != nil {
		return err
	}
	defer c.close()
	var answer fleet.Answer
	if err := c.post(ctx, fleet.PathHeartbeat, l.heartbeat(), &answer); err != nil {
		return err
	}
	l.note(answer, nil)
	return nil
}

// Bounds of the wait after a failure.
const (
	firstRetry = time.Second
	maxRetry   = 30 * time.Second
	pollLimit  = 90 * time.Second // longer than any controller makes a host wait
)

// fetch asks for bundles newer than what the host has seen.
func (l *Link) fetch(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		err := l.fetchOne(ctx)
		if err == nil {
			wait = firstRetry
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, maxRetry)
	}
}

func (l *Link) fetchOne(ctx context.Context) error {
	ask, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	seen := l.opts.Host.Beat().Seen
	data, err := l.client.do(ask, "GET", fleet.PathBundle+"?after="+strconv.FormatUint(seen, 10), nil)
	if err != nil || data == nil {
		return err
	}
	err = l.opts.Host.Offer(ctx, data)
	l.Nudge()
	return err
}

// deliver sends queued batches, oldest first.
func (l *Link) deliver(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		data, done, err := l.opts.Queue.next(ctx)
		if err != nil {
			return // ctx ended
		}
		err = l.client.post(ctx, fleet.PathBatch, data, nil)
		switch {
		case err == nil:
			done(true)
			wait = firstRetry
			continue
		case Refused(err, fleet.CodeInvalid):
			l.opts.Log.Error("link: the controller refuses a batch for good", "error", err)
			done(false)
			continue
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, maxRetry)
	}
}
