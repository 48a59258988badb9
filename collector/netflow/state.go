package netflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/durable"
)

// What an exporter has told the decoder is kept across restarts: exporters resend
// templates every half hour or so, and until then data could not be read. A
// restored template is used only while its exporter has not restarted itself; see
// domain.clock and domain.renumbered.

// savedState is the file's form.
type savedState struct {
	Version   int             `json:"version"`
	Exporters []savedExporter `json:"exporters"`
}

type savedExporter struct {
	Exporter netip.AddrPort `json:"exporter"`
	Domains  []savedDomain  `json:"domains"`
}

type savedDomain struct {
	Version    uint16            `json:"version"`
	ID         uint32            `json:"id"`
	Started    flow.Time         `json:"started,omitzero"`
	Boot       flow.Time         `json:"boot,omitzero"`
	Sequence   uint32            `json:"sequence"`
	Known      bool              `json:"known"`
	Sampling   uint32            `json:"sampling,omitempty"`
	Samplers   map[uint32]uint32 `json:"samplers,omitempty"`
	Interfaces map[uint32]uint32 `json:"interfaces,omitempty"`
	Templates  []savedTemplate   `json:"templates"`
}

type savedTemplate struct {
	Options bool      `json:"options,omitempty"`
	Raw     []byte    `json:"raw"` // the template record as received
	Used    flow.Time `json:"used"`
}

const stateVersion = 1

// Save writes templates, sampling and sequence numbers of all exporters, in a
// fixed order.
func (d *Decoder) Save(w io.Writer) error {
	d.mu.Lock()
	s := savedState{Version: stateVersion}
	for _, x := range d.exporters {
		e := savedExporter{Exporter: x.addr}
		for _, m := range x.domains {
			e.Domains = append(e.Domains, m.save())
		}
		slices.SortFunc(e.Domains, func(a, b savedDomain) int {
			return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.ID, b.ID))
		})
		s.Exporters = append(s.Exporters, e)
	}
	d.mu.Unlock()
	slices.SortFunc(s.Exporters, func(a, b savedExporter) int { return a.Exporter.Compare(b.Exporter) })
	if err := json.NewEncoder(w).Encode(s); err != nil {
		return fmt.Errorf("save exporter state: %w", err)
	}
	return nil
}

func (m *domain) save() savedDomain {
	s := savedDomain{
		Version: m.version, ID: m.id, Started: m.started, Boot: m.boot,
		Sequence: m.sequence.next, Known: m.sequence.known, Sampling: m.sampling.domain,
		Samplers: m.sampling.samplers, Interfaces: m.sampling.interfaces, Templates: []savedTemplate{},
	}
	for _, t := range m.templates {
		s.Templates = append(s.Templates, savedTemplate{t.options, t.raw, t.lastUse()})
	}
	slices.SortFunc(s.Templates, func(a, b savedTemplate) int { return bytes.Compare(a.Raw, b.Raw) })
	return s
}

// Restore takes what Save wrote, as far as it passes the checks a datagram would
// have to pass. Call it before the first datagram.
func (d *Decoder) Restore(r io.Reader, now flow.Time) error {
	var s savedState
	if err := json.NewDecoder(r).Decode(&s); err != nil {
		return fmt.Errorf("restore exporter state: %w", err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("restore exporter state: version %d, this program reads %d", s.Version, stateVersion)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = max(d.now, now)
	for _, e := range s.Exporters {
		x, _ := d.exporterOf(e.Exporter)
		if x == nil {
			continue
		}
		x.stats.LastSeen = d.now
		for i := range e.Domains {
			if m := d.domainOf(x, e.Domains[i].Version, e.Domains[i].ID); m != nil {
				d.restore(x, m, &e.Domains[i])
			}
		}
	}
	return nil
}

func (d *Decoder) restore(x *exporter, m *domain, s *savedDomain) {
	m.started, m.boot = s.Started, s.Boot
	// How much was missed while away is not loss on the way: the numbers only serve
	// to notice that the exporter began anew.
	m.sequence = sequence{next: s.Sequence, stale: s.Known}
	m.sampling.domain = s.Sampling
	for k, v := range s.Samplers {
		remember(&m.sampling.samplers, k, v)
	}
	for k, v := range s.Interfaces {
		remember(&m.sampling.interfaces, k, v)
	}
	for _, t := range s.Templates {
		if d.now.Sub(t.Used) > d.o.Templates.Lifetime {
			continue
		}
		d.templateSet(x, m, t.Options, t.Raw)
		if len(t.Raw) >= 2 {
			if kept := m.templates[uint16(t.Raw[0])<<8|uint16(t.Raw[1])]; kept != nil {
				kept.refreshed = min(d.now, t.Used) // its age goes on counting
			}
		}
	}
}

// SaveFile writes the state to path whole or not at all.
func (d *Decoder) SaveFile(path string) error {
	if err := durable.ReplaceBy(path, func(f *os.File) error { return d.Save(f) }); err != nil {
		return fmt.Errorf("save exporter state to %s: %w", path, err)
	}
	return nil
}

// RestoreFile takes the state from path; a file that is not there is no error.
func (d *Decoder) RestoreFile(path string, now flow.Time) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore exporter state: %w", err)
	}
	defer f.Close()
	if err := d.Restore(f, now); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
