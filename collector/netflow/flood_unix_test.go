//go:build unix

package netflow_test

import (
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow"
)

// The largest datagram of the smallest templates, and of options records a byte
// long, stays within the time and the memory promised.
func TestFloodsInOneDatagram(t *testing.T) {
	var templates, options []byte
	for id := 256; len(templates) < 65000; id++ {
		templates = append(templates, words(uint16(256+id%60000), 1, 1, 1)...)
	}
	options = make([]byte, 65000)
	f := newFeeder(t, netflow.Options{Stitch: small()})
	f.feed(ipfix(0, 1, set(3, words(256, 1, 1, 34, 1)...)))
	for name, message := range map[string][]byte{
		"templates": ipfix(0, 2, set(2, templates...)), "options": ipfix(0, 1, set(256, options...)),
	} {
		before, start := allocated(), cpuTime(t)
		f.feed(message)
		if grew, took := allocated()-before, cpuTime(t)-start; grew > 8<<20 || took > time.Second { // 20 ms of CPU time, unless the machine is slow
			t.Errorf("%s: allocated %d bytes, took %v", name, grew, took)
		}
	}
	if s := f.Stats(); s.Exporters[0].Templates > 4097 {
		t.Errorf("%d templates kept", s.Exporters[0].Templates)
	}
}
