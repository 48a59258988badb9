package collector_test

import (
	"bufio"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// lines reads a gzipped file of JSON lines.
func lines(t *testing.T, path string, each func(map[string]any)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for sc := bufio.NewScanner(z); sc.Scan(); {
		row := map[string]any{}
		if err := json.Unmarshal(sc.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		each(row)
	}
}

func number(v any) uint64 {
	switch v := v.(type) {
	case float64:
		return uint64(v)
	case string:
		n, _ := strconv.ParseUint(v, 10, 64)
		return n
	}
	return 0
}

func text(v any) string { s, _ := v.(string); return s }

func arkime(t *testing.T) (rows []expected) {
	lines(t, filepath.Join(testenv.Corpus(), "arkime", "flows.jsonl.gz"), func(r map[string]any) {
		src, err1 := netip.ParseAddr(text(r["src"]))
		dst, err2 := netip.ParseAddr(text(r["dst"]))
		if err1 != nil || err2 != nil {
			return
		}
		rows = append(rows, expected{text(r["pcap"]), "",
			tuple{src.Unmap(), dst.Unmap(), uint16(number(r["sport"])), uint16(number(r["dport"])), uint8(number(r["ipproto"]))},
			counts{number(r["src_pkts"]), number(r["dst_pkts"]), number(r["src_bytes_l2"]), number(r["dst_bytes_l2"])}})
	})
	return rows
}

func zeek(t *testing.T) (rows []expected) {
	protos := map[string]uint8{"tcp": flow.TCP, "udp": flow.UDP, "icmp": flow.ICMP}
	lines(t, filepath.Join(testenv.Corpus(), "zeek-btest", "flows.jsonl.gz"), func(r map[string]any) {
		get := func(a, b string) string {
			if v, ok := r[a]; ok {
				return text(v)
			}
			return text(r[b])
		}
		src, _ := netip.ParseAddr(get("src_ip", "id.orig_h"))
		dst, _ := netip.ParseAddr(get("dst_ip", "id.resp_h"))
		proto := protos[text(r["proto"])]
		if proto == 0 {
			proto = uint8(number(r["ip_proto"]))
		}
		if proto == flow.ICMP && src.Is6() {
			proto = flow.ICMPv6
		}
		rows = append(rows, expected{text(r["trace"]), text(r["baseline"]),
			tuple{src, dst, uint16(number(get("src_port", "id.orig_p"))), uint16(number(get("dst_port", "id.resp_p"))), proto},
			counts{number(r["orig_pkts"]), number(r["resp_pkts"]), number(r["orig_ip_bytes"]), number(r["resp_ip_bytes"])}})
	})
	return rows
}

// ipfixprobe reads outputs/basic: addresses dst, src; bytes; …; packets; ports.
func ipfixprobe(t *testing.T) (rows []expected) {
	f, err := os.Open(filepath.Join(testenv.Corpus(), "ipfixprobe", "outputs", "basic"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	for {
		v, err := r.Read()
		if err == io.EOF {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		dst, _ := netip.ParseAddr(v[0])
		src, _ := netip.ParseAddr(v[1])
		rows = append(rows, expected{"inputs/mixed.pcap", "",
			tuple{src, dst, uint16(number(v[12])), uint16(number(v[11])), uint8(number(v[14]))},
			counts{number(v[9]), number(v[10]), number(v[2]), number(v[3])}})
	}
}

// gather adds up the rows of one flow that a reference split by its own timeouts,
// and leaves out rows without addresses.
func gather(rows []expected) (out []expected) {
	at := map[string]int{}
	for _, e := range rows {
		if !e.src.IsValid() || !e.dst.IsValid() {
			continue
		}
		e.tuple = e.plain()
		name := func(tu tuple) string { return fmt.Sprint(e.file, e.baseline, tu) }
		if i, ok := at[name(e.tuple)]; ok {
			out[i].counts = out[i].plus(e.counts)
			continue
		}
		if i, ok := at[name(e.tuple.reverse())]; ok {
			out[i].counts = out[i].plus(e.counts.reverse())
			continue
		}
		at[name(e.tuple)] = len(out)
		out = append(out, e)
	}
	return out
}
