package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
)

const (
	exportFlows = 100_000   // biflows in the datagrams, sent again and again
	exportRows  = 2_000_000 // flow records sent in all
)

// benchExports sends the same NetFlow v9 datagrams, paced, to our collector with
// the store behind it and to the peers, and takes the receivers' CPU time.
func benchExports(ctx context.Context, b *bench) ([]section, error) {
	start := flow.TimeOf(time.Now().Add(-time.Hour))
	var halves []netflowtest.Half
	for _, r := range netflowtest.Records(exportFlows, 1, start) {
		halves = append(halves, netflowtest.Halves(&r)...)
	}
	enc := netflowtest.Encoder{Format: netflowtest.V9, Boot: start.Add(-time.Hour)}
	datagrams := enc.Datagrams(halves, flow.TimeOf(time.Now()))
	perDatagram := float64(len(halves)) / float64(len(datagrams))
	total := int(exportRows / perDatagram)

	s := section{title: "Flow exports received and kept", unit: "CPU s per million records", better: "less",
		method: fmt.Sprintf("NetFlow v9 over loopback, %.1f records a datagram, %d records, paced at 200,000 records a second. "+
			"Ours: decoded, stitched to biflows and stored in ClickHouse, the engine's CPU included. "+
			"nfcapd writes its own files; nfacctd keeps sums in memory.", perDatagram, exportRows)}
	for _, r := range []receiver{
		{tool: "bulkhead", args: func(port int) []string {
			return []string{b.binary, "--data-dir", filepath.Join(b.dir, "data"), "sense", "--listen", "udp://127.0.0.1:" + strconv.Itoa(port)}
		}, ready: "receiving"},
		{tool: "nfcapd", args: func(port int) []string {
			return []string{"nfcapd", "-w", b.dir, "-p", strconv.Itoa(port), "-b", "127.0.0.1", "-B", "8388608"}
		}},
		{tool: "nfacctd", args: func(port int) []string {
			return []string{"nfacctd", "-l", strconv.Itoa(port), "-L", "127.0.0.1", "-P", "memory", "-c", "src_host,dst_host,proto,src_port,dst_port"}
		}},
	} {
		if r.tool != "bulkhead" && !has(r.tool) {
			s.rows = append(s.rows, row{tool: r.tool, note: "not installed"})
			continue
		}
		got, err := r.measure(ctx, datagrams, total, 200_000/perDatagram)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.tool, err)
		}
		got.figure = got.cpu / (exportRows / 1e6)
		s.rows = append(s.rows, got)
	}
	return []section{s}, nil
}

// receiver is a collector that is started, fed over UDP, stopped and accounted.
type receiver struct {
	tool  string
	args  func(port int) []string
	ready string // in its output when it listens; "": after a second
}

func (r *receiver) measure(ctx context.Context, datagrams [][]byte, total int, rate float64) (row, error) {
	port, err := freePort()
	if err != nil {
		return row{}, err
	}
	args := r.args(port)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out lockedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		return row{}, err
	}
	if err := r.await(ctx, &out); err != nil {
		return row{}, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	sent, err := blast(ctx, port, datagrams, total, rate)
	time.Sleep(2 * time.Second) // what is in flight arrives, the last batch is stored
	drops := udpDrops(port)
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGINT))
	if e := cmd.Wait(); e != nil && cmd.ProcessState.ExitCode() > 1 && cmd.ProcessState.ExitCode() != 130 {
		err = errors.Join(err, fmt.Errorf("%w: %s", e, tail(out.Bytes())))
	}
	if err != nil {
		return row{}, err
	}
	// Wait4's accounting of a child includes the children it has waited for: the
	// engine's CPU is in ours.
	acc := account(cmd.ProcessState, 0, nil)
	return row{tool: r.tool, cpu: acc.cpu.Seconds(), rssMB: float64(acc.rss) / 1e6,
		note: fmt.Sprintf("%d datagrams sent, %d dropped by the kernel", sent, drops)}, nil
}

func (r *receiver) await(ctx context.Context, out *lockedBuffer) error {
	if r.ready == "" {
		time.Sleep(time.Second)
		return ctx.Err()
	}
	for range 600 {
		if bytes.Contains(out.Bytes(), []byte(r.ready)) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("did not become ready: %s", tail(out.Bytes()))
}

func blast(ctx context.Context, port int, datagrams [][]byte, total int, rate float64) (int, error) {
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	return netflowtest.Blast(ctx, conn, datagrams, total, rate)
}

func freePort() (int, error) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	port := c.LocalAddr().(*net.UDPAddr).Port
	return port, c.Close()
}

// udpDrops reads what the kernel dropped on sockets bound to port (proc(5),
// /proc/net/udp, last column).
func udpDrops(port int) (n uint64) {
	b, err := os.ReadFile("/proc/net/udp")
	if err != nil {
		return 0
	}
	want := fmt.Sprintf(":%04X", port)
	for _, line := range strings.Split(string(b), "\n") {
		f := strings.Fields(line)
		if len(f) > 12 && strings.HasSuffix(f[1], want) {
			d, _ := strconv.ParseUint(f[12], 10, 64)
			n += d
		}
	}
	return n
}
