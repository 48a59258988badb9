package netflow

import (
	"bytes"
	"encoding/binary"
	"math"

	gonetflow "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// sampling is what a domain has said about its sampling: in the header (v5), or
// in options data for the whole domain, a sampler or an interface.
type sampling struct {
	header     uint32
	domain     uint32
	samplers   map[uint32]uint32
	interfaces map[uint32]uint32
}

// maxSamplers bounds each of the maps; an exporter has a handful.
const maxSamplers = 1024

// rate is the 1-in-N that applies to r, most particular first: the operator's
// word on this exporter, the record's own, its sampler's, its interface's, the
// domain's, the operator's word on exporters that do not say.
func (m *domain) rate(x *exporter, r *plan.Row, otherwise uint32) uint32 {
	s := &m.sampling
	switch {
	case x.settings.Sampling > 0:
		return x.settings.Sampling
	case r.Sampling > 0:
		return r.Sampling
	case s.header > 0:
		return s.header
	}
	if len(s.samplers) > 0 {
		if n, ok := s.samplers[r.Sampler]; ok {
			return n
		}
	}
	if len(s.interfaces) > 0 {
		if n, ok := s.interfaces[r.InIf]; ok && !r.Egress {
			return n
		}
		if n, ok := s.interfaces[r.OutIf]; ok {
			return n
		}
	}
	if s.domain == 0 {
		return otherwise
	}
	return s.domain
}

// informs reports whether options data with this field can tell something:
// sampling, or when the exporter booted.
func informs(f plan.Field) bool {
	switch f.ID {
	case 34, 50, 160, 305, 306, 309, 310, 311:
		return f.PEN == 0
	}
	return false
}

// maxOptions bounds the options records read of one set: goflow2 allocates some
// 300 bytes for each, which may be one byte long.
const maxOptions = 1024

// optionsData has goflow2 read an options data set and learns from it.
func (d *Decoder) optionsData(x *exporter, m *domain, t *template, body []byte) {
	if !t.useful {
		return // interface names, applications and the like: most options data
	}
	if !t.plan.Variable() {
		body = body[:min(len(body), maxOptions*t.plan.Size())]
	} else {
		body = body[:min(len(body), maxOptions*8)]
	}
	// Every record is at least one byte long (errNoLength), so this ends.
	records, err := gonetflow.DecodeOptionsDataSet(m.version, bytes.NewBuffer(body), t.scopes, t.values)
	if err != nil && len(records) == 0 {
		x.stats.LastError = err.Error()
	}
	for _, r := range records {
		m.learnOptions(m.version, &r)
	}
}

// learnOptions reads sampling and clocks from one options record (RFC 3954 §6.1
// scopes, RFC 5476 selectors, IE 34, 50, 305–311; IE 160).
func (m *domain) learnOptions(version uint16, r *gonetflow.OptionsDataRecord) {
	var n, sampler, iface uint32
	var hasSampler, hasInterface bool
	var o optionRates
	for _, f := range r.ScopesValues {
		v, id, ok := optionValue(f)
		switch {
		case !ok:
		case version == 9 && id == 2, version == 10 && (id == 10 || id == 14): // interface
			iface, hasInterface = uint32(v), true
		case version == 10 && (id == 48 || id == 302):
			sampler, hasSampler = uint32(v), true
		}
	}
	for _, f := range r.OptionsValues {
		v, id, ok := optionValue(f)
		switch {
		case !ok:
		case id == 48 || id == 302:
			sampler, hasSampler = uint32(v), true
		case id == 160:
			m.boot = flow.Time(v) * 1e6
		default:
			o.read(id, v)
		}
	}
	if n = o.rate(); n == 0 {
		return
	}
	switch {
	case hasSampler:
		remember(&m.sampling.samplers, sampler, n)
	case hasInterface:
		remember(&m.sampling.interfaces, iface, n)
	default:
		m.sampling.domain = n
	}
}

func remember(m *map[uint32]uint32, key, n uint32) {
	if *m == nil {
		*m = map[uint32]uint32{}
	}
	if _, ok := (*m)[key]; ok || len(*m) < maxSamplers {
		(*m)[key] = n
	}
}

// optionValue reads a field of at most eight bytes as a number.
func optionValue(f gonetflow.DataField) (value uint64, id uint16, ok bool) {
	b, isBytes := f.Value.([]byte)
	if !isBytes || len(b) == 0 || len(b) > 8 || f.PenProvided && f.Pen != 0 {
		return 0, 0, false
	}
	var wide [8]byte
	copy(wide[8-len(b):], b)
	return binary.BigEndian.Uint64(wide[:]), f.Type & 0x7fff, true
}

// optionRates gathers the ways there are to state a sampling rate.
type optionRates struct {
	interval, taken, left, size, population uint64
	probability                             float64
}

func (o *optionRates) read(id uint16, v uint64) {
	switch id {
	case 34, 50:
		o.interval = max(o.interval, v)
	case 305:
		o.taken = v
	case 306:
		o.left = v
	case 309:
		o.size = v
	case 310:
		o.population = v
	case 311:
		o.probability = math.Float64frombits(v)
	}
}

// rate is the 1-in-N they amount to; 0 when they say nothing.
func (o *optionRates) rate() uint32 {
	n := float64(o.interval)
	switch {
	case o.interval > 0:
	case o.taken > 0 && o.left > 0:
		n = float64(o.taken+o.left) / float64(o.taken) // RFC 5477 §8.2.2
	case o.taken > 0:
		n = 1
	case o.size > 0 && o.population > 0:
		n = float64(o.population) / float64(o.size)
	case o.probability > 0 && o.probability <= 1:
		n = 1 / o.probability
	}
	if n < 1 || n > math.MaxUint32 {
		return 0
	}
	return uint32(n + 0.5)
}
