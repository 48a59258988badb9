package watch

import (
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
)

// Processes names the local program at an end of a packet or connection: the unit
// of its control group where it runs in one ("api.service"), else its command
// name. It is safe for concurrent use, and bounded in cost: one question to the
// kernel per lookup, lookups beyond a rate go unanswered, and the process table is
// read whole at most every few seconds.
//
// A command that is not in a unit of its own and ends within milliseconds may be
// gone before its name is looked up; it stays unnamed.
type Processes struct {
	netns int
	proc  string // where the process table is mounted

	mu      sync.Mutex
	sockets sockets
	own     map[netip.Addr]bool // addresses of this host
	ownRead time.Time
	owners  map[uint32]string // program by socket inode
	holders []string          // processes that had sockets when all were looked at
	read    time.Time         // of the whole process table
	units   map[uint64]string // unit by control group id; "" for a group that is none
	walked  time.Time         // of the control groups
	window  time.Time
	asked   int
}

// Bounds of Processes.
const (
	processTableAge  = 3 * time.Second
	addressesAge     = 10 * time.Second
	lookupsPerSecond = 200
	newestProcesses  = 16 // looked at first: who has just opened a socket has often just started
	maxOwners        = 1 << 16
	maxHolders       = 64 // looked at next: who has one socket opens others
)

// NewProcesses looks at the sockets of a namespace; 0 for the caller's own.
func NewProcesses(netns int) *Processes {
	return &Processes{netns: netns, proc: "/proc", sockets: sockets{netns: netns}, owners: map[uint32]string{}, units: map[uint64]string{}}
}

// Of returns the program that serves a packet's destination (inbound) or sent it;
// "" when it is not known, or not on this host.
func (p *Processes) Of(k flow.Key, inbound bool) string {
	local, remote := netip.AddrPortFrom(k.Client, k.ClientPort), netip.AddrPortFrom(k.Server, k.ServerPort)
	if inbound {
		local, remote = remote, local
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.isOwn(local.Addr(), now) {
		return ""
	}
	if now.Sub(p.window) > time.Second {
		p.window, p.asked = now, 0
	}
	if p.asked++; p.asked > lookupsPerSecond {
		return ""
	}
	s, found, err := p.find(k.Proto, local, remote, inbound)
	if err != nil {
		p.sockets.close() // an answer not known; the next question opens it anew
	}
	if !found {
		return ""
	}
	return p.program(s, now)
}

// find asks for the socket at the local end. For a server that is the one that
// listens: it is there before and after the connection's own, which nobody may have
// accepted yet, or which may be closed already.
func (p *Processes) find(proto uint8, local, remote netip.AddrPort, inbound bool) (s socket, found bool, err error) {
	if inbound {
		if s, found, err = p.sockets.find(proto, local, netip.AddrPortFrom(unspecified(local.Addr()), 0)); found || err != nil {
			return s, found, err
		}
	}
	return p.sockets.find(proto, local, remote)
}

// unspecified is the unspecified address of a's family.
func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// isOwn reports whether an address is of this host: a router's listeners have
// nothing to do with what it forwards.
func (p *Processes) isOwn(a netip.Addr, now time.Time) bool {
	if !p.own[a] && now.Sub(p.ownRead) > addressesAge {
		p.ownRead = now
		if own, err := ownAddresses(p.netns); err == nil {
			p.own = own
		}
	}
	return p.own[a]
}

// program names who has a socket open.
func (p *Processes) program(s socket, now time.Time) string {
	if unit := p.unit(s.cgroup, now); unit != "" {
		return unit
	}
	if s.inode == 0 {
		return ""
	}
	if name, known := p.owners[s.inode]; known {
		return name
	}
	if len(p.owners) > maxOwners {
		clear(p.owners)
	}
	p.socketsOf(newest(p.proc, newestProcesses))
	if _, known := p.owners[s.inode]; !known {
		p.socketsOf(p.holders)
	}
	if _, known := p.owners[s.inode]; !known && now.Sub(p.read) > processTableAge {
		p.read = now
		clear(p.owners)
		p.holders = p.socketsOf(newest(p.proc, -1))
	}
	return p.owners[s.inode]
}

// unit names the unit a control group belongs to.
func (p *Processes) unit(id uint64, now time.Time) string {
	if id == 0 {
		return ""
	}
	if _, known := p.units[id]; !known && now.Sub(p.walked) > processTableAge {
		p.walked = now
		p.units = cgroupUnits()
	}
	return p.units[id]
}

// cgroupUnits walks the control groups there are: their ids are the inode numbers
// of their folders (cgroups(7)). Where there are none, it is empty.
func cgroupUnits() map[uint64]string {
	out := map[uint64]string{}
	root, err := nft.CgroupRoot()
	if err != nil {
		return out
	}
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err != nil || !d.IsDir() || unix.Stat(path, &st) != nil {
			return nil // gone meanwhile
		}
		out[st.Ino] = unitOf(strings.TrimPrefix(path, root))
		return nil
	})
	return out
}

// unitOf is the innermost unit of a control group's path, "" for none.
func unitOf(path string) string {
	parts := strings.Split(path, "/")
	slices.Reverse(parts)
	for _, part := range parts {
		if strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
			return part
		}
	}
	return ""
}

// newest lists the folders of the n processes started last, all with n < 0.
func newest(proc string, n int) []string {
	d, err := os.Open(proc)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1) // what there is
	var pids []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	slices.Reverse(pids)
	if n >= 0 && len(pids) > n {
		pids = pids[:n]
	}
	out := make([]string, len(pids))
	for i, pid := range pids {
		out[i] = filepath.Join(proc, strconv.Itoa(pid))
	}
	return out
}

// socketsOf notes which sockets processes have open, and returns those that have
// any, a bounded number.
func (p *Processes) socketsOf(processes []string) (holders []string) {
	for _, dir := range processes {
		entries, err := os.ReadDir(filepath.Join(dir, "fd"))
		if err != nil {
			continue // gone meanwhile, or not ours to see
		}
		name := ""
		for _, e := range entries {
			target, err := os.Readlink(filepath.Join(dir, "fd", e.Name()))
			text, ok := strings.CutPrefix(target, "socket:[")
			if err != nil || !ok {
				continue
			}
			inode, err := strconv.ParseUint(strings.TrimSuffix(text, "]"), 10, 32)
			if err != nil {
				continue
			}
			if name == "" {
				name = processName(dir)
			}
			p.owners[uint32(inode)] = name
		}
		if name != "" && len(holders) < maxHolders {
			holders = append(holders, dir)
		}
	}
	return holders
}

// processName is the unit a process runs in, else its command name.
func processName(dir string) string {
	if groups, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil {
		for _, line := range strings.Split(string(groups), "\n") {
			path, ok := strings.CutPrefix(line, "0::") // cgroup version 2, cgroups(7)
			if unit := unitOf(path); ok && unit != "" {
				return unit
			}
		}
	}
	comm, _ := os.ReadFile(filepath.Join(dir, "comm")) // empty when it is gone
	return strings.TrimSpace(string(comm))
}
