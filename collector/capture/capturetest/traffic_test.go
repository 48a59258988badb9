package capturetest_test

import (
	"bytes"
	"testing"

	"github.com/bulkhead/bulkhead/collector/capture"
	"github.com/bulkhead/bulkhead/collector/capture/capturetest"
	"github.com/bulkhead/bulkhead/flow"
)

func TestWriteKeepsItsPromises(t *testing.T) {
	o := capturetest.Options{Packets: 100_000, Flows: 5_000, Seed: 3}
	var a, b bytes.Buffer
	s, err := capturetest.Write(&a, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := capturetest.Write(&b, o); err != nil || !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatalf("two runs differ, %v", err)
	}
	if int64(a.Len()) != s.Bytes || s.Packets != o.Packets || s.Flows != o.Flows {
		t.Errorf("summary %+v, %d bytes", s, a.Len())
	}
	r, err := capture.NewReader("generated", &a)
	if err != nil {
		t.Fatal(err)
	}
	var w capture.Walker
	var f capture.Frame
	var p capture.Packet
	packets, bytes, six, tagged := 0, 0, 0, 0
	last := flow.Time(0)
	for r.Next(&f) == nil {
		if why := w.Walk(&f, &p); why != flow.DropNone {
			t.Fatalf("packet %d: %v", packets, why)
		}
		if f.Time < last {
			t.Fatalf("packet %d goes back in time", packets)
		}
		last = f.Time
		packets++
		bytes += len(f.Data)
		if !p.Src.Is4() {
			six++
		}
		if p.VLAN != 0 {
			tagged++
		}
	}
	if mean := bytes / packets; packets != o.Packets || mean < 380 || mean > 410 || six < packets/6 || six > packets/4 || tagged < packets/3 || tagged > packets/2 {
		t.Errorf("%d packets, %d bytes in the mean, %d IPv6, %d tagged", packets, mean, six, tagged)
	}
}
