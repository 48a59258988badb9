package assemble

import (
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
)

// copyWindow is in units of 2^20 ns, about a millisecond. When the place where one
// side of a flow is counted has been silent this long, another place takes over: a
// link failed, and what comes there is no copy.
const copyWindow = 1000

// elsewhere reports whether that side of e is counted in another place than via,
// which still sees it. That is what a router's two sides show when both are
// mirrored. Different sides may come from different places, and packets of
// different interfaces out of order.
func (e *entry) elsewhere(now flow.Time, via uint16, side int) bool {
	at := uint32(now>>20) | 1
	if e.viaAt[side] != 0 && via != e.via[side] && int32(at-e.viaAt[side]) <= copyWindow {
		return true
	}
	e.via[side], e.viaAt[side] = via, at
	return false
}

// sensor names where a flow was seen: the sensor, and the interfaces when there
// were several.
func (t *Table) sensor(seenOn uint16) string {
	if name, ok := t.sensors[seenOn]; ok {
		return name
	}
	var on []string
	for i := range 16 {
		if seenOn&(1<<i) != 0 && i < len(t.o.Interfaces) {
			on = append(on, t.o.Interfaces[i])
		}
	}
	slices.Sort(on)
	name := t.o.Sensor
	switch {
	case name == "":
		name = strings.Join(on, "+")
	case len(on) > 1:
		name += ":" + strings.Join(on, "+")
	}
	t.sensors[seenOn] = name
	return name
}
