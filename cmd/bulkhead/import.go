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

A file is known by its content: importing it a second time, or twice at once,
changes nothing unless --again is given, and an import that was interrupted goes on
where it stopped. A damaged file is read up to the damage, and the error says where
it is.`,
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
		var failed error
		for _, f := range files {
			if _, err := im.one(ctx, &importNote{path: f}, discard{}); ctx.Err() != nil {
				return context.Cause(ctx)
			} else if err != nil {
				failed = errors.Join(failed, err)
			}
		}
		return failed
	}
	return im.with(ctx, func(s *session) error { return im.store(ctx, s, files) })
}

// store imports the files in turn. A damaged file does not keep the next from being
// read; its error is returned at the end.
func (im *importer) store(ctx context.Context, s *session, files []string) error {
	var failed error
	for _, f := range files {
		note, err := im.claim(ctx, s, f)
		if err != nil {
			return errors.Join(failed, err)
		}
		if note == nil {
			continue // imported before
		}
		damage, err := im.keep(ctx, s, note)
		failed = errors.Join(failed, damage)
		if err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

// keep reads one file into the store. damage is what is wrong with the file; all
// before it is stored.
func (im *importer) keep(ctx context.Context, s *session, note *importNote) (damage, err error) {
	w, err := s.importWriter(ctx, note)
	if err != nil {
		return nil, err
	}
	stop := note.follow(ctx, s, w.Writer)
	st, damage := im.one(ctx, note, whole{ctx, w})
	stop()
	switch {
	case ctx.Err() != nil:
		w.Withdraw()
		err = errors.Join(context.Cause(ctx), w.Close())
		if note.rereadable() {
			im.say("%s was read in part; importing it again goes on where this ended", printable(note.path))
			return nil, errors.Join(err, note.progress(context.WithoutCancel(ctx), s, w.Writer))
		}
		return nil, err
	case errors.Is(damage, store.ErrDiffers):
		w.Withdraw() // what is not yet in a batch would take the name of one that is whole
		return nil, errors.Join(damage, w.Close())
	}
	if err = w.flush(ctx); err == nil {
		err = note.done(ctx, s, w.Writer, st, damage)
	}
	return damage, errors.Join(err, w.Close())
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

// one reads a file into to and reports it. The error is the file's.
func (im *importer) one(ctx context.Context, note *importNote, to sink) (collector.Stats, error) {
	start := time.Now()
	st, err := im.read(ctx, note, to)
	if err2 := im.report(note.path, st, time.Since(start), err); err2 != nil {
		return st, err2
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("import %s: %w", note.path, err)
	}
	return st, err
}

func (im *importer) read(ctx context.Context, note *importNote, to sink) (collector.Stats, error) {
	opt, err := collectorOptions(im.cfg.Collector)
	if err != nil {
		return collector.Stats{}, err
	}
	if opt.Sensor = note.Sensor; opt.Sensor == "" {
		opt.Sensor = im.sensorOf(note.path)
	}
	opt.Assemble.Seed, opt.NetFlow.Stitch.Seed = note.Seed, note.Seed
	if !im.quiet && !im.json {
		bar := newProgress(im.err, filepath.Base(note.path), -1)
		opt.Progress = func(read, total int64, packets uint64) { bar.set(read, total, packets, "packets") }
		defer bar.done()
	}
	return collector.Import(ctx, note.path, opt, to)
}

// sensorOf is the observation point of a file's records.
func (im *importer) sensorOf(file string) string {
	if im.sensor != "" {
		return im.sensor
	}
	return filepath.Base(file)
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
