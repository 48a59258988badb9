package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

func sample(i int) flow.Record {
	return flow.Record{
		ID: uint64(i), First: flow.Time(1e18 + i), Last: flow.Time(2e18 - i),
		Key: flow.Key{Client: netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Server: netip.MustParseAddr("2001:db8::1"),
			ClientPort: uint16(i), ServerPort: 443, Proto: flow.TCP, Scope: 3},
		ClientBytes: uint64(i), Outcome: flow.Refused, Evidence: flow.EvidenceSYN, Sensor: []string{"a", "", "bb"}[i%3],
		ClientWorkload: 7, SamplingRate: 100, VNI: 1 << 30, ServerProcess: []string{"nginx.service", ""}[i%2],
		Tunnel: flow.Tunnel{From: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), To: netip.MustParseAddr("2001:db8::2")},
	}
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func writeSample(t *testing.T, n int) (string, batchID) {
	t.Helper()
	c := newFlowColumns()
	for i := range n {
		r := sample(i)
		c.append(&r)
	}
	path := filepath.Join(t.TempDir(), "x"+batchSuffix)
	id := batchID{[16]byte{1, 2, 3}, 42}
	size, err := writeSpoolFile(path, id, c, true)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		t.Fatalf("size %d, reported %d, %v", info.Size(), size, err)
	}
	return path, id
}

func TestSpoolFileRoundTrip(t *testing.T) {
	for _, n := range []int{1, 2, 1000} {
		path, id := writeSample(t, n)
		got, cols, err := readSpoolFile(path)
		if err != nil || got != id || cols.rows() != n {
			t.Fatalf("%d rows: id %v, %v", n, got, err)
		}
		for i := range n {
			if d := cmp.Diff(sample(i), cols.(*flowColumns).record(i), sameAddr); d != "" {
				t.Fatalf("row %d (-want +got):\n%s", i, d)
			}
		}
		// What was read can be written again, to the same bytes.
		again := filepath.Join(t.TempDir(), "again")
		if _, err := writeSpoolFile(again, id, cols, false); err != nil {
			t.Fatal(err)
		}
		a, _ := os.ReadFile(path)
		if b, _ := os.ReadFile(again); string(a) != string(b) {
			t.Errorf("%d rows: the second copy differs", n)
		}
	}
}

// older are flows as a program of an earlier version spooled them.
type older struct {
	*flowColumns
	version uint32
}

func (c older) input() proto.Input { return toInput(c.as(c.version)) }

// A spool written before flows named programs, or tunnels, drains after the upgrade.
func TestSpoolFilesOfEarlierVersionsAreRead(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		c := newFlowColumns()
		for i := range 3 {
			r := sample(i)
			c.append(&r)
		}
		var b bytes.Buffer
		if _, err := encodeBatch(&b, batchID{seq: 7}, older{c, version}); err != nil {
			t.Fatal(err)
		}
		file := b.Bytes()
		sum := func(p []byte) uint32 { return crc32.Checksum(p, castagnoli) }
		binary.LittleEndian.PutUint32(file[8:], version)
		binary.LittleEndian.PutUint32(file[headerBytes-4:], sum(file[:headerBytes-4]))
		binary.LittleEndian.PutUint32(file[len(file)-4:], sum(file[:len(file)-footerBytes]))
		path := filepath.Join(t.TempDir(), "old"+batchSuffix)
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		_, got, err := readSpoolFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			want := sample(i)
			want.Tunnel = flow.Tunnel{}
			if version == 2 {
				want.ServerProcess = ""
			}
			if d := cmp.Diff(want, got.(*flowColumns).record(i), sameAddr); d != "" {
				t.Errorf("version %d, row %d (-want +got):\n%s", version, i, d)
			}
		}
		for _, in := range got.input() {
			if in.Data.Rows() != 3 {
				t.Errorf("version %d: column %s has %d rows of 3", version, in.Name, in.Data.Rows())
			}
		}
	}
}

func TestEveryTableCanBeSpooled(t *testing.T) {
	v := policy.Violation{Time: 5, Client: flow.Party{Addr: netip.MustParseAddr("10.0.0.1"), Workload: 1}, Server: flow.Party{Addr: netip.MustParseAddr("::1")},
		Service: flow.Service{Proto: flow.UDP, Port: 53}, Outcome: policy.Blocked, Policy: "p", Rule: "r", Hash: "h", Host: "gw", Process: "nc", Suppressed: 9}
	vc := newViolationColumns()
	vc.append(&v)
	n := flow.Name{Addr: netip.MustParseAddr("10.0.0.1"), Name: "x'\n", Kind: flow.NameSNI, First: 1, Last: 2, Count: 3, Sensor: "s"}
	nc := newNameColumns()
	nc.append(&n)
	for _, c := range []columns{vc, nc} {
		path := filepath.Join(t.TempDir(), "x")
		if _, err := writeSpoolFile(path, batchID{}, c, false); err != nil {
			t.Fatal(err)
		}
		_, got, err := readSpoolFile(path)
		if err != nil {
			t.Fatal(err)
		}
		switch got := got.(type) {
		case *violationColumns:
			if d := cmp.Diff(v, got.violation(0), sameAddr); d != "" {
				t.Error(d)
			}
		case *nameColumns:
			if d := cmp.Diff(n, got.observation(0), sameAddr); d != "" {
				t.Error(d)
			}
		}
	}
}

// Every flipped bit and every torn end is found.
func TestDamagedSpoolFilesAreFound(t *testing.T) {
	path, _ := writeSample(t, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, at int, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := readSpoolFile(path); !errors.Is(err, errCorrupt) {
			t.Fatalf("%s at %d of %d: got %v, want errCorrupt", what, at, len(whole), err)
		}
	}
	for i := range whole {
		b := append([]byte(nil), whole...)
		b[i] ^= 1 << (i % 8)
		damaged("flipped bit", i, b)
		damaged("torn end", i, whole[:i])
	}
	damaged("trailing byte", len(whole), append(append([]byte(nil), whole...), 0))
}

func TestAppendDoesNotAllocate(t *testing.T) {
	c := newFlowColumns()
	r := sample(1)
	for range 3000 {
		c.append(&r)
	}
	c.reset()
	if n := testing.AllocsPerRun(1000, func() { c.append(&r) }); n != 0 {
		t.Errorf("%v allocations per record, want 0", n)
	}
}

func FuzzReadSpoolFile(f *testing.F) {
	c := newFlowColumns()
	r := sample(1)
	c.append(&r)
	dir := f.TempDir()
	path := filepath.Join(dir, "seed")
	if _, err := writeSpoolFile(path, batchID{}, c, false); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add(seed[:headerBytes])
	f.Fuzz(func(t *testing.T, b []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, cols, err := readSpoolFile(path)
		if (err == nil) != (cols != nil) {
			t.Errorf("columns %v with error %v", cols, err)
		}
	})
}
