package netflow

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	gonetflow "github.com/netsampler/goflow2/v2/decoders/netflow"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
	"github.com/bulkhead/bulkhead/flow"
)

// errNoLength refuses a template whose records have no length: goflow2 v2.2.6
// decodes a data set of such a template for ever.
var errNoLength = errors.New("records have no length")

// template is one accepted template. It is immutable but for its two times.
type template struct {
	id      uint16
	options bool
	raw     []byte // the template record as received, to see whether it changed
	plan    *plan.Plan
	useful  bool              // an options template that can say what we want to know
	scopes  []gonetflow.Field // of an options template, as goflow2 wants them
	values  []gonetflow.Field

	refreshed, used flow.Time
}

func (t *template) lastUse() flow.Time { return max(t.refreshed, t.used) }

// extent measures the template record at the start of b: its length in bytes and
// its number of fields, 0 for a withdrawal (RFC 7011 §8.1). It fails when b does
// not hold the record it announces, before anything is allocated for it.
func extent(version uint16, options bool, b []byte) (size, fields int, err error) {
	if len(b) < 4 {
		return 0, 0, fmt.Errorf("header of %d bytes", len(b))
	}
	count := int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case version == 9 && options:
		if len(b) < 6 {
			return 0, 0, fmt.Errorf("header of %d bytes", len(b))
		}
		scope, option := count, int(binary.BigEndian.Uint16(b[4:]))
		if scope%4 != 0 || option%4 != 0 {
			return 0, 0, fmt.Errorf("field lengths %d and %d are no multiples of 4", scope, option)
		}
		size, fields = 6+scope+option, (scope+option)/4
	case version == 9:
		size, fields = 4+4*count, count
	case count == 0:
		return 4, 0, nil
	default:
		head := 4
		if options {
			head = 6
		}
		size, fields = ipfixExtent(b, head, count), count
	}
	if size < 0 || size > len(b) {
		return 0, 0, fmt.Errorf("%d fields in %d bytes", fields, len(b))
	}
	return size, fields, nil
}

// ipfixExtent walks IPFIX field specifiers, four bytes or eight with an enterprise
// number (RFC 7011 §3.2); -1 when they run over the end.
func ipfixExtent(b []byte, pos, count int) int {
	for range count {
		if pos+4 > len(b) {
			return -1
		}
		if b[pos]&0x80 != 0 {
			pos += 4
		}
		pos += 4
	}
	if pos > len(b) {
		return -1
	}
	return pos
}

// parseTemplate has goflow2 read one template record, whose extent was checked.
func parseTemplate(version uint16, options bool, raw []byte) (*template, error) {
	t := &template{id: binary.BigEndian.Uint16(raw), options: options, raw: bytes.Clone(raw)}
	fields, err := t.decode(version)
	if err != nil {
		return nil, err
	}
	planned := make([]plan.Field, len(fields))
	for i, f := range fields {
		planned[i] = plan.Field{ID: f.Type, Length: f.Length, PEN: f.Pen}
		if version == 10 {
			planned[i].ID &= 0x7fff // goflow2 leaves the enterprise bit set in options templates
		}
	}
	if size, _ := plan.MinSize(planned); size == 0 {
		return nil, errNoLength
	}
	t.useful = slices.ContainsFunc(planned, informs)
	t.plan, err = plan.Compile(version, planned)
	return t, err
}

// decode gives the record to goflow2 and returns all its fields, scopes first.
func (t *template) decode(version uint16) ([]gonetflow.Field, error) {
	buf := bytes.NewBuffer(t.raw)
	switch {
	case !t.options:
		records, err := gonetflow.DecodeTemplateSet(version, buf)
		if err != nil || len(records) != 1 {
			return nil, fmt.Errorf("%d template records: %w", len(records), err)
		}
		return records[0].Fields, nil
	case version == 9:
		records, err := gonetflow.DecodeNFv9OptionsTemplateSet(buf)
		if err != nil || len(records) != 1 {
			return nil, fmt.Errorf("%d options template records: %w", len(records), err)
		}
		t.scopes, t.values = records[0].Scopes, records[0].Options
	default:
		records, err := gonetflow.DecodeIPFIXOptionsTemplateSet(buf)
		if err != nil || len(records) != 1 {
			return nil, fmt.Errorf("%d options template records: %w", len(records), err)
		}
		t.scopes, t.values = records[0].Scopes, records[0].Options
	}
	return append(append([]gonetflow.Field(nil), t.scopes...), t.values...), nil
}

// templateSet takes a template or options template set. Records that are refused
// are counted one by one; the rest of the set is still read.
func (d *Decoder) templateSet(x *exporter, m *domain, options bool, set []byte) {
	for len(set) >= 4 {
		id := binary.BigEndian.Uint16(set)
		size, fields, err := extent(m.version, options, set)
		if err != nil {
			if id != 0 || binary.BigEndian.Uint16(set[2:]) != 0 { // else padding
				x.stats.refuse(flow.DropTruncated, fmt.Errorf("template %d: %w", id, err))
			}
			return
		}
		switch {
		case id == 0 && fields == 0:
			return // padding
		case id < 256 && fields == 0 && m.version == 10 && (id == 2 || id == 3):
			x.withdrawAll(m, id == 3) // RFC 7011 §8.1: all templates of the domain
		case id < 256:
			x.stats.refuse(flow.DropBadTemplate, fmt.Errorf("template %d: reserved id", id))
		case fields == 0:
			x.withdraw(m, id)
		case fields > d.o.Templates.Fields:
			x.stats.refuse(flow.DropTemplateCap, fmt.Errorf("template %d: %d fields", id, fields))
		default:
			d.learnTemplate(x, m, options, set[:size])
		}
		set = set[size:]
	}
}

// learnTemplate accepts, refreshes or refuses one template record.
func (d *Decoder) learnTemplate(x *exporter, m *domain, options bool, raw []byte) {
	id := binary.BigEndian.Uint16(raw)
	if old := m.templates[id]; old != nil && old.options == options && bytes.Equal(old.raw, raw) {
		old.refreshed = d.now
		x.stats.TemplatesRefreshed++
		return
	}
	t, err := parseTemplate(m.version, options, raw)
	if err != nil {
		x.stats.refuse(flow.DropBadTemplate, fmt.Errorf("template %d: %w", id, err))
		x.withdraw(m, id) // what it described before, it does not any more
		return
	}
	if m.templates[id] != nil {
		x.drop(m, id)
		x.stats.TemplatesReplaced++
	}
	for x.templates+1 > d.o.Templates.Templates || x.templateBytes+len(raw) > d.o.Templates.Bytes {
		if !x.evictTemplates() {
			x.stats.refuse(flow.DropTemplateCap, fmt.Errorf("template %d: %d bytes", id, len(raw)))
			return
		}
	}
	t.refreshed = d.now
	m.templates[id] = t
	x.templates++
	x.templateBytes += len(t.raw)
	x.stats.TemplatesLearned++
}

// drop forgets a template that is there.
func (x *exporter) drop(m *domain, id uint16) {
	x.templates--
	x.templateBytes -= len(m.templates[id].raw)
	delete(m.templates, id)
}

func (x *exporter) withdraw(m *domain, id uint16) {
	if m.templates[id] != nil {
		x.drop(m, id)
		x.stats.TemplatesWithdrawn++
	}
}

func (x *exporter) withdrawAll(m *domain, options bool) {
	for id, t := range m.templates {
		if t.options == options {
			x.withdraw(m, id)
		}
	}
}

// evictTemplates forgets the eighth of the exporter's templates that was not used
// for longest, at least one: a flood of templates must not have each of them search
// all the others.
func (x *exporter) evictTemplates() bool {
	type home struct {
		m *domain
		t *template
	}
	all := make([]home, 0, x.templates)
	for _, m := range x.domains {
		for _, t := range m.templates {
			all = append(all, home{m, t})
		}
	}
	slices.SortFunc(all, func(a, b home) int {
		return cmp.Or(cmp.Compare(a.t.lastUse(), b.t.lastUse()), cmp.Compare(a.m.id, b.m.id), cmp.Compare(a.t.id, b.t.id))
	})
	n := min(len(all)/8+1, len(all))
	for _, h := range all[:n] {
		x.drop(h.m, h.t.id)
		x.stats.TemplatesEvicted++
	}
	return n > 0
}

// template finds the template of a data set; one that has outlived its lifetime
// is forgotten rather than used.
func (d *Decoder) template(x *exporter, m *domain, id uint16) *template {
	t := m.templates[id]
	if t == nil {
		return nil
	}
	if d.now.Sub(t.lastUse()) > d.o.Templates.Lifetime {
		x.drop(m, id)
		x.stats.TemplatesExpired++
		return nil
	}
	t.used = d.now
	return t
}
