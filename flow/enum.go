package flow

// Outcome says what became of a flow. Only Established is a dependency.
type Outcome uint8

const (
	OutcomeUnknown Outcome = iota
	Established            // both sides spoke, or the protocol says service was given
	Refused                // RST or ICMP unreachable answered the first packet
	Unanswered             // the client spoke, nobody answered
	OneWay                 // this sensor sees one direction only; not known to have failed
	Denied                 // a firewall event says it was blocked (NSEL, PAN-OS)
)

var outcomes = [...]string{"unknown", "established", "refused", "unanswered", "one-way", "denied"}

func (o Outcome) String() string { return name(outcomes[:], int(o)) }

// Evidence says why a flow's client is taken to be the client, strongest last in
// comment order of the design: see Rank.
type Evidence uint8

const (
	EvidenceNone      Evidence = iota
	EvidenceFirstSeen          // nothing better: who spoke first
	EvidencePortPrior          // registered port against ephemeral range
	EvidenceKnownPort          // this address is known to serve this port
	EvidenceSemantics          // ICMP, DNS, DHCP: the message says who asks
	EvidenceConntrack          // the kernel's own tracking
	EvidenceExporter           // biflow direction or initiator field of the exporter
	EvidenceSYN                // TCP SYN without ACK (or SYN+ACK from the server)
	EvidenceOverride           // the operator said so
)

var evidences = [...]string{"none", "first-seen", "port-prior", "known-port", "semantics", "conntrack", "exporter", "syn", "override"}

func (e Evidence) String() string { return name(evidences[:], int(e)) }

// EndReason says why a record was closed (IPFIX flowEndReason, IE 136).
type EndReason uint8

const (
	EndUnknown   EndReason = 0
	EndIdle      EndReason = 1
	EndActive    EndReason = 2
	EndOfFlow    EndReason = 3 // FIN or RST
	EndForced    EndReason = 4 // capture ended or shutdown
	EndResources EndReason = 5 // table full
)

var endReasons = [...]string{"unknown", "idle", "active", "end-of-flow", "forced", "resources"}

func (e EndReason) String() string { return name(endReasons[:], int(e)) }

// Encap is the innermost encapsulation that was opened to reach the flow.
type Encap uint8

const (
	EncapNone Encap = iota
	EncapMPLS
	EncapGRE
	EncapERSPAN
	EncapVXLAN
	EncapGeneve
	EncapGTPU
	EncapIPIP // IPv4 or IPv6 in IPv4 or IPv6, 6in4
	EncapTeredo
	EncapPPPoE
)

var encaps = [...]string{"none", "mpls", "gre", "erspan", "vxlan", "geneve", "gtpu", "ipip", "teredo", "pppoe"}

func (e Encap) String() string { return name(encaps[:], int(e)) }

// Source says by which means a record came to be.
type Source uint8

const (
	SourceUnknown Source = iota
	SourcePackets        // a capture file or a live tap
	SourceNetFlow5
	SourceNetFlow9
	SourceIPFIX
	SourceSFlow
	SourceConntrack
)

var sources = [...]string{"unknown", "packets", "netflow5", "netflow9", "ipfix", "sflow", "conntrack"}

func (s Source) String() string { return name(sources[:], int(s)) }

// DropReason is the typed reason for which something received was not kept.
type DropReason uint8

const (
	DropNone            DropReason = iota
	DropKernel                     // the kernel's ring or socket buffer was full
	DropQueueFull                  // one of our own queues was full
	DropTruncated                  // shorter than its headers say
	DropMalformed                  // headers contradict themselves
	DropNotIP                      // ARP, STP, LLDP…: not a flow by definition
	DropLinkType                   // the capture's link type is not understood
	DropNoTemplate                 // NetFlow v9/IPFIX data set before its template
	DropBadTemplate                // template refused: zero length, too many fields, reserved id
	DropTemplateCap                // exporter has more templates than allowed
	DropVersion                    // unknown export protocol version
	DropUnknownExporter            // exporter not on the allow-list
	DropIgnored                    // operator said to ignore this network
	DropPanic                      // a decoder panicked and was recovered
	DropTableFull                  // flow table at its bound and nothing to evict
	DropSpoolFull                  // disk spool at its bound
	DropStore                      // the store refused the batch for good
	DropNoFlow                     // options, statistics or another record that is no flow
	DropDuplicate                  // already counted: same flow from another exporter
	DropFragment                   // later fragment whose first was never seen
	DropDepth                      // nested deeper than the bound
	DropSpoolDamaged               // a spool file was torn or failed its checksum
	DropLimited                    // too many in a second for what they cost
	numDropReasons
)

var dropReasons = [numDropReasons]string{
	"none", "kernel", "queue-full", "truncated", "malformed", "not-ip", "link-type", "no-template",
	"bad-template", "template-cap", "version", "unknown-exporter", "ignored", "panic", "table-full",
	"spool-full", "store", "no-flow", "duplicate", "fragment", "depth", "spool-damaged",
	"limited",
}

func (d DropReason) String() string { return name(dropReasons[:], int(d)) }

// Drops counts what was not kept, by reason. The zero value is ready; not safe
// for concurrent use.
type Drops [numDropReasons]uint64

// Add counts n under reason.
func (d *Drops) Add(reason DropReason, n uint64) { d[reason] += n }

// Merge adds all of o.
func (d *Drops) Merge(o *Drops) {
	for i := range d {
		d[i] += o[i]
	}
}

// Total is the sum over all reasons.
func (d *Drops) Total() (n uint64) {
	for _, v := range d {
		n += v
	}
	return n
}

// Each calls f for every reason with a count, in order.
func (d *Drops) Each(f func(DropReason, uint64)) {
	for i, v := range d {
		if v > 0 {
			f(DropReason(i), v)
		}
	}
}

func name(table []string, i int) string {
	if i < len(table) {
		return table[i]
	}
	return "invalid"
}

func parse(table []string, s string) (int, bool) {
	for i, v := range table {
		if v == s {
			return i, true
		}
	}
	return 0, false
}

// ParseOutcome is the inverse of Outcome.String.
func ParseOutcome(s string) (Outcome, bool) { i, ok := parse(outcomes[:], s); return Outcome(i), ok }

// ParseEvidence is the inverse of Evidence.String.
func ParseEvidence(s string) (Evidence, bool) {
	i, ok := parse(evidences[:], s)
	return Evidence(i), ok
}
