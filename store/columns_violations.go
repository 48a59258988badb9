package store

import (
	"github.com/ClickHouse/ch-go/proto"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// violationColumns are the columns of violations.
type violationColumns struct {
	time                           timeColumn
	client, server                 proto.ColIPv6
	scope                          proto.ColUInt32
	proto                          proto.ColUInt8
	clientPort, serverPort         proto.ColUInt16
	clientWorkload, serverWorkload proto.ColUInt64
	inbound, enforced              proto.ColUInt8
	policy, rule, hash             proto.ColStr
	host                           sensorColumn
	process                        proto.ColStr
	suppressed                     proto.ColUInt64
}

func newViolationColumns() *violationColumns {
	c := &violationColumns{}
	c.host.init()
	return c
}

func (c *violationColumns) table() string { return "violations" }
func (c *violationColumns) rows() int     { return len(c.proto) }

func (c *violationColumns) append(v *policy.Violation) {
	c.time.append(v.Time)
	c.client = append(c.client, v.Client.Addr.As16())
	c.server = append(c.server, v.Server.Addr.As16())
	c.scope = append(c.scope, uint32(v.Server.Scope))
	c.proto = append(c.proto, v.Service.Proto)
	c.clientPort = append(c.clientPort, v.ClientPort)
	c.serverPort = append(c.serverPort, v.Service.Port)
	c.clientWorkload = append(c.clientWorkload, v.Client.Workload)
	c.serverWorkload = append(c.serverWorkload, v.Server.Workload)
	c.inbound = append(c.inbound, bit(v.Inbound))
	c.enforced = append(c.enforced, bit(v.Outcome == policy.Blocked))
	c.policy.Append(v.Policy)
	c.rule.Append(v.Rule)
	c.hash.Append(v.Hash)
	c.host.append(v.Host)
	c.process.Append(v.Process)
	c.suppressed = append(c.suppressed, v.Suppressed)
}

// violation is the inverse of append for row i.
func (c *violationColumns) violation(i int) policy.Violation {
	scope := flow.Scope(c.scope[i])
	v := policy.Violation{
		Time:       c.time.at(i),
		Client:     flow.Party{Addr: addr(c.client[i]), Scope: scope, Workload: c.clientWorkload[i]},
		Server:     flow.Party{Addr: addr(c.server[i]), Scope: scope, Workload: c.serverWorkload[i]},
		ClientPort: c.clientPort[i],
		Service:    flow.Service{Proto: c.proto[i], Port: c.serverPort[i]},
		Inbound:    c.inbound[i] != 0,
		Outcome:    policy.WouldBlock,
		Policy:     c.policy.Row(i), Rule: c.rule.Row(i), Hash: c.hash.Row(i),
		Host: c.host.row(i), Process: c.process.Row(i), Suppressed: c.suppressed[i],
	}
	if c.enforced[i] != 0 {
		v.Outcome = policy.Blocked
	}
	return v
}

func bit(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func (c *violationColumns) all() []namedColumn {
	return []namedColumn{
		{"time", &c.time}, {"client", &c.client}, {"server", &c.server}, {"scope", &c.scope}, {"proto", &c.proto},
		{"client_port", &c.clientPort}, {"server_port", &c.serverPort},
		{"client_workload", &c.clientWorkload}, {"server_workload", &c.serverWorkload},
		{"inbound", &c.inbound}, {"enforced", &c.enforced},
		{"policy", &c.policy}, {"rule", &c.rule}, {"policy_hash", &c.hash},
		{"host", &c.host}, {"process", &c.process}, {"suppressed", &c.suppressed},
	}
}

func (c *violationColumns) input() proto.Input    { return toInput(c.all()) }
func (c *violationColumns) result() proto.Results { return toResults(c.all()) }
func (c *violationColumns) reset()                { resetAll(c.all()) }
