package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	namespacePrefix = "bhlab"
	routerName      = "router"
	commandTimeout  = time.Minute
)

// ip runs iproute2 in a namespace, "" for the machine's own, with one command a
// line, as a batch.
func ip(ctx context.Context, namespace string, lines ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	args := []string{"-batch", "-"}
	if namespace != "" {
		args = append([]string{"-n", namespace}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return nil
}

// network makes the namespaces and joins them: a bridge per segment in the
// router's, a veth pair from each host to its bridge.
func (l *Lab) network(ctx context.Context) error {
	l.router = &Host{Name: routerName, Namespace: l.prefix + routerName, lab: l}
	if err := l.addNamespace(ctx, l.router); err != nil {
		return err
	}
	for i := range l.topo.Segments {
		if err := l.addSegment(ctx, i); err != nil {
			return err
		}
	}
	next := make([]byte, len(l.topo.Segments))
	for _, spec := range l.topo.Hosts {
		segment := l.topo.segment(spec.Segment)
		h := &Host{
			Name: spec.Name, Namespace: l.prefix + spec.Name, FQDN: spec.Name + "." + l.domain(), Labels: spec.Labels, lab: l,
			Addr: nth(prefix4(segment), firstAddress+next[segment]), Addr6: nth(prefix6(segment), firstAddress+next[segment]),
		}
		next[segment]++
		if err := l.addNamespace(ctx, h); err != nil {
			return err
		}
		l.hosts[spec.Name] = h
		if err := l.plug(ctx, h, segment); err != nil {
			return fmt.Errorf("host %s: %w", h.Name, err)
		}
	}
	return l.writeResolver()
}

func (l *Lab) addNamespace(ctx context.Context, h *Host) error {
	if err := ip(ctx, "", "netns add "+h.Namespace); err != nil {
		return err
	}
	h.made = true
	settings := map[string]string{"net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0"}
	if h.Name == routerName {
		settings["net/ipv4/ip_forward"] = "1"
		settings["net/ipv6/conf/all/forwarding"] = "1"
	}
	return errors.Join(
		ip(ctx, h.Namespace, "link set lo up"),
		h.Do(func() error {
			for key, value := range settings {
				if err := os.WriteFile("/proc/sys/"+key, []byte(value), 0); err != nil {
					return err
				}
			}
			return nil
		}))
}

// bridge is the name of a segment's bridge in the router.
func bridge(segment int) string { return "seg" + strconv.Itoa(segment) }

func (l *Lab) addSegment(ctx context.Context, i int) error {
	name := bridge(i)
	// Learned addresses do not age and multicast is not snooped: the wire is quiet
	// but for what hosts say.
	return ip(ctx, l.router.Namespace,
		"link add "+name+" type bridge forward_delay 0 mcast_snooping 0",
		"addr add "+nth(prefix4(i), routerAddress).String()+"/24 dev "+name,
		"addr add "+nth(prefix6(i), routerAddress).String()+"/64 dev "+name+" nodad",
		"link set "+name+" up promisc on")
}

// plug joins a host to its segment.
func (l *Lab) plug(ctx context.Context, h *Host, segment int) error {
	port := "v-" + h.Name
	if err := ip(ctx, "", "link add "+port+" netns "+l.router.Namespace+" type veth peer name eth0 netns "+h.Namespace); err != nil {
		return err
	}
	if err := ip(ctx, l.router.Namespace, "link set "+port+" master "+bridge(segment)+" up"); err != nil {
		return err
	}
	return ip(ctx, h.Namespace,
		"addr add "+h.Addr.String()+"/24 dev eth0",
		"addr add "+h.Addr6.String()+"/64 dev eth0 nodad",
		"link set eth0 up",
		"route add default via "+nth(prefix4(segment), routerAddress).String(),
		"route add ::/0 via "+nth(prefix6(segment), routerAddress).String())
}

// writeResolver gives every host a resolv.conf that names the lab's resolver;
// "ip netns exec" shows it to commands in place of the machine's (ip-netns(8)).
func (l *Lab) writeResolver() error {
	server := l.hosts[l.topo.Resolver]
	if server == nil {
		return nil
	}
	for _, h := range l.hosts {
		dir := filepath.Join("/etc/netns", h.Namespace)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		l.etc = append(l.etc, dir)
		text := fmt.Sprintf("nameserver %s\nsearch %s\noptions timeout:2 attempts:2\n", server.Addr, l.domain())
		if err := os.WriteFile(filepath.Join(dir, "resolv.conf"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) domain() string {
	if l.topo.Domain != "" {
		return l.topo.Domain
	}
	return defaultDomain
}

func (l *Lab) removeNetwork() error {
	ctx := context.Background()
	var errs []error
	hosts := []*Host{l.router}
	for _, spec := range l.topo.Hosts {
		hosts = append(hosts, l.hosts[spec.Name])
	}
	for _, h := range hosts {
		if h != nil && h.made {
			errs = append(errs, ip(ctx, "", "netns del "+h.Namespace))
			h.made = false
		}
	}
	for _, dir := range l.etc {
		errs = append(errs, os.RemoveAll(dir))
	}
	if len(l.etc) > 0 {
		os.Remove("/etc/netns") // when nobody else uses it
	}
	l.etc = nil
	return errors.Join(errs...)
}

// sweep removes what labs of processes that are gone left behind.
func sweep() {
	entries, err := os.ReadDir("/run/netns")
	if err != nil {
		return // none was ever made
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), namespacePrefix)
		owner, _, _ := strings.Cut(rest, "-")
		pid, err := strconv.Atoi(owner)
		if !ours || err != nil {
			continue
		}
		if _, err := os.Stat("/proc/" + owner); err == nil && pid > 0 {
			continue
		}
		// Best effort: another lab may sweep at the same time.
		killInside(e.Name())
		exec.Command("ip", "netns", "del", e.Name()).Run()
		os.RemoveAll(filepath.Join("/etc/netns", e.Name()))
	}
}

// killInside ends the processes that still run in a namespace, by their ids.
func killInside(namespace string) {
	out, err := exec.Command("ip", "netns", "pids", namespace).Output()
	if err != nil {
		return
	}
	for _, field := range strings.Fields(string(out)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 1 {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}
}
