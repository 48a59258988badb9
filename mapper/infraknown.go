package mapper

import (
	"fmt"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// knownKind is infrastructure that registered ports give away. Ports are the IANA
// service names registry's, or the product's documented default where named.
type knownKind struct {
	kind     string
	dir      uint64 // asServer: others come to it; asClient: it goes to others
	services []flow.Service
	classes  int // fewest different kinds of peers
	peers    int // fewest peers
	says     string
}

var knownKinds = []knownKind{
	{KindDNS, asServer, []flow.Service{{Proto: flow.UDP, Port: 53}, {Proto: flow.TCP, Port: 53}}, 1, 1, "answers DNS queries of"},
	{KindDHCP, asServer, []flow.Service{{Proto: flow.UDP, Port: 67}, {Proto: flow.UDP, Port: 547}}, 1, 1, "gives out addresses to"},
	{KindNTP, asServer, []flow.Service{{Proto: flow.UDP, Port: 123}}, 1, 2, "gives the time to"},
	{KindLogging, asServer, []flow.Service{{Proto: flow.UDP, Port: 514}, {Proto: flow.TCP, Port: 514}, {Proto: flow.TCP, Port: 601}, {Proto: flow.TCP, Port: 6514},
		{Proto: flow.TCP, Port: 5044}, {Proto: flow.TCP, Port: 9997}, {Proto: flow.TCP, Port: 12201}, {Proto: flow.UDP, Port: 12201}, {Proto: flow.TCP, Port: 24224}}, 2, 2, "receives logs of"},
	{KindConfig, asServer, []flow.Service{{Proto: flow.TCP, Port: 8140}, {Proto: flow.TCP, Port: 4505}, {Proto: flow.TCP, Port: 4506}}, 2, 2, "hands out configuration to"},
	{KindPatch, asServer, []flow.Service{{Proto: flow.TCP, Port: 8530}, {Proto: flow.TCP, Port: 8531}}, 2, 2, "hands out updates to"},
	{KindMail, asServer, []flow.Service{{Proto: flow.TCP, Port: 25}, {Proto: flow.TCP, Port: 465}, {Proto: flow.TCP, Port: 587}}, 2, 3, "takes mail from"},
	{KindBackup, asServer, []flow.Service{{Proto: flow.TCP, Port: 1556}, {Proto: flow.TCP, Port: 13724}, {Proto: flow.TCP, Port: 9103}, {Proto: flow.TCP, Port: 1500}}, 2, 2, "receives backups of"},
	{KindMonitoring, asServer, []flow.Service{{Proto: flow.TCP, Port: 10051}, {Proto: flow.UDP, Port: 162}, {Proto: flow.UDP, Port: 8125}}, 2, 2, "receives measurements of"},
	{KindMonitoring, asClient, []flow.Service{{Proto: flow.TCP, Port: 9100}, {Proto: flow.UDP, Port: 161}, {Proto: flow.TCP, Port: 10050}, {Proto: flow.TCP, Port: 5666},
		{Proto: flow.TCP, Port: 6556}, {Proto: flow.TCP, Port: 9182}}, 2, 3, "polls agents of"},
	{KindBackup, asClient, []flow.Service{{Proto: flow.TCP, Port: 9102}, {Proto: flow.TCP, Port: 10080}, {Proto: flow.TCP, Port: 10000}, {Proto: flow.TCP, Port: 13782},
		{Proto: flow.TCP, Port: 6160}, {Proto: flow.TCP, Port: 6162}, {Proto: flow.TCP, Port: 8400}}, 2, 2, "fetches backups from"},
	{KindProxy, asServer, []flow.Service{{Proto: flow.TCP, Port: 3128}, {Proto: flow.TCP, Port: 1080}}, 2, 2, "passes requests on for"},
	{KindJump, asClient, []flow.Service{{Proto: flow.TCP, Port: 22}, {Proto: flow.TCP, Port: 3389}, {Proto: flow.TCP, Port: 5985}, {Proto: flow.TCP, Port: 5986}}, 3, 4, "opens administrative sessions to"},
}

var (
	kerberos = []flow.Service{{Proto: flow.TCP, Port: 88}, {Proto: flow.UDP, Port: 88}}
	ldap     = []flow.Service{{Proto: flow.TCP, Port: 389}, {Proto: flow.UDP, Port: 389}, {Proto: flow.TCP, Port: 636}, {Proto: flow.TCP, Port: 3268}, {Proto: flow.TCP, Port: 3269}}
)

// judgeKnown recognises one node by registered ports; the kind with most peers
// wins, a directory before everything because it answers DNS and NTP too.
func judgeKnown(rs []reach) (topology.Finding, bool) {
	if f, ok := judgeDirectory(rs); ok {
		return f, true
	}
	best, bestPeers := topology.Finding{}, 0
	for k := range knownKinds {
		kind := &knownKinds[k]
		r, ok := widest(rs, kind.dir, kind.services)
		if !ok || r.peers < kind.peers || r.classes < min(kind.classes, r.total) || r.peers <= bestPeers {
			continue
		}
		bestPeers = r.peers
		best = topology.Finding{Node: r.node, Kind: kind.kind, Confidence: min(0.7+0.03*float64(r.classes), 0.98),
			Why: fmt.Sprintf("%s %d nodes of %d different kinds (%s)", kind.says, r.peers, r.classes, r.service)}
	}
	return best, bestPeers > 0
}

func judgeDirectory(rs []reach) (topology.Finding, bool) {
	k, hasKerberos := widest(rs, asServer, kerberos)
	l, hasLDAP := widest(rs, asServer, ldap)
	switch {
	case hasKerberos && hasLDAP:
		return topology.Finding{Node: k.node, Kind: KindDirectory, Confidence: 0.98,
			Why: fmt.Sprintf("authenticates %d nodes (%s) and answers %d on %s", k.peers, k.service, l.peers, l.service)}, true
	case hasLDAP && l.classes >= 2:
		return topology.Finding{Node: l.node, Kind: KindDirectory, Confidence: 0.85,
			Why: fmt.Sprintf("answers directory queries of %d nodes of %d different kinds (%s)", l.peers, l.classes, l.service)}, true
	case hasKerberos:
		return topology.Finding{Node: k.node, Kind: KindDirectory, Confidence: min(0.6+0.1*float64(k.peers), 0.9),
			Why: fmt.Sprintf("authenticates %d nodes (%s)", k.peers, k.service)}, true
	}
	return topology.Finding{}, false
}

// widest returns the reach with most peers among the services.
func widest(rs []reach, dir uint64, services []flow.Service) (*reach, bool) {
	var best *reach
	for i := range rs {
		if rs[i].dir != dir || (best != nil && rs[i].peers <= best.peers) {
			continue
		}
		for _, s := range services {
			if rs[i].service == s {
				best = &rs[i]
			}
		}
	}
	return best, best != nil
}
