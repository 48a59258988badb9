package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// stampedWriter stands between collectors and the store: it stamps records with
// the workloads that held their addresses when the flow was seen. Safe for
// concurrent use.
type stampedWriter struct {
	*store.Writer
	index atomic.Pointer[topology.Index]
}

// writer opens the store's writer under the current inventory. An import waits for
// the store; a live sensor never does.
func (s *session) writer(ctx context.Context, wait bool) (*stampedWriter, error) {
	return s.writerWith(ctx, store.WriterOptions{Wait: wait})
}

// importBatch is the rows of an import's batches: what is read again when an import
// goes on is at most one.
const importBatch = 100_000

// importWriter is a writer for what is read from one file.
func (s *session) importWriter(ctx context.Context, n *importNote) (*stampedWriter, error) {
	opt := store.WriterOptions{Wait: true, BatchRows: importBatch, Known: store.Progress{Batches: n.Batches, Chain: n.Chain}}
	id, err := hex.DecodeString(n.Source)
	if err != nil || len(id) != len(opt.Source) && n.Source != "" {
		return nil, fmt.Errorf("import %s: its note names the source %q", n.path, n.Source)
	}
	copy(opt.Source[:], id)
	return s.writerWith(ctx, opt)
}

func (s *session) writerWith(ctx context.Context, opt store.WriterOptions) (*stampedWriter, error) {
	index, err := s.inventory(ctx)
	if err != nil {
		return nil, err
	}
	opt.SpoolDir, opt.SpoolBytes = filepath.Join(s.app.cfg.DataDir, "spool"), s.app.cfg.ClickHouse.SpoolBytes
	opt.CloseTimeout = drainTimeout
	w, err := s.store.NewWriter(context.WithoutCancel(ctx), opt)
	if err != nil {
		return nil, err
	}
	sw := &stampedWriter{Writer: w}
	sw.index.Store(index)
	return sw, nil
}

// Records stamps and stores.
func (w *stampedWriter) Records(rs []flow.Record) error {
	index := w.index.Load()
	for i := range rs {
		index.Stamp(&rs[i])
	}
	return w.Writer.Records(rs)
}

// restamp takes the newest inventory: records from now on are stamped by it.
func (w *senseWatch) restamp(ctx context.Context) error {
	index, err := w.session.inventory(ctx)
	if err == nil {
		w.writer.index.Store(index)
	}
	return err
}

// flush stores everything taken so far, however long the store needs, unless ctx
// ends first.
func (w *stampedWriter) flush(ctx context.Context) error { return w.Flush(ctx) }
