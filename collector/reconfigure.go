package collector

import (
	"errors"

	"github.com/bulkhead/bulkhead/collector/direction"
)

// Reconfigure puts o in force between two blocks of packets: Direction, Ignore,
// ExportPorts, what assemble.Table.Reconfigure and netflow.Decoder.Reconfigure
// take. Rings, flows, names and counters stay; so does the sensor's name. It may be
// called while Run runs.
func (l *Live) Reconfigure(o Options) error {
	if o.Assemble.HoldFor <= 0 {
		o.Assemble.HoldFor = holdLive
	}
	var errs []error
	for _, a := range l.lanes {
		a.mu.Lock()
		a.pipeline.reconfigure(o)
		errs = append(errs, a.pipeline.err())
		a.mu.Unlock()
	}
	if l.exports != nil {
		l.exports.reconfigure(o)
	}
	return errors.Join(errs...)
}

// reconfigure is Live.Reconfigure for one pipeline; flow exports, which pipelines
// may share, are not touched.
func (c *pipeline) reconfigure(o Options) {
	c.drain() // what was gathered belongs to the time before
	o.Assemble.Learner = direction.New(direction.Options{Overrides: o.Direction})
	c.table.Reconfigure(o.Assemble)
	if c.observer != nil {
		c.observer.Rescope(o.Assemble.ScopeVLAN, o.Assemble.ScopeVNI)
	}
	c.ignore = o.Ignore
	c.ports = portsOf(o.ExportPorts)
}

func portsOf(ports []uint16) (set portSet) {
	if ports == nil {
		ports = DefaultExportPorts
	}
	for _, port := range ports {
		set.add(port)
	}
	return set
}

func (e *exports) reconfigure(o Options) {
	n := o.NetFlow
	n.Ignore = o.Ignore
	n.Stitch.ScopeVLAN, n.Stitch.ScopeVNI = o.Assemble.ScopeVLAN, o.Assemble.ScopeVNI
	n.Stitch.Learner = direction.New(direction.Options{Overrides: o.Direction})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.o = n
	if d := e.decoder.Load(); d != nil {
		d.Reconfigure(n)
	}
}
