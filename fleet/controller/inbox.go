package controller

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/durable"
	"github.com/bulkhead/bulkhead/policy"
)

// inbox keeps reported batches from the moment they are acknowledged until they are
// stored, each once. Batches of many hosts become one group: a file, written whole
// and synced before any of them is acknowledged, and stored as one block under the
// token that is the group's name. Which batch of a host came last is kept with the
// groups: in the groups that still wait, and in marks.json for those that were
// stored, written before their file is deleted. So after a crash at any point
// either a group is stored again under its token, which adds nothing, or its
// batches are known.
type inbox struct {
	dir  string
	max  int64
	sink Sink
	log  *slog.Logger

	toWrite, toStore chan struct{} // cap 1: there is something to do

	mu      sync.Mutex
	id      string          // of this inbox, part of every token
	next    uint64          // number of the group being filled
	writing []*group        // not on disk yet, oldest first; the last may still be filled
	waiting []*group        // on disk, oldest first
	last    map[string]mark // by host: the newest batch in any group
	stored  map[string]mark // by host: the newest batch that is stored
	bytes   int64           // of waiting groups
	stats   InboxStats
}

// mark is the newest batch of a host.
type mark struct {
	Queue string `json:"queue"`
	Seq   uint64 `json:"seq"`
}

// InboxStats counts rows. Received = Stored + Refused + Duplicate + Waiting.
type InboxStats struct {
	Received, Stored, Duplicate, Refused, Waiting uint64
}

// group is batches that are stored together.
type group struct {
	number uint64
	marks  map[string]mark
	before map[string]mark // of the same hosts; zero for none
	rows   groupRows       // until it is on disk
	size   int64
	sealed bool          // nothing is added any more
	done   chan struct{} // closed when it is on disk, or not
	err    error         // why not
}

// groupRows is the content of a group's file.
type groupRows struct {
	Marks      map[string]mark    `json:"marks"`
	Records    []flow.Record      `json:"records"`
	Violations []policy.Violation `json:"violations"`
}

func (r *groupRows) count() uint64 { return uint64(len(r.Records) + len(r.Violations)) }

// marksFile says which batches are stored.
type marksFile struct {
	Next  uint64          `json:"next"` // number of the next group
	Marks map[string]mark `json:"marks"`
}

// maxGroupRows keeps a group one block of the store.
const maxGroupRows = 100_000

// errFull: the disk's share is used up.
var errFull = errors.New("inbox is full")

func openInbox(dir string, max int64, sink Sink, log *slog.Logger) (*inbox, error) {
	b := &inbox{dir: dir, max: max, sink: sink, log: log, toWrite: make(chan struct{}, 1), toStore: make(chan struct{}, 1),
		last: map[string]mark{}, stored: map[string]mark{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	var err error
	if b.id, err = durable.ID(filepath.Join(dir, "id")); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	if err := b.recover(); err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	return b, nil
}

// recover finds the groups that a controller left behind.
func (b *inbox) recover() error {
	b.next = 1
	text, err := os.ReadFile(filepath.Join(b.dir, "marks.json"))
	var kept marksFile
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("marks.json: %w", err)
	}
	b.next = max(b.next, kept.Next)
	for host, m := range kept.Marks {
		b.last[host], b.stored[host] = m, m
	}
	numbers, err := groupFiles(b.dir)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		g := &group{number: n}
		rows, size, err := b.readGroup(g)
		if err != nil {
			return err
		}
		g.marks, g.size = rows.Marks, size
		for host, m := range g.marks {
			b.last[host] = m
		}
		b.waiting = append(b.waiting, g)
		b.bytes += size
		b.stats.Waiting += rows.count()
		b.stats.Received += rows.count()
		b.next = max(b.next, n+1)
	}
	notify(b.toStore)
	return nil
}

// token names a group for ever.
func (b *inbox) token(n uint64) string { return fmt.Sprintf("inbox-%s-%d", b.id, n) }

func groupFiles(dir string) (numbers []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if text, ok := strings.CutSuffix(e.Name(), ".group"); ok {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s: is no group of ours", e.Name())
			}
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (b *inbox) groupPath(n uint64) string {
	return filepath.Join(b.dir, strconv.FormatUint(n, 10)+".group")
}

func (b *inbox) readGroup(g *group) (rows *groupRows, size int64, err error) {
	text, err := os.ReadFile(b.groupPath(g.number))
	if err != nil {
		return nil, 0, err
	}
	rows = &groupRows{}
	if err := json.Unmarshal(text, rows); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", b.groupPath(g.number), err)
	}
	return rows, int64(len(text)), nil
}
