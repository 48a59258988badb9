package nft

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// TableName is the one table that is ours, in family inet.
const TableName = "bulkhead"

// LogGroup is the NFLOG group all reports go to.
const LogGroup = 4242

// Priority of the base chains: just before the usual filters (priority 0), after
// connection tracking (-200) and destination NAT (-100).
const Priority = -10

// Ruleset is the whole of table inet bulkhead, as data. Everything is sorted by
// name; rules keep their order. It is immutable once compiled.
type Ruleset struct {
	// Hash is the content hash of the policy set it was compiled from.
	Hash     string
	Counters []string
	Sets     []Set
	Chains   []Chain
	// Reports maps the id in a log prefix to what it stands for.
	Reports map[string]Report
	// Names says in words whom an identity's or a circle's number stands for.
	Names map[uint32]string
	// Losses says in words what the policy asks and this ruleset cannot do.
	Losses []string
}

// Set is a named set, verdict map or map of identities.
type Set struct {
	Name     string
	Type     SetType
	Map      bool // elements carry verdicts
	Words    int  // elements carry identities (3 words) or groups (2 words)
	Interval bool // elements are Ranges, else Elems
	Timeout  bool // elements may expire
	// Size is how many elements the set has room for; 0 leaves that to the kernel,
	// which it must for intervals and timeouts. See capacity.
	Size   int
	Elems  []Elem
	Ranges []Range
	// Expires is how long elements of a Timeout set live; 0 for ever.
	Expires    time.Duration
	Targets    []Verdict  // what Elem.Target and Range.Target index; for verdict maps
	Identities []Identity // what Elem.Target and Range.Target index; for maps of identities and groups
	Note       string     // for the reader of the text; not part of the content
}

// Identity is a number for everybody the policies cannot tell apart, and one for
// the wider circle it belongs to (see circle). In maps of groups it is a group's
// number alone.
type Identity struct{ Number, Circle uint32 }

// SetType is what an element is made of.
type SetType uint8

const (
	Addr4            SetType = iota // ipv4_addr
	Addr6                           // ipv6_addr
	Addr4Service                    // ipv4_addr . inet_proto . inet_service
	Addr6Service                    // ipv6_addr . inet_proto . inet_service
	Services                        // inet_proto . inet_service
	NFProto                         // nf_proto
	Tuple4                          // ipv4_addr . inet_service . ipv4_addr . inet_service
	Tuple6                          // ipv6_addr . inet_service . ipv6_addr . inet_service
	Ident                           // an identity, circle or group, as nft's type mark
	GroupPeer                       // mark . mark: a group and a peer's identity or circle
	GroupPeerService                // mark . mark . inet_proto . inet_service
)

// Elem is one exact element. Hi and Lo are the address as two big-endian halves;
// an IPv4 address, an nf_proto or an identity is in Lo alone; a group before a peer
// is in Hi.
type Elem struct {
	Hi, Lo  uint64
	Service uint32 // protocol<<16 | port; 0 when the type has none
	Target  uint32 // index into Set.Targets or Set.Identities
}

// Range is one interval of addresses, both ends inclusive.
type Range struct {
	From, To netip.Addr
	Target   uint32
}

// Chain is a list of rules; with a Hook it is where packets come in.
type Chain struct {
	Name  string
	Hook  Hook
	Rules []Rule
	Note  string
}

// Hook is where in the packet path a base chain sits.
type Hook uint8

const (
	NoHook Hook = iota // a chain that others jump to
	HookInput
	HookForward
	HookOutput
)

var hookNames = [...]string{"", "input", "forward", "output"}

// Rule is a sequence of matches and statements, run left to right.
type Rule []Expr

// Report is what a log message of this ruleset means.
type Report struct {
	ID      string
	Policy  string
	Rule    string // "" for the policy's default
	Inbound bool   // decided at the server's end, else at the client's
	Dropped bool   // the packet was dropped, else it would have been
}

func compareElems(a, b Elem) int {
	if c := cmp.Compare(a.Hi, b.Hi); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Lo, b.Lo); c != 0 {
		return c
	}
	return cmp.Compare(a.Service, b.Service)
}

// addrElem splits an address into an element without service.
func addrElem(a netip.Addr) Elem {
	if a.Is4() {
		b := a.As4()
		return Elem{Lo: uint64(b[0])<<24 | uint64(b[1])<<16 | uint64(b[2])<<8 | uint64(b[3])}
	}
	b := a.As16()
	var e Elem
	for i := range 8 {
		e.Hi = e.Hi<<8 | uint64(b[i])
		e.Lo = e.Lo<<8 | uint64(b[i+8])
	}
	return e
}

// addr4 and addr6 are the inverses of addrElem.
func (e Elem) addr4() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(e.Lo >> 24), byte(e.Lo >> 16), byte(e.Lo >> 8), byte(e.Lo)})
}

func (e Elem) addr6() netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i] = byte(e.Hi >> (56 - 8*i))
		b[i+8] = byte(e.Lo >> (56 - 8*i))
	}
	return netip.AddrFrom16(b)
}

// Chain returns the chain of that name.
func (r *Ruleset) Chain(name string) (*Chain, bool) {
	i, ok := slices.BinarySearchFunc(r.Chains, name, func(c Chain, n string) int { return cmp.Compare(c.Name, n) })
	if !ok {
		return nil, false
	}
	return &r.Chains[i], true
}

// Set returns the set of that name.
func (r *Ruleset) Set(name string) (*Set, bool) {
	i, ok := slices.BinarySearchFunc(r.Sets, name, func(s Set, n string) int { return cmp.Compare(s.Name, n) })
	if !ok {
		return nil, false
	}
	return &r.Sets[i], true
}

// Elements counts set elements, an interval as one.
func (r *Ruleset) Elements() (n int) {
	for i := range r.Sets {
		n += len(r.Sets[i].Elems) + len(r.Sets[i].Ranges)
	}
	return n
}

// capacity is the room to give a set of n elements. The kernel makes a hash of
// fixed size when it knows the room (nft_hash_estimate), which is found in one
// step less and never rehashed under load; it takes 4/3 buckets per element,
// rounded up to a power of two (nft_hash_buckets), so three quarters of a power
// of two wastes none. An eighth is left for workloads that come.
func capacity(n int) int {
	size := 12
	for size < n+n/8 {
		size *= 2
	}
	return size
}

// size gives every set of exact elements its room.
func (r *Ruleset) size() {
	for i := range r.Sets {
		if s := &r.Sets[i]; !s.Interval && !s.Timeout {
			s.Size = capacity(len(s.Elems))
		}
	}
}

// sizesAgree reports whether a set with the room of a will do for b: then it is not
// made anew for the sake of its size.
func sizesAgree(a, b *Set) bool {
	return a.Size == b.Size || a.Size != 0 && b.Size != 0 && len(b.Elems) <= a.Size && a.Size <= 4*b.Size
}

// sort brings the ruleset to its canonical order.
func (r *Ruleset) sort() {
	slices.Sort(r.Counters)
	slices.SortFunc(r.Sets, func(a, b Set) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(r.Chains, func(a, b Chain) int { return cmp.Compare(a.Name, b.Name) })
	for i := range r.Sets {
		if !slices.IsSortedFunc(r.Sets[i].Elems, compareElems) {
			slices.SortFunc(r.Sets[i].Elems, compareElems)
		}
		slices.SortFunc(r.Sets[i].Ranges, func(a, b Range) int { return a.From.Compare(b.From) })
	}
	slices.Sort(r.Losses)
}
