package store

import (
	"net/netip"
	"strings"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
)

// columns is one table's rows held column by column, ready to be sent.
type columns interface {
	table() string
	rows() int
	reset()
	input() proto.Input    // to send or to write to the spool
	result() proto.Results // to read back from the spool
}

// maxSensors is how many sensor names one batch may hold (16-bit keys).
const maxSensors = 60000

// flowColumns are the columns of flows, in the order of flow.Record.
type flowColumns struct {
	first, last                    timeColumn
	id                             proto.ColUInt64
	client, server                 proto.ColIPv6
	scope                          proto.ColUInt32
	clientPort, serverPort         proto.ColUInt16
	proto                          proto.ColUInt8
	clientPackets, serverPackets   proto.ColUInt64
	clientBytes, serverBytes       proto.ColUInt64
	clientFlags, serverFlags       proto.ColUInt8
	outcome, evidence, confidence  proto.ColUInt8
	end                            proto.ColUInt8
	split, folded, sampling        proto.ColUInt32
	vlan                           proto.ColUInt16
	vni                            proto.ColUInt32
	encap, source                  proto.ColUInt8
	clientWorkload, serverWorkload proto.ColUInt64
	natClient, natServer           proto.ColIPv6 // :: for none
	natClientPort, natServerPort   proto.ColUInt16
	sensor                         sensorColumn
	clientProcess, serverProcess   sensorColumn
	tunnelFrom, tunnelTo           proto.ColIPv6 // :: for none
}

func newFlowColumns() *flowColumns {
	c := &flowColumns{}
	for _, names := range []*sensorColumn{&c.sensor, &c.clientProcess, &c.serverProcess} {
		names.init()
	}
	return c
}

// distinct is how many names the fullest dictionary of the batch holds.
func (c *flowColumns) distinct() int {
	return max(c.sensor.distinct(), c.clientProcess.distinct(), c.serverProcess.distinct())
}

func (c *flowColumns) table() string { return "flows" }
func (c *flowColumns) rows() int     { return len(c.id) }

// append adds one record. It does not allocate once the columns have grown to a
// batch's size.
func (c *flowColumns) append(r *flow.Record) {
	c.first.append(r.First)
	c.last.append(r.Last)
	c.id = append(c.id, r.ID)
	c.client = append(c.client, r.Key.Client.As16())
	c.server = append(c.server, r.Key.Server.As16())
	c.scope = append(c.scope, uint32(r.Key.Scope))
	c.clientPort = append(c.clientPort, r.Key.ClientPort)
	c.serverPort = append(c.serverPort, r.Key.ServerPort)
	c.proto = append(c.proto, r.Key.Proto)
	c.clientPackets = append(c.clientPackets, r.ClientPackets)
	c.serverPackets = append(c.serverPackets, r.ServerPackets)
	c.clientBytes = append(c.clientBytes, r.ClientBytes)
	c.serverBytes = append(c.serverBytes, r.ServerBytes)
	c.clientFlags = append(c.clientFlags, r.ClientFlags)
	c.serverFlags = append(c.serverFlags, r.ServerFlags)
	c.outcome = append(c.outcome, uint8(r.Outcome))
	c.evidence = append(c.evidence, uint8(r.Evidence))
	c.confidence = append(c.confidence, r.Confidence)
	c.end = append(c.end, uint8(r.End))
	c.split = append(c.split, r.Split)
	c.folded = append(c.folded, r.Folded)
	c.sampling = append(c.sampling, r.SamplingRate)
	c.vlan = append(c.vlan, r.VLAN)
	c.vni = append(c.vni, r.VNI)
	c.encap = append(c.encap, uint8(r.Encap))
	c.source = append(c.source, uint8(r.Source))
	c.clientWorkload = append(c.clientWorkload, r.ClientWorkload)
	c.serverWorkload = append(c.serverWorkload, r.ServerWorkload)
	c.natClient = append(c.natClient, optional(r.NAT.Client))
	c.natServer = append(c.natServer, optional(r.NAT.Server))
	c.natClientPort = append(c.natClientPort, r.NAT.ClientPort)
	c.natServerPort = append(c.natServerPort, r.NAT.ServerPort)
	c.sensor.append(r.Sensor)
	c.tunnelFrom = append(c.tunnelFrom, optional(r.Tunnel.From))
	c.tunnelTo = append(c.tunnelTo, optional(r.Tunnel.To))
	c.clientProcess.append(r.ClientProcess)
	c.serverProcess.append(r.ServerProcess)
}

// optional is an address that may be missing, as the tables keep it: "::" for
// none.
func optional(a netip.Addr) proto.IPv6 {
	if !a.IsValid() {
		return proto.IPv6{}
	}
	return a.As16()
}

// given is the inverse of optional.
func given(b proto.IPv6) netip.Addr {
	if b == (proto.IPv6{}) {
		return netip.Addr{}
	}
	return addr(b)
}

// record is the inverse of append for row i.
func (c *flowColumns) record(i int) flow.Record {
	return flow.Record{
		ID: c.id[i],
		Key: flow.Key{
			Client: addr(c.client[i]), Server: addr(c.server[i]),
			ClientPort: c.clientPort[i], ServerPort: c.serverPort[i],
			Proto: c.proto[i], Scope: flow.Scope(c.scope[i]),
		},
		First: c.first.at(i), Last: c.last.at(i),
		ClientPackets: c.clientPackets[i], ServerPackets: c.serverPackets[i],
		ClientBytes: c.clientBytes[i], ServerBytes: c.serverBytes[i],
		ClientFlags: c.clientFlags[i], ServerFlags: c.serverFlags[i],
		Outcome: flow.Outcome(c.outcome[i]), Evidence: flow.Evidence(c.evidence[i]),
		Confidence: c.confidence[i], End: flow.EndReason(c.end[i]),
		Split: c.split[i], Folded: c.folded[i], SamplingRate: c.sampling[i],
		VLAN: c.vlan[i], VNI: c.vni[i], Encap: flow.Encap(c.encap[i]), Source: flow.Source(c.source[i]),
		ClientWorkload: c.clientWorkload[i], ServerWorkload: c.serverWorkload[i],
		NAT: flow.NAT{Client: given(c.natClient[i]), Server: given(c.natServer[i]),
			ClientPort: c.natClientPort[i], ServerPort: c.natServerPort[i]},
		Tunnel: flow.Tunnel{From: given(c.tunnelFrom[i]), To: given(c.tunnelTo[i])},
		Sensor: c.sensor.row(i), ClientProcess: c.clientProcess.row(i), ServerProcess: c.serverProcess.row(i),
	}
}

// column is what both directions of a ch-go column offer.
type column interface {
	proto.ColInput
	proto.ColResult
}

type namedColumn struct {
	name string
	data column
}

func (c *flowColumns) all() []namedColumn {
	return []namedColumn{
		{"first", &c.first}, {"last", &c.last}, {"id", &c.id},
		{"client", &c.client}, {"server", &c.server}, {"scope", &c.scope},
		{"client_port", &c.clientPort}, {"server_port", &c.serverPort}, {"proto", &c.proto},
		{"client_packets", &c.clientPackets}, {"server_packets", &c.serverPackets},
		{"client_bytes", &c.clientBytes}, {"server_bytes", &c.serverBytes},
		{"client_flags", &c.clientFlags}, {"server_flags", &c.serverFlags},
		{"outcome", &c.outcome}, {"evidence", &c.evidence}, {"confidence", &c.confidence},
		{"end_reason", &c.end}, {"split", &c.split}, {"folded", &c.folded}, {"sampling", &c.sampling},
		{"vlan", &c.vlan}, {"vni", &c.vni}, {"encap", &c.encap}, {"source", &c.source},
		{"client_workload", &c.clientWorkload}, {"server_workload", &c.serverWorkload},
		{"nat_client", &c.natClient}, {"nat_server", &c.natServer},
		{"nat_client_port", &c.natClientPort}, {"nat_server_port", &c.natServerPort},
		{"sensor", &c.sensor},
		{"client_process", &c.clientProcess}, {"server_process", &c.serverProcess},
		{"tunnel_from", &c.tunnelFrom}, {"tunnel_to", &c.tunnelTo},
	}
}

// added is how many columns a version of the spool lacks at the end: 2 was before
// programs were recorded, 3 before tunnels.
var added = map[uint32]int{2: 4, 3: 2, spoolVersion: 0}

// as are the columns that a spool file of a version holds.
func (c *flowColumns) as(version uint32) []namedColumn {
	all := c.all()
	return all[:len(all)-added[version]]
}

// fill makes up for the columns that a version lacked: nothing is known of them for
// the rows read.
func (c *flowColumns) fill(version uint32) {
	for range c.rows() {
		if added[version] >= 4 {
			c.clientProcess.append("")
			c.serverProcess.append("")
		}
		if added[version] >= 2 {
			c.tunnelFrom = append(c.tunnelFrom, proto.IPv6{})
			c.tunnelTo = append(c.tunnelTo, proto.IPv6{})
		}
	}
}

func (c *flowColumns) input() proto.Input    { return toInput(c.all()) }
func (c *flowColumns) result() proto.Results { return toResults(c.all()) }
func (c *flowColumns) reset()                { resetAll(c.all()) }

// names lists columns for a SELECT.
func names(all []namedColumn) string {
	list := make([]string, len(all))
	for i, c := range all {
		list[i] = c.name
	}
	return strings.Join(list, ", ")
}

func toInput(all []namedColumn) proto.Input {
	in := make(proto.Input, len(all))
	for i, c := range all {
		in[i] = proto.InputColumn{Name: c.name, Data: c.data}
	}
	return in
}

func toResults(all []namedColumn) proto.Results {
	out := make(proto.Results, len(all))
	for i, c := range all {
		out[i] = proto.ResultColumn{Name: c.name, Data: c.data}
	}
	return out
}

func resetAll(all []namedColumn) {
	for _, c := range all {
		c.data.Reset()
	}
}
