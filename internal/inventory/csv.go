package inventory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// readCSV reads a header line and a workload a row. Columns: id or name, address
// (several separated by spaces or semicolons), from, to (RFC 3339 or a day); every
// other column is a label whose key is its heading. A workload may have several
// rows.
func readCSV(data []byte, file string) (*topology.Inventory, error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1 // counted here, to say which row
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, fmt.Errorf("%s: read the heading: %w", file, err)
	}
	cols, err := columns(head, file)
	if err != nil {
		return nil, err
	}
	var inv topology.Inventory
	at := map[string]int{}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return &inv, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		line, _ := r.FieldPos(0)
		w, err := cols.workload(row, fmt.Sprintf("%s:%d", file, line))
		if err != nil {
			return nil, err
		}
		if i, known := at[w.ID]; known {
			inv.Workloads[i] = mergeWorkload(inv.Workloads[i], w)
			continue
		}
		at[w.ID] = len(inv.Workloads)
		inv.Workloads = append(inv.Workloads, w)
	}
}

// csvColumns says what each column holds.
type csvColumns struct {
	heads []string
}

func columns(head []string, file string) (*csvColumns, error) {
	c := &csvColumns{}
	seen := map[string]bool{}
	for i, h := range head {
		h = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")))
		switch h {
		case "hostname", "host":
			h = "name"
		case "ip", "addr", "addresses", "ip address":
			h = "address"
		case "":
			return nil, fmt.Errorf("%s:1: column %d has no heading", file, i+1)
		}
		if seen[h] {
			return nil, fmt.Errorf("%s:1: two columns are called %q", file, h)
		}
		seen[h] = true
		c.heads = append(c.heads, h)
	}
	if !seen["id"] && !seen["name"] {
		return nil, fmt.Errorf("%s:1: no column id or name%s", file, strictyaml.Suggest("id", c.heads))
	}
	return c, nil
}

func (c *csvColumns) workload(row []string, place string) (topology.Workload, error) {
	var w topology.Workload
	if len(row) != len(c.heads) {
		return w, fmt.Errorf("%s: %d fields, the heading has %d", place, len(row), len(c.heads))
	}
	var addresses string
	var from, to time.Time
	for i, h := range c.heads {
		v := strings.TrimSpace(row[i])
		var err error
		switch h {
		case "id":
			w.ID = v
		case "name":
			w.Name = v
		case "address":
			addresses = v
		case "from":
			from, err = Instant(v)
		case "to":
			to, err = Instant(v)
		default:
			if v != "" {
				w.Labels = w.Labels.Merge(topology.Labels{h: v})
			}
		}
		if err != nil {
			return w, fmt.Errorf("%s: %s: %w", place, h, err)
		}
	}
	if w.ID == "" {
		w.ID = w.Name
	}
	if w.ID == "" {
		return w, fmt.Errorf("%s: neither id nor name", place)
	}
	for _, s := range strings.FieldsFunc(addresses, func(r rune) bool { return r == ' ' || r == ';' }) {
		a, err := addr(s, place, w.ID)
		if err != nil {
			return w, err
		}
		a.From, a.To = from, to
		w.Addresses = append(w.Addresses, a)
	}
	return w, nil
}

// Instant reads RFC 3339, "2026-11-01 12:00:00" or a day, in UTC; nothing is
// unbounded.
func Instant(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither RFC 3339 nor a day like 2026-11-01", s)
}
