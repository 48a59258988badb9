package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/bulkhead/bulkhead/topology"
)

// Options say how to build a lab.
type Options struct {
	Topology *Topology // nil means Shop()
	// Dir receives captures, logs and the servers' files; "" means a fresh
	// temporary folder that Down removes.
	Dir string
	// Log receives what the lab does, a line each; nil for silence.
	Log io.Writer
	// WithoutTap leaves out capture and export.
	WithoutTap bool
}

// Lab is a network that is up. Its methods are not safe for concurrent use,
// except for those of its hosts.
type Lab struct {
	topo    *Topology
	prefix  string // of namespace names
	dir     string
	ownDir  bool
	log     io.Writer
	router  *Host
	hosts   map[string]*Host
	daemons []*daemon // in the order they were started
	tap     *tap
	watches []observing
	etc     []string // folders made under /etc/netns
}

// labs numbers the labs of this process.
var labs atomic.Int64

// Up builds the network, starts the servers and the observers, and returns once
// every service answers. On error nothing is left behind.
func Up(ctx context.Context, o Options) (*Lab, error) {
	if o.Topology == nil {
		o.Topology = Shop()
	}
	if err := o.Topology.check(); err != nil {
		return nil, err
	}
	sweep()
	l := &Lab{
		topo: o.Topology, dir: o.Dir, log: o.Log, hosts: map[string]*Host{},
		prefix: fmt.Sprintf("%s%d-%d-", namespacePrefix, os.Getpid(), labs.Add(1)),
	}
	if l.log == nil {
		l.log = io.Discard
	}
	if err := l.build(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: up: %w", err), l.Down())
	}
	return l, nil
}

func (l *Lab) build(ctx context.Context, o Options) error {
	if l.dir == "" {
		dir, err := os.MkdirTemp("", "bulkhead-lab-")
		if err != nil {
			return err
		}
		l.dir, l.ownDir = dir, true
	}
	// Servers drop their privileges and must still reach their folders.
	if err := os.Chmod(l.dir, 0o755); err != nil {
		return err
	}
	if err := l.network(ctx); err != nil {
		return err
	}
	if err := l.serve(ctx); err != nil {
		return err
	}
	if !o.WithoutTap {
		t, err := l.startTap(ctx)
		l.tap = t
		return err
	}
	return nil
}

// serve starts every host's services and waits until they answer.
func (l *Lab) serve(ctx context.Context) error {
	for _, spec := range l.topo.Hosts {
		h := l.hosts[spec.Name]
		for _, s := range spec.Services {
			l.logf("start %s on %s (%s)", s.Name, h.Name, h.Addr)
			if err := s.start(ctx, l, h); err != nil {
				return fmt.Errorf("start %s on %s: %w", s.Name, h.Name, err)
			}
		}
	}
	for _, spec := range l.topo.Hosts {
		for _, s := range spec.Services {
			if err := l.hosts[spec.Name].await(ctx, s); err != nil {
				return fmt.Errorf("%s on %s does not answer: %w%s", s.Name, spec.Name, err, l.tail(spec.Name, s.Name))
			}
		}
	}
	return nil
}

// Host returns a host by name, nil when there is none. "router" is the router.
func (l *Lab) Host(name string) *Host {
	if name == routerName {
		return l.router
	}
	return l.hosts[name]
}

// Dir is the folder with captures and logs.
func (l *Lab) Dir() string { return l.dir }

// Inventory describes the lab's hosts with the labels of their specification, and
// its segments as networks: inside, but for those of outside hosts.
func (l *Lab) Inventory() *topology.Inventory {
	inv := &topology.Inventory{}
	outside := map[string]bool{}
	for _, spec := range l.topo.Hosts {
		if spec.Outside {
			outside[spec.Segment] = true
			continue
		}
		h := l.hosts[spec.Name]
		inv.Workloads = append(inv.Workloads, topology.Workload{
			ID: spec.Name, Name: h.FQDN, Labels: spec.Labels, Origin: "lab",
			Addresses: []topology.Address{{Addr: h.Addr}, {Addr: h.Addr6}},
		})
	}
	for i, name := range l.topo.Segments {
		inv.Networks = append(inv.Networks, topology.Network{Name: name, Prefixes: []netip.Prefix{prefix4(i), prefix6(i)}, Inside: !outside[name]})
	}
	return inv
}

// Down stops everything the lab started and removes its namespaces. It may be
// called more than once.
func (l *Lab) Down() error {
	var errs []error
	if l.tap != nil || len(l.watches) > 0 {
		errs = append(errs, l.StopTap())
	}
	for i := len(l.daemons) - 1; i >= 0; i-- {
		l.daemons[i].stop()
	}
	l.daemons = nil
	errs = append(errs, l.removeNetwork())
	if l.ownDir && l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
		l.dir = ""
	}
	return errors.Join(errs...)
}

func (l *Lab) logf(format string, args ...any) {
	fmt.Fprintf(l.log, "lab: "+format+"\n", args...)
}

// hostDir returns a folder for a host's files.
func (l *Lab) hostDir(h *Host, name string) (string, error) {
	dir := filepath.Join(l.dir, h.Name, name)
	return dir, os.MkdirAll(dir, 0o755)
}
