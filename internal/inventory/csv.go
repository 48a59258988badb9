package inventory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// readCSV reads a header line and a workload a row, separated by commas, semicolons
// or tabs, whichever the header has most of. Columns: id or name, address (several
// separated by spaces, commas or semicolons), scope, from, to (RFC 3339 or a day),
// kind, backends; every other column is a label whose key is its heading. A
// workload may have several rows. A header of RVTools' vInfo is known by its
// columns; of that, what is no label of a workload is left out.
func readCSV(data []byte, file string) (*topology.Inventory, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: is not UTF-8; save it as \"CSV UTF-8\"", file)
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord = -1 // counted here, to say which row
	r.TrimLeadingSpace = true
	r.Comma = separator(data)
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

// separator is the one of comma, semicolon and tab that the first line has most of.
func separator(data []byte) rune {
	head, _, _ := bytes.Cut(data, []byte("\n"))
	best := byte(',')
	for _, c := range []byte{';', '\t'} {
		if bytes.Count(head, []byte{c}) > bytes.Count(head, []byte{best}) {
			best = c
		}
	}
	return rune(best)
}

// csvColumns says what each column holds: a field of the workload, a label's key,
// or "" for what is left out.
type csvColumns struct {
	heads []string
}

// Headings of asset lists and what they mean here.
var (
	csvHeads = map[string]string{
		"hostname": "name", "host": "name", "fqdn": "name", "ip": "address", "addr": "address", "addresses": "address", "ip address": "address", "ipaddress": "address",
	}
	// vInfo is RVTools' sheet of virtual machines.
	vInfo = map[string]string{
		"vm": "name", "vm uuid": "id", "primary ip address": "address", "datacenter": topology.LabelLoc, "cluster": "cluster", "folder": "folder",
	}
)

func columns(head []string, file string) (*csvColumns, error) {
	c := &csvColumns{}
	seen := map[string]bool{}
	rvtools := slices.ContainsFunc(head, func(h string) bool { return strings.EqualFold(strings.TrimSpace(h), "primary ip address") })
	for i, h := range head {
		h = strings.ToLower(strings.TrimSpace(h))
		field, known := csvHeads[h]
		switch {
		case rvtools:
			field = vInfo[h]
		case h == "":
			return nil, fmt.Errorf("%s:1: column %d has no heading", file, i+1)
		case !known:
			if field = labelKey(h); field == "" {
				return nil, fmt.Errorf("%s:1: %q is no heading", file, h)
			}
		}
		if seen[field] && field != "" {
			return nil, fmt.Errorf("%s:1: two columns are called %q", file, field)
		}
		seen[field] = true
		c.heads = append(c.heads, field)
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
	var scope flow.Scope
	for i, h := range c.heads {
		v := strings.TrimSpace(row[i])
		var err error
		switch h {
		case "":
		case "id":
			w.ID = v
		case "name":
			w.Name = v
		case "address":
			addresses = v
		case "scope":
			scope, err = flow.ParseScope(v)
		case "from":
			from, err = Instant(v)
		case "to":
			to, err = Instant(v)
		case "kind":
			w.Kind = v
		case "backends":
			w.Backends = fields(v)
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
	for _, s := range fields(addresses) {
		a, err := addr(s, place, w.ID)
		if err != nil {
			return w, err
		}
		a.Scope, a.From, a.To = scope, from, to
		w.Addresses = append(w.Addresses, a)
	}
	return w, nil
}

func fields(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ';' || r == ',' })
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
