package collector_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bulkhead/bulkhead/collector"
	"github.com/bulkhead/bulkhead/collector/assemble"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// journal hashes what reaches a sink, in its order and call by call.
type journal struct {
	calls int
	sum   [2]uint64 // of records, of names
}

func (j *journal) write(n int, what any) error {
	h := fnv.New64a()
	fmt.Fprintf(h, "%x %+v", j.sum[n], what)
	j.sum[n] = h.Sum64()
	j.calls++
	return nil
}

func (j *journal) Records(r []flow.Record) error { return j.write(0, r) }
func (j *journal) Names(n []flow.Name) error     { return j.write(1, n) }

// twice imports a file with different seeds and compares what reached the sink. An
// import that was interrupted is taken up by reading the file again, and relies on it.
func twice(t *testing.T, path string) {
	t.Helper()
	var all [3]journal
	for i := range all {
		o := collector.Options{Sensor: "s", Assemble: assemble.Options{Seed: uint64(i), Capacity: 4096}} // 0: a random one
		_, _ = collector.Import(context.Background(), path, o, &all[i])                                  // damaged files too
	}
	if all[0] != all[1] || all[0] != all[2] {
		t.Errorf("%s: %+v", path, all)
	}
}

func TestImportIsTheSameEveryTime(t *testing.T) {
	twice(t, generated(t, capturetest.Options{Packets: 60_000, Flows: 30_000, Seconds: 400, Seed: 3}))
}

func TestImportOfTheCorpusIsTheSameEveryTime(t *testing.T) {
	testenv.Need(t, "corpus")
	err := filepath.WalkDir(testenv.Corpus(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (strings.Contains(d.Name(), ".pcap") || strings.HasSuffix(d.Name(), ".trace")) {
			twice(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
