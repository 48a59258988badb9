package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress reports long work: a bar on a terminal, a plain line every few seconds
// elsewhere. Not safe for concurrent use.
type progress struct {
	w     io.Writer
	label string
	bar   *progressbar.ProgressBar
	start time.Time
	last  time.Time
}

// plainEvery is how often a log gets a line.
const plainEvery = 5 * time.Second

func newProgress(w io.Writer, label string, total int64) *progress {
	p := &progress{w: w, label: label, start: time.Now(), last: time.Now()}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(label),
			progressbar.OptionShowBytes(true), progressbar.OptionClearOnFinish(),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
	}
	return p
}

// set says that done of total bytes (total <= 0: unknown) and n items are behind
// us.
func (p *progress) set(done, total int64, n uint64, unit string) {
	if p.bar != nil {
		if total > 0 {
			p.bar.ChangeMax64(total)
		}
		_ = p.bar.Set64(done) // a bar that cannot be drawn is no reason to stop
		return
	}
	if now := time.Now(); now.Sub(p.last) >= plainEvery {
		p.last = now
		fmt.Fprintf(p.w, "%s: %s, %d %s after %s\n", p.label, share(done, total), n, unit, now.Sub(p.start).Round(time.Second))
	}
}

func (p *progress) done() {
	if p.bar != nil {
		_ = p.bar.Finish()
	}
}

func share(done, total int64) string {
	if total <= 0 {
		return byteSize(done)
	}
	return fmt.Sprintf("%d%% of %s", 100*done/total, byteSize(total))
}

func byteSize(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	div, exp := int64(unit), 0
	for m := n / unit; m >= unit; m /= unit {
		div *= unit
		exp++
	}
	return fmt.Sprintf("%.1f %ciB", float64(n)/float64(div), "KMGTPE"[exp])
}
