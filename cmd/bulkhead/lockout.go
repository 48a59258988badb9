package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/enforcer"
	"github.com/bulkhead/bulkhead/enforcer/nft"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// refuseLockout refuses a set that would block the SSH session it is typed in, or
// that drops break-glass networks which hold now.
func refuseLockout(now, set *policy.Set, host nft.Host) error {
	var sessions []policy.Session
	if s, ok := sshSession(host); ok {
		sessions = append(sessions, s)
	}
	if err := policy.CheckLockout(now, set, sessions); err != nil {
		return usageError{fmt.Errorf("%w (--force puts it in force all the same)", err)}
	}
	return nil
}

// confirmedSet is the set in force on this machine, nil when there is none.
func confirmedSet(f *enforcer.Enforcer) *policy.Set {
	v := f.Status().Confirmed
	if v == nil {
		return nil
	}
	set, err := policy.Parse([]byte(v.Policy), fmt.Sprintf("version %d", v.Number))
	if err != nil {
		return nil // it was compiled once; an older form of it says nothing here
	}
	return set
}

// sshSession is the SSH session this process runs in, as the policy sees it.
func sshSession(host nft.Host) (policy.Session, bool) {
	client, server, ok := sshEnds(os.Getpid(), os.Getenv("SSH_CONNECTION"))
	if !ok {
		return policy.Session{}, false
	}
	return policy.Session{What: "your SSH session from " + client.Addr().String(), Client: partyAt(host, client.Addr()), Server: partyAt(host, server.Addr()),
		Service: flow.Service{Proto: flow.TCP, Port: server.Port()}}, true
}

// sshEnds reads what sshd tells its children (sshd(8), ENVIRONMENT): client address
// and port, server address and port. sudo drops it, so the environments of the
// parents are asked too, where they can be read.
func sshEnds(pid int, value string) (client, server netip.AddrPort, ok bool) {
	for range 32 {
		if f := strings.Fields(value); len(f) == 4 {
			c, err1 := netip.ParseAddrPort(joined(f[0], f[1]))
			s, err2 := netip.ParseAddrPort(joined(f[2], f[3]))
			return c, s, errors.Join(err1, err2) == nil
		}
		var err error
		if pid, err = parentOf(pid); err != nil || pid <= 1 {
			return client, server, false
		}
		value = environOf(pid)["SSH_CONNECTION"]
	}
	return client, server, false
}

func joined(addr, port string) string {
	if strings.Contains(addr, ":") {
		return "[" + addr + "]:" + port
	}
	return addr + ":" + port
}

// parentOf reads the parent's id from /proc (proc_pid_status(5)).
func parentOf(pid int) (int, error) {
	data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for _, line := range strings.Split(string(data), "\n") {
		if v, ok := strings.CutPrefix(line, "PPid:"); ok {
			return strconv.Atoi(strings.TrimSpace(v))
		}
	}
	return 0, errors.New("no parent")
}

// environOf reads the environment a process was started with; empty when it cannot
// be read.
func environOf(pid int) map[string]string {
	data, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	out := map[string]string{}
	for _, pair := range strings.Split(string(data), "\x00") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			out[k] = v
		}
	}
	return out
}

// partyAt is who holds an address, as a host's ruleset knows it.
func partyAt(host nft.Host, addr netip.Addr) policy.Party {
	addr = addr.Unmap()
	for i := range host.Workloads {
		for _, a := range host.Workloads[i].Addrs {
			if a == addr {
				return policy.Party{Addr: addr, Workload: true, Labels: host.Workloads[i].Labels}
			}
		}
	}
	return policy.Party{Addr: addr}
}
