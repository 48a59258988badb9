package capture_test

import (
	"errors"
	"io"
	"testing"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// Every capture of the corpus, however malformed, is read to its end or to an
// error that says where.
func TestCorpusSurvives(t *testing.T) {
	testenv.Need(t, "corpus")
	files := corpus(t)
	if len(files) < 500 {
		t.Fatalf("only %d captures found", len(files))
	}
	var packets, read int
	var drops flow.Drops
	for _, path := range files {
		r, err := capture.Open(path)
		if err != nil {
			var at *capture.FileError
			if !errors.As(err, &at) {
				t.Errorf("%s: %v", path, err)
			}
			continue
		}
		var w capture.Walker
		var f capture.Frame
		var p capture.Packet
		for err = r.Next(&f); err == nil; err = r.Next(&f) {
			packets++
			if why := w.Walk(&f, &p); why != flow.DropNone {
				drops.Add(why, 1)
			} else {
				read++
			}
		}
		var at *capture.FileError
		if err != io.EOF && !errors.As(err, &at) {
			t.Errorf("%s: %v", path, err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	t.Logf("%d files, %d frames, %d IP packets", len(files), packets, read)
	drops.Each(func(why flow.DropReason, n uint64) { t.Logf("%8d %s", n, why) })
}
