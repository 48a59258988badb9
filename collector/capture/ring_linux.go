package capture

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// Ring reads the packets of an interface through a TPACKET_V3 ring: memory that
// the kernel fills block by block and the reader empties, without a system call
// or a copy for each packet (packet(7); Documentation/networking/packet_mmap.rst).
// gopacket's afpacket does the same, and needs cgo.
//
// A Ring is not safe for concurrent use.
type Ring struct {
	name    string
	index   int
	fd      int
	memory  []byte
	block   int // bytes
	blocks  int
	next    int
	link    LinkType
	loop    bool // each packet passes a loopback interface twice
	stats   RingStats
	scratch Frame
}

// OpenRing opens a ring on the interface called name. It needs CAP_NET_RAW.
func OpenRing(name string, o RingOptions) (*Ring, error) {
	o = o.withDefaults()
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, fmt.Errorf("capture on %s: %w", name, err)
	}
	// Protocol 0: nothing arrives before the filter is attached and bind says what.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			err = fmt.Errorf("%w: capturing needs CAP_NET_RAW; run as root or setcap cap_net_raw+ep", err)
		}
		return nil, fmt.Errorf("capture on %s: %w", name, err)
	}
	r := &Ring{name: name, index: i.Index, fd: fd, block: o.BlockBytes, blocks: o.Blocks}
	if err := r.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("capture on %s: %w", name, err), r.Close())
	}
	return r, nil
}

func (r *Ring) open(o RingOptions) error {
	link, err := r.hardware()
	if err != nil {
		return err
	}
	r.link = link
	if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("set TPACKET_V3: %w", err)
	}
	const frame = 2048 // only the kernel's sums need it: packets lie end to end
	req := unix.TpacketReq3{
		Block_size: uint32(r.block), Block_nr: uint32(r.blocks),
		Frame_size: frame, Frame_nr: uint32(r.block / frame * r.blocks),
		Retire_blk_tov: uint32(o.Retire / time.Millisecond),
	}
	if err := unix.SetsockoptTpacketReq3(r.fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &req); err != nil {
		return fmt.Errorf("ring of %d blocks of %d bytes: %w", r.blocks, r.block, err)
	}
	r.memory, err = unix.Mmap(r.fd, 0, r.block*r.blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	if err := r.filter(o); err != nil {
		return err
	}
	address := unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: r.index}
	if err := unix.Bind(r.fd, &address); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	if !o.NotPromiscuous {
		m := unix.PacketMreq{Ifindex: int32(r.index), Type: unix.PACKET_MR_PROMISC}
		if err := unix.SetsockoptPacketMreq(r.fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &m); err != nil {
			return fmt.Errorf("promiscuous mode: %w", err)
		}
	}
	if o.FanoutGroup != 0 {
		// DEFRAG hashes fragments by the ports of their first.
		how := unix.PACKET_FANOUT_HASH | unix.PACKET_FANOUT_FLAG_DEFRAG
		if err := unix.SetsockoptInt(r.fd, unix.SOL_PACKET, unix.PACKET_FANOUT, int(o.FanoutGroup)|how<<16); err != nil {
			return fmt.Errorf("join fanout group %d: %w", o.FanoutGroup, err)
		}
	}
	return nil
}

// filter attaches the filter. What it returns for a packet is how much of it is
// kept, so where the operator's filter accepts a packet, the snap length's goes on.
func (r *Ring) filter(o RingOptions) error {
	const ret = unix.BPF_RET | unix.BPF_K
	var program []unix.SockFilter
	for i, ins := range o.Filter {
		f := unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
		if ins.Op == ret && ins.K > 0 {
			f = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(o.Filter) - i - 1)}
		}
		program = append(program, f)
	}
	program = append(program, snap(uint32(o.SnapLength), r.link)...)
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.SetsockoptSockFprog(r.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p); err != nil {
		return fmt.Errorf("attach filter: %w", err)
	}
	return nil
}

// hardware finds the link type by what the kernel says the interface is.
func (r *Ring) hardware() (LinkType, error) {
	var req struct {
		name [unix.IFNAMSIZ]byte
		kind uint16
		_    [22]byte
	}
	copy(req.name[:unix.IFNAMSIZ-1], r.name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(r.fd), unix.SIOCGIFHWADDR, uintptr(unsafe.Pointer(&req))); errno != 0 {
		return 0, fmt.Errorf("hardware type: %w", errno)
	}
	switch req.kind {
	case unix.ARPHRD_LOOPBACK:
		r.loop = true
		return LinkEthernet, nil
	case unix.ARPHRD_ETHER:
		return LinkEthernet, nil
	case unix.ARPHRD_NONE, unix.ARPHRD_RAWIP, unix.ARPHRD_TUNNEL, unix.ARPHRD_TUNNEL6, unix.ARPHRD_SIT:
		return LinkRaw, nil
	case unix.ARPHRD_PPP:
		return LinkPPP, nil
	}
	return 0, fmt.Errorf("hardware type %d is not supported", req.kind)
}

// head is the header of the block that is next to be read.
func (r *Ring) head() (unsafe.Pointer, *unix.TpacketHdrV1) {
	base := unsafe.Pointer(&r.memory[r.next*r.block])
	return base, (*unix.TpacketHdrV1)(unsafe.Add(base, unsafe.Offsetof(unix.TpacketBlockDesc{}.Hdr)))
}

// Wait waits up to timeout for a block, and reports whether there is one.
func (r *Ring) Wait(timeout time.Duration) (bool, error) {
	_, head := r.head()
	if atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER != 0 {
		return true, nil
	}
	err := r.wait(timeout)
	return atomic.LoadUint32(&head.Block_status)&unix.TP_STATUS_USER != 0, err
}

// Read gives each frame of the block that Wait found to each, calls done, and hands
// the block back to the kernel; frames are valid until then.
func (r *Ring) Read(each func(*Frame), done func()) {
	base, head := r.head()
	at := unsafe.Add(base, head.Offset_to_first_pkt)
	for range head.Num_pkts {
		h := (*unix.Tpacket3Hdr)(at)
		if !r.loop || !outgoing(at) {
			r.frame(h, at)
			each(&r.scratch)
		}
		at = unsafe.Add(at, h.Next_offset)
	}
	done()
	atomic.StoreUint32(&head.Block_status, unix.TP_STATUS_KERNEL)
	r.next = (r.next + 1) % r.blocks
}

func (r *Ring) frame(h *unix.Tpacket3Hdr, at unsafe.Pointer) {
	f := &r.scratch
	f.Time = flow.Time(int64(h.Sec)*1e9 + int64(h.Nsec))
	f.Data = unsafe.Slice((*byte)(unsafe.Add(at, uintptr(h.Mac))), h.Snaplen)
	f.Length, f.Link, f.VLAN = h.Len, r.link, 0
	if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
		f.VLAN = uint16(h.Hv1.Vlan_tci & 0xfff)
	}
}

// outgoing reads the packet's type from the link-layer address after its header.
func outgoing(at unsafe.Pointer) bool {
	address := (*unix.RawSockaddrLinklayer)(unsafe.Add(at, unsafe.Sizeof(unix.Tpacket3Hdr{})))
	return address.Pkttype == unix.PACKET_OUTGOING
}

// wait sleeps until a block is ready. An interface that went down is waited for;
// one that was removed is ErrInterfaceGone.
func (r *Ring) wait(timeout time.Duration) error {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN | unix.POLLERR}}
	_, err := unix.Poll(fds, int(timeout/time.Millisecond))
	if err != nil && !errors.Is(err, unix.EINTR) {
		return fmt.Errorf("capture on %s: %w", r.name, os.NewSyscallError("poll", err))
	}
	if fds[0].Revents&unix.POLLERR == 0 {
		return nil
	}
	// The error is ENETDOWN, and reading it clears it.
	if _, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
		return fmt.Errorf("capture on %s: %w", r.name, err)
	}
	return r.check()
}

// check returns ErrInterfaceGone if the interface the ring is bound to is no more.
// A renamed one is the same one.
func (r *Ring) check() error {
	i, err := net.InterfaceByIndex(r.index)
	if err != nil {
		return fmt.Errorf("capture on %s: %w", r.name, ErrInterfaceGone)
	}
	r.name = i.Name
	return nil
}

// Stats returns the kernel's counters.
func (r *Ring) Stats() (RingStats, error) {
	s, err := unix.GetsockoptTpacketStatsV3(r.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS) // and sets them to 0
	if err != nil {
		return r.stats, fmt.Errorf("capture on %s: statistics: %w", r.name, err)
	}
	r.stats.Add(RingStats{Received: uint64(s.Packets), Dropped: uint64(s.Drops), Freezes: uint64(s.Freeze_q_cnt)})
	return r.stats, nil
}

// Close unmaps the ring and closes its socket.
func (r *Ring) Close() error {
	var err error
	if r.memory != nil {
		err = unix.Munmap(r.memory)
		r.memory = nil
	}
	if r.fd >= 0 {
		err = errors.Join(err, unix.Close(r.fd))
		r.fd = -1
	}
	return err
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }
