package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// dump asks for all objects of a kind and hands each one's attributes to visit.
// The slice is only valid during the call. attrs, if any, narrow the question.
// It starts again when the kernel says that the answer was torn.
func (k *Kernel) dump(kind uint16, attrs func(*batch), visit func(attrs []byte) error) error {
	return k.ask(kind, unix.NLM_F_DUMP, attrs, visit)
}

func (k *Kernel) ask(kind, flags uint16, attrs func(*batch), visit func(attrs []byte) error) error {
	return k.askFamily(unix.NFPROTO_INET, kind, flags, attrs, func(_ uint8, a []byte) error { return visit(a) })
}

// askFamily is ask about one family's objects, or with NFPROTO_UNSPEC about all;
// visit learns whose each one is.
func (k *Kernel) askFamily(family uint8, kind, flags uint16, attrs func(*batch), visit func(family uint8, attrs []byte) error) error {
	k.seq++
	seq := 1<<30 | k.seq // apart from those of transactions
	q := &batch{}
	q.message(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_REQUEST|flags, family, 0)
	if attrs != nil {
		attrs(q)
	}
	q.end()
	binary.NativeEndian.PutUint32(q.buf[8:], seq)
	if err := k.send(q.buf); err != nil {
		return err
	}
	if err := k.conn.SetReadDeadline(time.Now().Add(answerTimeout)); err != nil {
		return err
	}
	for {
		n, err := k.receive()
		if err != nil {
			return err
		}
		done, err := eachMessage(k.buf[:n], seq, flags&(unix.NLM_F_DUMP|unix.NLM_F_ACK) != 0, visit)
		if err != nil || done {
			return err
		}
	}
}

func (k *Kernel) receive() (n int, err error) {
	var got error
	err = k.raw.Read(func(fd uintptr) bool {
		n, _, got = unix.Recvfrom(int(fd), k.buf, 0)
		return !errors.Is(got, unix.EAGAIN)
	})
	return n, errors.Join(err, got)
}

// errTorn says that the ruleset changed during a dump.
var errTorn = fmt.Errorf("dump: %w", ErrStale)

// eachMessage visits the messages of one datagram that answer seq; done after the
// last, which with multi is an end mark or acknowledgement.
func eachMessage(data []byte, seq uint32, multi bool, visit func(uint8, []byte) error) (done bool, err error) {
	for len(data) >= unix.NLMSG_HDRLEN {
		length := int(binary.NativeEndian.Uint32(data))
		if length < unix.NLMSG_HDRLEN || length > len(data) {
			return true, fmt.Errorf("dump: message of %d bytes in %d", length, len(data))
		}
		kind := binary.NativeEndian.Uint16(data[4:])
		flags := binary.NativeEndian.Uint16(data[6:])
		if binary.NativeEndian.Uint32(data[8:]) == seq {
			switch {
			case flags&unix.NLM_F_DUMP_INTR != 0:
				return true, errTorn
			case kind == unix.NLMSG_DONE:
				return true, nil
			case kind == unix.NLMSG_ERROR && length < 20:
				return true, errors.New("dump: error message without a code")
			case kind == unix.NLMSG_ERROR:
				if code := int32(binary.NativeEndian.Uint32(data[16:])); code != 0 {
					return true, fmt.Errorf("dump: %w", unix.Errno(-code))
				}
				return true, nil
			case length >= 20:
				if err := visit(data[16], data[20:length]); err != nil {
					return true, err
				}
				if !multi {
					done = true
				}
			}
		}
		data = data[min((length+3)&^3, len(data)):]
	}
	return done, nil
}

// eachAttr visits netlink attributes; kind without the nested and byte-order
// flags. It stops at the first malformed one.
func eachAttr(data []byte, visit func(kind uint16, value []byte)) {
	for len(data) >= 4 {
		length := int(binary.NativeEndian.Uint16(data))
		if length < 4 || length > len(data) {
			return
		}
		visit(binary.NativeEndian.Uint16(data[2:])&^uint16(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER), data[4:length])
		data = data[min((length+3)&^3, len(data)):]
	}
}

// attr returns the value of the first attribute of a kind, or nil.
func attr(data []byte, kind uint16) (value []byte) {
	eachAttr(data, func(k uint16, v []byte) {
		if k == kind && value == nil {
			value = v
		}
	})
	return value
}

func attrString(data []byte, kind uint16) string {
	v := attr(data, kind)
	for len(v) > 0 && v[len(v)-1] == 0 {
		v = v[:len(v)-1]
	}
	return string(v)
}

func attrU32(data []byte, kind uint16) uint32 {
	if v := attr(data, kind); len(v) == 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// Generation is the number of the last change to any nf_tables ruleset in the
// namespace.
func (k *Kernel) Generation() (uint32, error) {
	var id uint32
	err := k.ask(unix.NFT_MSG_GETGEN, 0, nil, func(a []byte) error {
		id = attrU32(a, unix.NFTA_GEN_ID)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read generation: %w", err)
	}
	return id, nil
}
