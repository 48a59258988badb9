package policy

import (
	"fmt"
	"slices"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

var (
	stages   = []string{"draft", "monitor", "enforce"}
	egresses = []string{"allow", "restrict"}
	actions  = []string{"allow", "deny", "override-deny"}
	outcomes = []string{"allowed", "untouched", "would-block", "blocked"}
	levels   = []string{"ringfence", "tier", "service", "workload"}
	ways     = []string{"both", "inbound", "outbound"}
	classes  = []string{"allowed", "would-break", "never-used", "stopped"}
)

func (s Stage) String() string   { return word(stages, int(s)) }
func (e Egress) String() string  { return word(egresses, int(e)) }
func (a Action) String() string  { return word(actions, int(a)) }
func (o Outcome) String() string { return word(outcomes, int(o)) }
func (l Level) String() string   { return word(levels, int(l)) }
func (c Class) String() string   { return word(classes, int(c)) }

func (d Direction) String() string { return word(ways, int(d)) }

// MarshalText and UnmarshalText use the documents' words.

func (s Stage) MarshalText() ([]byte, error)   { return []byte(s.String()), nil }
func (e Egress) MarshalText() ([]byte, error)  { return []byte(e.String()), nil }
func (a Action) MarshalText() ([]byte, error)  { return []byte(a.String()), nil }
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }
func (l Level) MarshalText() ([]byte, error)   { return []byte(l.String()), nil }
func (c Class) MarshalText() ([]byte, error)   { return []byte(c.String()), nil }

func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (s *Stage) UnmarshalText(b []byte) error  { return pick(stages, "stage", b, (*uint8)(s)) }
func (e *Egress) UnmarshalText(b []byte) error { return pick(egresses, "egress", b, (*uint8)(e)) }
func (a *Action) UnmarshalText(b []byte) error { return pick(actions, "action", b, (*uint8)(a)) }
func (l *Level) UnmarshalText(b []byte) error  { return pick(levels, "level", b, (*uint8)(l)) }

func (o *Outcome) UnmarshalText(b []byte) error   { return pick(outcomes, "outcome", b, (*uint8)(o)) }
func (c *Class) UnmarshalText(b []byte) error     { return pick(classes, "class", b, (*uint8)(c)) }
func (d *Direction) UnmarshalText(b []byte) error { return pick(ways, "direction", b, (*uint8)(d)) }

func word(table []string, i int) string {
	if i < len(table) {
		return table[i]
	}
	return "invalid"
}

func pick(table []string, what string, b []byte, to *uint8) error {
	for i, w := range table {
		if w == string(b) {
			*to = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q%s", what, b, strictyaml.Suggest(string(b), slices.Clone(table)))
}
