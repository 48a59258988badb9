package watch

import (
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/flow"
)

// Processes names the local program at the protected end of a packet: the unit
// of its control group where it runs in one ("api.service"), else its command
// name. It is safe for concurrent use, and bounded in cost: the process table is
// read at most every few seconds, and lookups beyond a rate go unanswered.
type Processes struct {
	netns int

	mu     sync.Mutex
	owners map[uint32]string // by socket inode
	read   time.Time
	window time.Time
	asked  int
}

// Bounds of Processes.
const (
	processTableAge  = 3 * time.Second
	lookupsPerSecond = 50
)

// NewProcesses looks at the sockets of a namespace; 0 for the caller's own.
func NewProcesses(netns int) *Processes { return &Processes{netns: netns} }

// Of returns the program that serves a packet's destination (inbound) or sent it;
// "" when it is not known.
func (p *Processes) Of(k flow.Key, inbound bool) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if now.Sub(p.window) > time.Second {
		p.window, p.asked = now, 0
	}
	if p.asked++; p.asked > lookupsPerSecond {
		return ""
	}
	inode := p.inode(k, inbound)
	if inode == 0 {
		return ""
	}
	if _, known := p.owners[inode]; !known && now.Sub(p.read) > processTableAge {
		p.owners, p.read = socketOwners("/proc"), now
	}
	return p.owners[inode]
}

// inode finds the socket that receives or sent a packet.
func (p *Processes) inode(k flow.Key, inbound bool) uint32 {
	h := &netlink.Handle{}
	if p.netns != 0 {
		var err error
		if h, err = netlink.NewHandleAt(netns.NsHandle(p.netns), unix.NETLINK_INET_DIAG); err != nil {
			return 0
		}
		defer h.Close()
	}
	addr, port := k.Client, k.ClientPort
	if inbound {
		addr, port = k.Server, k.ServerPort
	}
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		var socks []*netlink.Socket
		switch k.Proto {
		case flow.TCP:
			socks, _ = h.SocketDiagTCP(family) // an error is an answer not known
		case flow.UDP:
			socks, _ = h.SocketDiagUDP(family)
		}
		for _, s := range socks {
			if a, ok := netip.AddrFromSlice(s.ID.Source); ok && s.ID.SourcePort == port && (a.Unmap() == addr || a.IsUnspecified()) && s.INode != 0 {
				return s.INode
			}
		}
	}
	return 0
}

// socketOwners reads which process has which socket open.
func socketOwners(proc string) map[uint32]string {
	out := map[uint32]string{}
	links, _ := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	names := map[string]string{} // by process folder
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue // gone meanwhile
		}
		text, ok := strings.CutPrefix(target, "socket:[")
		if !ok {
			continue
		}
		inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
		if err != nil {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		if _, ok := names[dir]; !ok {
			names[dir] = processName(dir)
		}
		out[uint32(inode)] = names[dir]
	}
	return out
}

// processName is the unit a process runs in, else its command name.
func processName(dir string) string {
	if groups, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		for _, line := range strings.Split(string(groups), "\n") {
			path, ok := strings.CutPrefix(line, "0::") // cgroup version 2, cgroups(7)
			if base := filepath.Base(path); ok && (strings.HasSuffix(base, ".service") || strings.HasSuffix(base, ".scope")) {
				return base
			}
		}
	}
	comm, _ := os.ReadFile(filepath.Join(dir, "comm")) // empty when it is gone
	return strings.TrimSpace(string(comm))
}
