package netflow

// sequence follows the sequence numbers of one domain. What they count differs:
// flows in v5, packets in v9 (RFC 3954 §5.1) and sFlow, data records in IPFIX (RFC
// 7011 §3.1).
type sequence struct {
	next  uint32
	known bool // next is what the following datagram should carry
	stale bool // next is from before a restart of this program
}

// reordered is how far a number may lie behind and still be a datagram that was
// overtaken; farther back is a restarted counter.
const reordered = 4096

// jump is how far ahead a number may lie and still be a gap; farther is a counter
// that was set anew.
const jump = 1 << 24

// observe takes the number of a datagram that carries n units and returns how
// many were lost before it. late is n when the datagram had been taken for lost.
func (s *sequence) observe(number, n uint32) (lost, late uint64) {
	defer func() { s.known, s.stale = true, false }()
	if !s.known {
		s.next = number + n
		return 0, 0
	}
	gap := int32(number - s.next)
	switch {
	case gap == 0:
		s.next += n
	case gap < 0 && gap > -reordered:
		return 0, uint64(n)
	case gap > 0 && gap < jump:
		s.next = number + n
		return uint64(gap), 0
	default:
		s.next = number + n
	}
	return 0, 0
}

// renumbered reports whether number lies so far behind that its exporter must have
// begun to count anew: it restarted.
func (s *sequence) renumbered(number uint32) bool {
	return (s.known || s.stale) && int32(number-s.next) <= -reordered
}

// unsure says that the number of units in the last datagram is not known: the
// next number cannot be checked.
func (s *sequence) unsure() { s.known = false }
