package recommender

import (
	"time"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// none marks a dependency that is allowed without asking.
const none policy.Concern = ""

// groupDep is a dependency between groups: the unit that is judged.
type groupDep struct {
	client, server int32
	service        flow.Service
}

// judge sorts the dependencies whose server a policy will protect: for each,
// none, or why a person must decide. Dependencies of unprotected servers are
// none, because nothing would be blocked.
type judge struct {
	*estate
	window  time.Duration
	scanner []bool // per node
	people  *people
	clean   map[groupDep]*flow.EdgeStats // what nodes that are not scanners did
	uses    map[habit]int                // server groups that a client group uses a service of, regularly
	gives   map[habit]int                // client groups that a server group gives a service to, regularly
	found   map[sweep]int                // different groups a scanner found a service at
	failed  map[sweep]uint64             // its attempts that found none
}

// sweep is one service a node looks for.
type sweep struct {
	client  int32
	service flow.Service
}

// A scanner looks for a service when it missed it this often, or found it at so
// many different groups that nobody uses it that widely.
const (
	minMissed = 4
	minFound  = 30
)

func (j *judge) swept(s sweep) bool { return j.failed[s] >= minMissed || j.found[s] >= minFound }

// concerns returns one concern per dependency of the map.
//
// What a scanner looked for is put before a person even where the rules of its
// role allow it.
func (e *estate) concerns(probes []flow.Probe) []policy.Concern {
	deps := e.m.Graph.Deps
	j := &judge{estate: e, window: e.m.Until.Sub(e.m.Since), scanner: e.scanners(probes), people: e.people(),
		clean: map[groupDep]*flow.EdgeStats{}, found: map[sweep]int{}, failed: map[sweep]uint64{}}
	j.countSweeps(probes)
	for i := range deps {
		d := &deps[i]
		if j.scanner[d.Client] {
			continue
		}
		k := e.groupDep(d)
		if j.clean[k] == nil {
			j.clean[k] = &flow.EdgeStats{}
		}
		j.clean[k].Merge(d.EdgeStats)
	}
	j.countHabits()
	out := make([]policy.Concern, len(deps))
	for i := range deps {
		if e.groups[e.groupOf[deps[i].Server]].app >= 0 {
			out[i] = j.concern(&deps[i])
		}
	}
	return out
}

// countSweeps fills found and failed.
func (j *judge) countSweeps(probes []flow.Probe) {
	type at struct {
		sweep
		server int32
	}
	seen := map[at]bool{}
	for i := range j.m.Graph.Deps {
		d := &j.m.Graph.Deps[i]
		f := at{sweep{d.Client, d.Service}, j.groupOf[d.Server]}
		if j.scanner[d.Client] && !seen[f] {
			seen[f] = true
			j.found[f.sweep]++
		}
	}
	find := nodeFinder(j.m)
	for i := range probes {
		if n := find(probes[i].Client); n >= 0 && j.scanner[n] {
			j.failed[sweep{n, probes[i].Service}] += max(1, probes[i].Targets)
		}
	}
}

func (e *estate) groupDep(d *topology.Dependency) groupDep {
	return groupDep{e.groupOf[d.Client], e.groupOf[d.Server], d.Service}
}

// concern is what the questions say; whatever is wrong with a scanner's
// dependency is one matter, the scanner.
func (j *judge) concern(d *topology.Dependency) policy.Concern {
	c := j.ask(d)
	if c != none && j.scanner[d.Client] {
		return policy.ConcernScanner
	}
	return c
}

// ask puts the questions in order of how certain their answer is.
func (j *judge) ask(d *topology.Dependency) policy.Concern {
	clean := j.clean[j.groupDep(d)]
	if j.scanner[d.Client] && j.swept(sweep{d.Client, d.Service}) {
		if d.Flows < 3 {
			return policy.ConcernScanner
		}
	}
	client, server := &j.groups[j.groupOf[d.Client]], &j.groups[j.groupOf[d.Server]]
	switch {
	case looksReversed(d):
		return policy.ConcernReversed
	case j.m.Graph.Nodes[d.Client].Kind == topology.NodeNAT:
		return policy.ConcernNAT
	case !client.inside && j.riskyFromOutside(d, client):
		return policy.ConcernVendor
	case client.inside && client.app < 0 && j.infra[d.Client] == "" && j.priority(d.Server) >= topology.PriorityHigh && !j.member(d):
		return policy.ConcernUnlabelled
	case j.betweenWorkstations(d):
		return policy.ConcernWorkstation
	}
	if c := j.crossing(d, client, server); c != none {
		return c
	}
	if clean == nil {
		clean = &d.EdgeStats
	}
	if j.oneOff(d, clean) && !j.inCharacter(d) {
		return policy.ConcernOneOff
	}
	return none
}

// looksReversed reports a server port that clients are given (RFC 6056 §2.1: 49152
// and up by IANA, 32768 and up on Linux) where nothing strong says who asked, or
// a direction that is no better than a guess.
func looksReversed(d *topology.Dependency) bool {
	ephemeral := flow.HasPorts(d.Service.Proto) && d.Service.Port >= 32768
	return ephemeral && d.Evidence < flow.EvidenceSemantics || d.Confidence < 40 && d.Evidence < flow.EvidenceSemantics
}

// riskyFromOutside reports services that strangers have no business with, and
// anything a vendor does to what matters most.
func (j *judge) riskyFromOutside(d *topology.Dependency, client *group) bool {
	if is(d.Service, administrative|fileSharing|database) {
		return true
	}
	critical := j.priority(d.Server) == topology.PriorityCritical
	return critical && !is(d.Service, web) || mentions(client.node, vendorWords) && (critical || is(d.Service, cleartext))
}

// member reports a machine of the inventory using what infrastructure gives to
// every member of the estate.
func (j *judge) member(d *topology.Dependency) bool {
	return j.m.Graph.Nodes[d.Client].Kind == topology.NodeWorkload && serves(j.infra[d.Server]) && !interactive(d.Service)
}

// betweenWorkstations is the way malware spreads: file shares and remote control
// among machines that people sit at.
func (j *judge) betweenWorkstations(d *topology.Dependency) bool {
	if !is(d.Service, administrative|fileSharing) || d.Service.Proto != flow.TCP || serves(j.infra[d.Server]) {
		return false
	}
	return j.desk(d.Client) && j.desk(d.Server)
}

// crossing judges traffic from a lower environment to a higher one, infrastructure
// that looks after all of them set aside.
func (j *judge) crossing(d *topology.Dependency, client, server *group) policy.Concern {
	from, to := envRank(client.env), envRank(server.env)
	if from == 0 || to == 0 || from >= to {
		return none
	}
	remote := interactive(d.Service)
	switch {
	case supports(j.infra[d.Client]), supports(j.infra[d.Server]) && !remote:
		return none
	case remote:
		return policy.ConcernAdmin
	case is(d.Service, cleartext):
		return policy.ConcernCleartext
	}
	return policy.ConcernCrossEnv
}

// oneOff reports a dependency of two whole groups that was used at most twice, on
// one day, in a window long enough to have seen it again. A closing day's jobs
// come round: what ran at a month's end is not a one-off unless it administers.
func (j *judge) oneOff(d *topology.Dependency, seen *flow.EdgeStats) bool {
	if j.window < 3*24*time.Hour || seen.Flows > 2 || seen.Days > 1 {
		return false
	}
	return is(d.Service, administrative) || !atMonthEnd(seen.First)
}

// habit is what a group does with a service, whomever with.
type habit struct {
	group   int32
	service flow.Service
}

// minHabit is with how many other groups a group has to do something on more than
// one day for doing it once with another to be no news.
const minHabit = 3

func (j *judge) countHabits() {
	j.uses, j.gives = map[habit]int{}, map[habit]int{}
	for k, s := range j.clean {
		if s.Days > 1 && s.Flows > 2 {
			j.uses[habit{k.client, k.service}]++
			j.gives[habit{k.server, k.service}]++
		}
	}
}

// inCharacter reports that a dependency seen once is of a kind seen all the time: a
// client group that uses the service of many, or a server group that gives it to
// many. Administration is a habit only of what is there to administer.
func (j *judge) inCharacter(d *topology.Dependency) bool {
	k := j.groupDep(d)
	uses := j.uses[habit{k.client, k.service}] >= minHabit
	if is(d.Service, administrative) {
		return uses && j.infra[d.Client] != "" && !j.scanner[d.Client]
	}
	return uses || j.gives[habit{k.server, k.service}] >= minHabit
}

// atMonthEnd reports the last two days of a month and the first.
func atMonthEnd(t flow.Time) bool {
	day := t.Std()
	return day.Day() == 1 || day.AddDate(0, 0, 2).Day() <= 2
}

// scanners marks the nodes that look for services rather than use them: what the
// map found, and nodes most of whose attempts found nothing although they tried
// widely.
func (e *estate) scanners(probes []flow.Probe) []bool {
	out := make([]bool, len(e.m.Graph.Nodes))
	for i, kind := range e.infra {
		out[i] = kind == kindScanner
	}
	failed := make([]uint64, len(out))
	find := nodeFinder(e.m)
	for i := range probes {
		if n := find(probes[i].Client); n >= 0 {
			failed[n] += max(1, probes[i].Targets)
		}
	}
	targets := make([]uint64, len(out))
	single := make([]uint64, len(out))
	for i := range e.m.Graph.Deps {
		d := &e.m.Graph.Deps[i]
		targets[d.Client]++
		if d.Flows == 1 {
			single[d.Client]++
		}
	}
	for i := range out {
		if e.m.Graph.Nodes[i].Inside() && failed[i] >= 50 && failed[i] > targets[i] && single[i] >= 20 {
			out[i] = true
		}
	}
	return out
}
