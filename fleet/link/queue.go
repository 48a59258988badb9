package link

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bulkhead/bulkhead/fleet"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/durable"
	"github.com/bulkhead/bulkhead/policy"
)

// Reasons for which rows are given up.
const (
	LostFull    = "queue-full"    // the oldest batch made room
	LostDisk    = "disk"          // a batch could not be written, and memory was full
	LostRefused = "refused"       // the controller will never take it
	LostDamaged = "spool-damaged" // a file could not be read back
)

// Queue holds what a host reports until its controller has acknowledged it: in
// files, in order, within a bound. Rows are in memory for a moment before they are
// in a file. It is safe for concurrent use; it is a task, which writes files.
//
//	id         name of this queue, part of every batch's
//	sent       number of the last batch that is done with
//	7.batch    batches, as they are sent
type Queue struct {
	dir   string
	max   int64
	log   *slog.Logger
	ready chan struct{}
	wake  chan struct{} // cap 1: there is something to send

	mu      sync.Mutex
	id      string
	nextSeq uint64
	rows    fleet.Batch // being filled
	files   []queued    // oldest first
	bytes   int64
	flying  bool // files[0] is being sent
	failed  bool // the disk took nothing at the last try; tried again at the next flush
	stats   QueueStats
}

type queued struct {
	seq  uint64
	rows uint64
	size int64
}

// QueueStats counts rows. Received + Found = Sent + Σ Lost + Waiting.
type QueueStats struct {
	Received uint64 // from this host, since the start
	Found    uint64 // that waited when the program started
	Sent     uint64 // acknowledged
	Waiting  uint64
	Lost     map[string]uint64
}

// flushEvery is how long rows are in memory only.
const flushEvery = 2 * time.Second

// maxRows in memory, when the disk does not take them.
const maxRows = 4 * fleet.MaxBatchRows

// OpenQueue finds what waits in a folder, made if absent. max bounds its files, in
// bytes; 0 for 64 MiB.
func OpenQueue(dir string, max int64, log *slog.Logger) (*Queue, error) {
	if max == 0 {
		max = 64 << 20
	}
	if log == nil {
		log = slog.Default()
	}
	q := &Queue{dir: dir, max: max, log: log, ready: make(chan struct{}), wake: make(chan struct{}, 1),
		stats: QueueStats{Lost: map[string]uint64{}}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	var err error
	if q.id, err = durable.ID(filepath.Join(dir, "id")); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	if err := q.find(); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, nil
}

// find lists the batches of an earlier run.
func (q *Queue) find() error {
	text, err := os.ReadFile(filepath.Join(q.dir, "sent"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sent := uint64(0)
	if err == nil {
		if sent, err = strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(q.dir, "sent"), err)
		}
	}
	q.nextSeq = sent + 1
	entries, err := os.ReadDir(q.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".batch")
		seq, err := strconv.ParseUint(name, 10, 64)
		if !ok || err != nil {
			continue
		}
		q.nextSeq = max(q.nextSeq, seq+1)
		if seq <= sent {
			_ = os.Remove(q.path(seq)) // acknowledged before the crash; sent again it would add nothing
			continue
		}
		q.found(seq)
	}
	slices.SortFunc(q.files, func(a, b queued) int { return int(int64(a.seq) - int64(b.seq)) })
	notify(q.wake)
	return nil
}

func (q *Queue) found(seq uint64) {
	data, err := os.ReadFile(q.path(seq))
	if err == nil {
		var b *fleet.Batch
		if b, err = fleet.DecodeBatch(data); err == nil && b.Queue == q.id && b.Seq == seq {
			f := queued{seq, uint64(b.Rows()), int64(len(data))}
			q.files = append(q.files, f)
			q.bytes += f.size
			q.stats.Found += f.rows
			q.stats.Waiting += f.rows
			return
		}
	}
	q.log.Warn("queue: a batch cannot be read back and is set aside", "file", q.path(seq), "error", err)
	q.stats.Lost[LostDamaged]++
	_ = os.Rename(q.path(seq), q.path(seq)+".damaged") // if it stays, it is found again
}

func (q *Queue) path(seq uint64) string {
	return filepath.Join(q.dir, strconv.FormatUint(seq, 10)+".batch")
}

// Records takes flow records; it does not keep the slice. It never fails: what does
// not fit is counted.
func (q *Queue) Records(list []flow.Record) error {
	q.add(len(list), func(i int) { q.rows.Records = append(q.rows.Records, list[i]) })
	return nil
}

// Violations takes violations, as Records does.
func (q *Queue) Violations(list []policy.Violation) error {
	q.add(len(list), func(i int) { q.rows.Violations = append(q.rows.Violations, list[i]) })
	return nil
}

func (q *Queue) add(n int, put func(int)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range n {
		q.stats.Received++
		if q.rows.Rows() >= maxRows {
			q.stats.Lost[LostDisk]++
			continue
		}
		put(i)
		q.stats.Waiting++
		if q.rows.Rows() >= fleet.MaxBatchRows && !q.failed {
			q.flush()
		}
	}
}

// String names the task.
func (q *Queue) String() string { return "report queue" }

// Ready is closed when rows are taken.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Run writes rows to files until ctx ends, and what is left then.
func (q *Queue) Run(ctx context.Context) error {
	close(q.ready)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			q.Flush()
			return nil
		case <-tick.C:
			q.Flush()
		}
	}
}

// Flush writes what is in memory.
func (q *Queue) Flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.rows.Rows() > 0 && q.flush() {
	}
}

// flush writes one batch; false when the disk does not take it. q.mu is held.
func (q *Queue) flush() bool {
	b := fleet.Batch{Queue: q.id, Seq: q.nextSeq}
	b.Records = q.rows.Records[:min(len(q.rows.Records), fleet.MaxBatchRows)]
	b.Violations = q.rows.Violations[:min(len(q.rows.Violations), fleet.MaxBatchRows-len(b.Records))]
	data, err := b.Encode()
	if err == nil {
		err = durable.Replace(q.path(b.Seq), data)
	}
	if err != nil {
		if !q.failed {
			q.log.Warn("queue: rows cannot be written and wait in memory", "error", err)
		}
		q.failed = true
		return false
	}
	q.failed = false
	q.nextSeq++
	q.files = append(q.files, queued{b.Seq, uint64(b.Rows()), int64(len(data))})
	q.bytes += int64(len(data))
	q.rows.Records = append(q.rows.Records[:0], q.rows.Records[len(b.Records):]...)
	q.rows.Violations = append(q.rows.Violations[:0], q.rows.Violations[len(b.Violations):]...)
	q.makeRoom()
	notify(q.wake)
	return true
}

// makeRoom gives up the oldest batches beyond the bound, but not the one that is
// being sent. q.mu is held.
func (q *Queue) makeRoom() {
	for q.bytes > q.max && len(q.files) > 1 {
		at := 0
		if q.flying {
			at = 1
		}
		f := q.files[at]
		_ = os.Remove(q.path(f.seq)) // if it stays, it is found and sent after a restart
		q.files = slices.Delete(q.files, at, at+1)
		q.bytes -= f.size
		q.stats.Waiting -= f.rows
		q.stats.Lost[LostFull] += f.rows
		if q.flying && len(q.files) == 1 {
			return
		}
	}
}

// next waits for a batch. done says what became of it: delivered or given up.
// Without done it comes again.
func (q *Queue) next(ctx context.Context) (data []byte, done func(delivered bool), err error) {
	for {
		q.mu.Lock()
		q.flying = false
		if len(q.files) == 0 {
			q.mu.Unlock()
			select {
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			case <-q.wake:
			}
			continue
		}
		f := q.files[0]
		q.flying = true
		q.mu.Unlock()
		if data, err = os.ReadFile(q.path(f.seq)); err == nil {
			return data, func(ok bool) { q.done(f, ok) }, nil
		}
		q.log.Warn("queue: a batch is lost", "error", err)
		q.finish(f, LostDamaged)
	}
}

func (q *Queue) done(f queued, delivered bool) {
	why := ""
	if !delivered {
		why = LostRefused
	}
	q.finish(f, why)
}

// finish is done with the batch at the head: sent, or lost for a reason.
func (q *Queue) finish(f queued, why string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flying = false
	err := durable.Replace(filepath.Join(q.dir, "sent"), []byte(strconv.FormatUint(f.seq, 10)))
	if err != nil {
		q.log.Warn("queue: not noted as sent; the controller will know", "error", err)
	}
	if err == nil || len(q.files) > 1 { // else nothing would say, after a restart, which numbers are used
		_ = os.Remove(q.path(f.seq)) // if it stays, "sent" tells
	}
	q.files = q.files[1:]
	q.bytes -= f.size
	q.stats.Waiting -= f.rows
	if why == "" {
		q.stats.Sent += f.rows
	} else {
		q.stats.Lost[why] += f.rows
	}
}

// Stats returns the counts so far.
func (q *Queue) Stats() QueueStats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := q.stats
	s.Lost = maps.Clone(s.Lost)
	return s
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
