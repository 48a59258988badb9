package netflow

import (
	"slices"
)

// Admit adds an exporter to those the operator knows, in place of one admitted
// before with the same prefix. Where the configuration names the same prefix, its
// word counts.
func (d *Decoder) Admit(e Exporter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.admitted = slices.DeleteFunc(slices.Clone(d.admitted), func(o Exporter) bool { return o.Prefix == e.Prefix })
	d.admitted = append(d.admitted, e)
	d.resettle()
}

// Reconfigure puts o in force between two datagrams: Exporters, Sampling,
// OnlyListed, Ignore, MaxSkew and what stitch.Stitcher.Reconfigure takes. Templates,
// sequence numbers, flows and counters stay. An exporter that is no longer listed is
// refused from now on; what it sent before counts.
func (d *Decoder) Reconfigure(o Options) {
	o.defaults()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.o.Exporters, d.o.Sampling, d.o.OnlyListed = o.Exporters, o.Sampling, o.OnlyListed
	d.o.Ignore, d.o.MaxSkew = o.Ignore, o.MaxSkew
	d.stitcher.Reconfigure(o.Stitch)
	d.resettle()
}

// resettle applies the operator's words to the exporters that are known already.
func (d *Decoder) resettle() {
	for key, x := range d.exporters {
		settings, listed := d.settings(key.Addr())
		if d.o.OnlyListed && !listed {
			d.refuse(x)
			continue
		}
		settings = d.named(settings, key)
		if settings == x.settings {
			continue
		}
		x.settings, x.stats.Name = settings, settings.Name
		d.stitcher.Relabel(x.index, settings.Name)
		for _, m := range x.domains {
			m.source.Scope, m.source.ScopeBy = settings.Scope, settings.ScopeBy
		}
	}
	for a := range d.unknown {
		if _, listed := d.settings(a); listed || !d.o.OnlyListed {
			delete(d.unknown, a)
		}
	}
}

// refuse forgets an exporter that is no longer listed. Its place in the stitcher is
// not given to another: flows of it may still be there.
func (d *Decoder) refuse(x *exporter) {
	d.gone.add(&x.stats)
	delete(d.exporters, x.addr)
}
