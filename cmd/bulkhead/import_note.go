package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

// importNote is the document about one capture, named by the hash of its content:
// that it is being read, how far it is in the store, and in the end what it brought.
//
// Whoever reads the file makes the same batches of it, with the same tokens, because
// all that a reading depends on is in the note or in Settings: so two readers at
// once, or one after another was killed, store each row once.
type importNote struct {
	File    string    `json:"file"`
	Frames  uint64    `json:"frames"`
	Records uint64    `json:"records"`
	First   flow.Time `json:"first"`
	Last    flow.Time `json:"last"`

	Reading  bool      `json:"reading,omitempty"` // not read to its end yet
	Damaged  bool      `json:"damaged,omitempty"` // and cannot be
	By       string    `json:"by,omitempty"`
	Since    time.Time `json:"since,omitzero"`
	Source   string    `json:"source,omitempty"`   // store.WriterOptions.Source in hexadecimal
	Seed     uint64    `json:"seed,omitempty"`     // of the collector's hash tables
	Settings string    `json:"settings,omitempty"` // hash of the version and the configuration it is read with
	Sensor   string    `json:"sensor,omitempty"`
	Batches  uint64    `json:"batches,omitempty"` // store.Progress
	Chain    uint64    `json:"chain,omitempty"`

	path    string
	hash    string // "": a pipe, which is read once
	version uint64 // of the document
}

// rereadable reports whether the file can be read again.
func (n *importNote) rereadable() bool { return n.hash != "" }

// claim finds or writes the note of a file; nil when the file was imported before.
func (im *importer) claim(ctx context.Context, s *session, file string) (*importNote, error) {
	if !rereadable(file) {
		return &importNote{path: file}, nil
	}
	hash, err := fileHash(ctx, file)
	if err != nil {
		return nil, err
	}
	for {
		n := &importNote{path: file, hash: hash}
		if n.version, err = s.load(ctx, docImport, hash, n); err != nil {
			return nil, err
		}
		switch {
		case n.version == 0 || im.again:
		case !n.Reading:
			at, err := s.store.LoadDocument(ctx, docImport, hash, n.version)
			im.say("%s was imported on %s; --again imports it once more", printable(file), at.Time.Format(time.DateTime))
			return nil, err
		case n.Settings != im.settings():
			return nil, usagef("import %s: it was read in part by %s, with another version or configuration, so that what is missing cannot be told; --again reads it all and counts that part twice", file, n.By)
		default:
			im.say("%s: %s", printable(file), n.resumed())
			return n, nil
		}
		if err := n.begin(im, file); err != nil {
			return nil, err
		}
		if err = n.save(ctx, s, "began to import "+n.File); err == nil {
			return n, nil
		}
		if !errors.Is(err, store.ErrStale) || im.again {
			return nil, err
		} // somebody else has just begun: go along with theirs
	}
}

// begin makes n the note of a new reading.
func (n *importNote) begin(im *importer, file string) error {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	host, _ := os.Hostname() // empty is as good as none
	*n = importNote{File: filepath.Base(file), Reading: true, By: fmt.Sprintf("process %d on %s", os.Getpid(), host), Since: time.Now().UTC(),
		Source: hex.EncodeToString(b[:16]), Seed: binary.LittleEndian.Uint64(b[16:]) | 1,
		Settings: im.settings(), Sensor: im.sensorOf(file), path: file, hash: n.hash, version: n.version}
	return nil
}

// resumed says in words what a note found half done means.
func (n *importNote) resumed() string {
	if n.Damaged {
		return "it is damaged, and was read up to there; what is stored is not stored again"
	}
	return fmt.Sprintf("%s began to import it at %s; what is stored is not stored again", n.By, n.Since.Format(time.DateTime))
}

// settings is a hash of everything besides the file and its note that decides what
// records come of it.
func (im *importer) settings() string {
	c := im.cfg.Collector
	c.Listen, c.Interfaces, c.User, c.Sensor = nil, nil, "", ""
	b, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(append([]byte(version+"\n"), b...))
	return hex.EncodeToString(sum[:])
}

func (n *importNote) save(ctx context.Context, s *session, reason string) error {
	if err := s.save(ctx, docImport, n.hash, n.version, author(), reason, n); err != nil {
		return err
	}
	n.version++
	return nil
}

// noteEvery is how often the progress of an import is noted. What was stored since
// and never noted, because the program was killed, is known to the store by its
// tokens as long as it remembers them: 10,000 batches.
const noteEvery = 5 * time.Second

// follow notes the progress while the file is read, until the function it returns
// is called.
func (n *importNote) follow(ctx context.Context, s *session, w *store.Writer) (stop func()) {
	if !n.rereadable() {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(noteEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				if err := n.progress(ctx, s, w); err != nil && ctx.Err() == nil {
					s.app.log.Warn("progress of the import is not noted", "file", n.File, "error", err)
				}
			}
		}
	}()
	return func() { cancel(); <-ended }
}

// progress notes how far the file is in the store. Another reader's note that is
// further stays.
func (n *importNote) progress(ctx context.Context, s *session, w *store.Writer) error {
	for {
		p := w.Progress()
		if p.Batches <= n.Batches {
			return nil
		}
		n.Batches, n.Chain = p.Batches, p.Chain
		err := n.save(ctx, s, "importing "+n.File)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		theirs := importNote{}
		if n.version, err = s.load(ctx, docImport, n.hash, &theirs); err != nil || !theirs.Reading || theirs.Source != n.Source {
			return err
		}
		n.Batches, n.Chain = theirs.Batches, theirs.Chain
	}
}

// done records what the file brought, and that its content is in the store.
func (n *importNote) done(ctx context.Context, s *session, w *store.Writer, st collector.Stats, damage error) error {
	stages := append(collectorStages(st), writerStage(w.Stats()))
	if err := s.store.ReportHealth(ctx, healthOf(filepath.Base(n.path), stages, time.Now())); err != nil || !n.rereadable() {
		return err
	}
	n.Reading, n.Damaged = damage != nil, damage != nil // a damaged file is read again, and adds nothing
	n.Frames, n.Records, n.First, n.Last = st.Frames, st.Records(), st.First, st.Last
	p := w.Progress()
	n.Batches, n.Chain = p.Batches, p.Chain
	for {
		err := n.save(ctx, s, "imported "+n.File)
		if !errors.Is(err, store.ErrStale) {
			return err
		}
		theirs := importNote{}
		if n.version, err = s.load(ctx, docImport, n.hash, &theirs); err != nil || !theirs.Reading {
			return err // the other reader was first to be done: its note says the same
		}
	}
}

// whole passes on what is read while ctx lives, and nothing of what a collector
// flushes when it is stopped in the middle: reading the file again would not make
// those records.
type whole struct {
	ctx context.Context
	w   *stampedWriter
}

func (g whole) Records(rs []flow.Record) error {
	if g.ctx.Err() != nil {
		return nil
	}
	return g.w.Records(rs)
}

func (g whole) Names(ns []flow.Name) error {
	if g.ctx.Err() != nil {
		return nil
	}
	return g.w.Names(ns)
}
