package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/bulkhead/bulkhead/collector/capture"
)

// Import reads one capture: pcap or pcapng, plain, gzip or zstd, or standard input
// for "-". Packets become flow records and names; datagrams of flow exports go to
// o.Exports.
//
// When the file turns out to be damaged, the error is a *capture.FileError that
// says where, and everything before it has reached the sink. When ctx ends, the
// flows so far are flushed and the error is ctx's cause. Stats are valid in either
// case.
func Import(ctx context.Context, path string, o Options, sink Sink) (Stats, error) {
	r, err := capture.Open(path)
	if err != nil {
		return Stats{}, err
	}
	if o.Sensor == "" {
		o.Sensor = filepath.Base(path)
	}
	if o.Assemble.Interfaces == nil {
		o.Assemble.Interfaces = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}
	}
	if o.NetFlow.Stitch.HoldFor == 0 {
		o.NetFlow.Stitch.HoldFor = toTheEnd
	}
	p := newPipeline(o, sink)
	err = read(ctx, r, p, o.Progress)
	if e := p.flush(); e != nil {
		err = errors.Join(err, fmt.Errorf("import %s: %w", path, e))
	}
	stats := p.snapshot()
	if p.exports != nil {
		if e := p.exports.flush(); e != nil {
			err = errors.Join(err, fmt.Errorf("import %s: %w", path, e))
		}
		p.exports.add(&stats)
	}
	return stats, errors.Join(err, r.Close())
}

// toTheEnd is longer than any capture: flows of unsure direction wait until all of
// the file has been learned from.
const toTheEnd = 100 * 365 * 24 * time.Hour

// checkEvery is how many frames pass between looks at the context and the sink.
const checkEvery = 1 << 14

func read(ctx context.Context, r *capture.Reader, p *pipeline, progress func(int64, int64, uint64)) error {
	var f capture.Frame
	for {
		if !r.Ready() {
			p.drain() // Next moves what the gathered packets point to
		}
		err := r.Next(&f)
		if err == io.EOF {
			report(r, p, progress)
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.frame(&f); err != nil {
			return err
		}
		if p.stats.Frames%checkEvery != 0 {
			continue
		}
		report(r, p, progress)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if p.err() != nil {
			return nil // flush returns it
		}
	}
}

func report(r *capture.Reader, p *pipeline, progress func(int64, int64, uint64)) {
	if progress != nil {
		done, total := r.Progress()
		progress(done, total, p.stats.Frames)
	}
}
