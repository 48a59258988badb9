package flow

import "math/bits"

// MaxIncidenceDays is how many days an Incidence can tell apart.
const MaxIncidenceDays = 64

// Incidence says on which days an edge was seen. What is seen rarely tells how
// much has not been seen yet.
type Incidence struct {
	Client, Server Party
	Service        Service
	Days           uint64 // bit i: at least one flow on UTC day i of the window
}

// Count is the number of days seen.
func (i Incidence) Count() int { return bits.OnesCount64(i.Days) }
