package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/store"
)

// importer is the verb `import`.
type importer struct {
	*app
	dryRun bool
	again  bool
	sensor string
}

func importCmd(a *app) *cobra.Command {
	im := &importer{app: a}
	cmd := &cobra.Command{
		Use:   "import FILE...",
		Short: "Read captures: packets, or NetFlow/IPFIX/sFlow datagrams (pcap, pcapng, .gz, .zst, - for stdin)",
		Long: `Reads capture files into the store: packets become flows and names, datagrams of
flow exports (NetFlow v5 and v9, IPFIX, sFlow) become the flows they report.

A file is known by its content: importing it a second time changes nothing unless
--again is given. A damaged file is read up to the damage, and the error says
where it is.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return im.run(cmd.Context(), files) },
	}
	cmd.Flags().BoolVar(&im.dryRun, "dry-run", false, "read and count, store nothing")
	cmd.Flags().BoolVar(&im.again, "again", false, "import files whose content was imported before")
	cmd.Flags().StringVar(&im.sensor, "sensor", "", "name of the observation point; default: the file's name")
	return cmd
}

func (im *importer) run(ctx context.Context, files []string) error {
	for _, f := range files { // all names are checked before any file is read
		if f == "-" {
			continue
		}
		if st, err := os.Stat(f); err != nil {
			return usagef("import: %w", err)
		} else if st.IsDir() {
			return usagef("import %s: is a folder; name its files", f)
		}
	}
	if im.dryRun {
		return im.each(ctx, captures(files), discard{}, func(candidate, collector.Stats) error { return nil })
	}
	return im.with(ctx, func(s *session) error {
		w, err := s.writer(ctx, true)
		if err != nil {
			return err
		}
		keep, err := im.fresh(ctx, s, files)
		if err == nil {
			err = im.each(ctx, keep, w, func(c candidate, st collector.Stats) error {
				if err := w.flush(ctx); err != nil {
					return err
				}
				return s.rememberImport(ctx, c, st)
			})
		}
		return errors.Join(err, w.Close())
	})
}

// candidate is a file to import with the hash of its content, "" when it is not to be
// remembered.
type candidate struct{ file, hash string }

func captures(files []string) []candidate {
	list := make([]candidate, len(files))
	for i, f := range files {
		list[i].file = f
	}
	return list
}

// fresh hashes the files and leaves out those whose content was imported before.
func (im *importer) fresh(ctx context.Context, s *session, files []string) ([]candidate, error) {
	var keep []candidate
	for _, c := range captures(files) {
		if !rereadable(c.file) {
			keep = append(keep, c)
			continue
		}
		var err error
		if c.hash, err = fileHash(ctx, c.file); err != nil {
			return nil, err
		}
		doc, err := s.store.LoadDocument(ctx, docImport, c.hash, 0)
		switch {
		case im.again, errors.Is(err, store.ErrNoDocument):
			keep = append(keep, c)
		case err != nil:
			return nil, err
		default:
			im.say("%s was imported on %s; --again imports it once more", c.file, doc.Time.Format(time.DateTime))
		}
	}
	return keep, nil
}

// sink is what collectors feed.
type sink interface {
	Records([]flow.Record) error
	Names([]flow.Name) error
}

type discard struct{}

func (discard) Records([]flow.Record) error { return nil }
func (discard) Names([]flow.Name) error     { return nil }

// importResult is the --json form of one file's import.
type importResult struct {
	File    string            `json:"file"`
	Frames  uint64            `json:"frames"`
	Packets uint64            `json:"packets"`
	Exports uint64            `json:"exportDatagrams"`
	Records uint64            `json:"records"`
	Names   uint64            `json:"names"`
	Drops   map[string]uint64 `json:"drops"`
	Seconds float64           `json:"seconds"`
	Error   string            `json:"error,omitempty"`
}

// each imports the files in turn. A damaged file does not keep the next from being
// read; the first error is returned at the end.
func (im *importer) each(ctx context.Context, files []candidate, to sink, done func(candidate, collector.Stats) error) error {
	var failed error
	for _, c := range files {
		f, start := c.file, time.Now()
		st, err := im.one(ctx, f, to)
		if err2 := im.report(f, st, time.Since(start), err); err2 != nil {
			return err2
		}
		if ctx.Err() != nil {
			if !im.dryRun {
				im.say("%s was read in part and what was read is stored: importing it again counts that part twice", printable(f))
			}
			return context.Cause(ctx)
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("import %s: %w", f, err))
		}
		if err != nil {
			c.hash = "" // a damaged file may come again, whole
		}
		if err := done(c, st); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

func (im *importer) one(ctx context.Context, file string, to sink) (collector.Stats, error) {
	opt, err := collectorOptions(im.cfg.Collector)
	if err != nil {
		return collector.Stats{}, err
	}
	if opt.Sensor = im.sensor; opt.Sensor == "" {
		opt.Sensor = filepath.Base(file)
	}
	if !im.quiet && !im.json {
		bar := newProgress(im.err, filepath.Base(file), -1)
		opt.Progress = func(read, total int64, packets uint64) { bar.set(read, total, packets, "packets") }
		defer bar.done()
	}
	return collector.Import(ctx, file, opt, to)
}

func (im *importer) report(file string, st collector.Stats, took time.Duration, err error) error {
	drops := st.Drops()
	if im.json {
		r := importResult{File: file, Frames: st.Frames, Packets: st.Walked, Exports: st.Exports, Records: st.Records(),
			Names: st.Names.Emitted, Drops: dropMap(&drops), Seconds: took.Seconds()}
		if err != nil {
			r.Error = err.Error()
		}
		return json.NewEncoder(im.out).Encode(r)
	}
	rate := float64(st.Frames) / max(took.Seconds(), 1e-3)
	fmt.Fprintf(im.out, "%s: %d frames, %d export datagrams → %d flow records in %s (%.0f frames/s)\n",
		printable(file), st.Frames, st.Exports, st.Records(), took.Round(time.Millisecond), rate)
	drops.Each(func(r flow.DropReason, n uint64) { fmt.Fprintf(im.out, "  not counted: %d %s\n", n, r) })
	return nil
}

func dropMap(d *flow.Drops) map[string]uint64 {
	m := map[string]uint64{}
	d.Each(func(r flow.DropReason, n uint64) { m[r.String()] = n })
	return m
}

// rereadable says whether reading a file leaves it as it was: hashing a pipe, such as
// a shell's <(command), would take away what is to be imported.
func rereadable(file string) bool {
	st, err := os.Stat(file)
	return file != "-" && err == nil && st.Mode().IsRegular()
}

// fileHash is the SHA-256 of a file's content in hexadecimal, or the cause for which
// ctx ended: a capture can take minutes to read.
func fileHash(ctx context.Context, file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	defer context.AfterFunc(ctx, func() { f.Close() })()
	h := sha256.New()
	if _, err := io.Copy(h, f); ctx.Err() != nil {
		return "", context.Cause(ctx)
	} else if err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// rememberImport records what a file brought, and that its content is in the store.
func (s *session) rememberImport(ctx context.Context, c candidate, st collector.Stats) error {
	name := filepath.Base(c.file)
	if err := s.store.ReportHealth(ctx, healthOf(name, collectorStages(st), time.Now())); err != nil || c.hash == "" {
		return err
	}
	doc := map[string]any{"file": name, "frames": st.Frames, "records": st.Records(), "first": st.First, "last": st.Last}
	var before map[string]any
	base, err := s.load(ctx, docImport, c.hash, &before)
	if err != nil {
		return err
	}
	return s.save(ctx, docImport, c.hash, base, author(), "imported "+name, doc)
}
