package scenario

import (
	"cmp"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
)

// Services whose ports are not fixed.
const (
	// dynamicRPC stands for the ports that the programs of a Windows server get at
	// boot for MS-RPC, out of the range IANA leaves to that (RFC 6335 §6:
	// 49152-65535). Each client uses one of them.
	dynamicRPC = "tcp/rpc"
	rpcPorts   = 4
	// passiveFTP stands for the data connections of FTP (RFC 959 §4.1.2 PASV), each
	// to another port of the server's range.
	passiveFTP = "tcp/ftp-data"
	ftpPorts   = 12
)

// link is one client using (or trying) one service of one server.
type link struct {
	client, server int32 // Estate.hosts
	line           int32 // Estate.lines
	order          int32 // number within the line, for sweeps
	svc            flow.Service
	outcome        flow.Outcome
	sees           direction
}

// direction is what the tap on a link's path sees.
type direction uint8

const (
	bothWays direction = iota
	clientOnly
	serverOnly
)

// line is a flow line with what it needs resolved once.
type line struct {
	*FlowSpec
	app      int32 // copy it was written in; -1 for estate-wide lines
	profile  *profile
	schedule *schedule
	factors  []float64 // how busy each day of the window is
	total    float64   // their sum
}

// connect turns the flow lines into links. Sweeps come last: whether a swept
// port answers depends on what the others made servers of.
func (e *Estate) connect() error {
	x := newResolver(e)
	for app := range e.copies {
		spec := &e.spec.Apps[e.copies[app].spec]
		for i := range spec.Flows {
			x.addLine(&spec.Flows[i], int32(app))
		}
	}
	for i := range e.spec.Flows {
		x.addLine(&e.spec.Flows[i], -1)
	}
	for i := range e.lines {
		if !e.lines[i].Scan {
			x.linkUp(int32(i))
		}
	}
	for i := range e.lines {
		if e.lines[i].Scan && !e.opts.Noise.NoScanners {
			x.sweep(int32(i))
		}
	}
	slices.SortFunc(e.links, func(a, b link) int {
		return cmp.Or(cmp.Compare(a.client, b.client), cmp.Compare(a.server, b.server), a.svc.Compare(b.svc))
	})
	e.byClient = make([]int32, len(e.hosts)+1)
	for i := range e.links {
		e.byClient[e.links[i].client+1] = int32(i + 1)
	}
	for i := 1; i < len(e.byClient); i++ {
		e.byClient[i] = max(e.byClient[i], e.byClient[i-1])
	}
	return nil
}
