package policy

import (
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Readiness says whether traffic has been watched long enough to enforce: how
// many legitimate dependencies have probably not shown themselves yet. A
// dependency here is a group of clients using a service of a group of servers,
// which is what a rule allows.
type Readiness struct {
	Policy   string `json:"policy"`   // "" for the whole estate
	Days     int    `json:"days"`     // watched
	Observed int    `json:"observed"` // dependencies seen
	Once     int    `json:"once"`     // seen on exactly one day
	Twice    int    `json:"twice"`    // seen on exactly two
	// Monthly counts those seen at a month's end and on no other day: they are not
	// rare by chance, they come round.
	Monthly int `json:"monthly"`
	// Coverage is the share of the next day's dependency sightings that will be of
	// dependencies already seen, 0..1.
	Coverage float64 `json:"coverage"`
	// Unseen estimates the dependencies not seen yet (a lower bound), with its 95 %
	// interval.
	Unseen     float64 `json:"unseen"`
	UnseenLow  float64 `json:"unseenLow"`
	UnseenHigh float64 `json:"unseenHigh"`
	// AtRisk estimates how many of them would show themselves, and be blocked, in
	// the next Horizon days; the interval follows that of Unseen.
	AtRisk     float64 `json:"atRisk"`
	AtRiskLow  float64 `json:"atRiskLow"`
	AtRiskHigh float64 `json:"atRiskHigh"`
	Horizon    int     `json:"horizonDays"`
	// FullMonth says that at least 31 days were watched. Otherwise what runs once a
	// month may not have come yet, and no estimate can tell.
	FullMonth bool `json:"fullMonth"`
	// MonthEnd says that a month's end was watched.
	MonthEnd bool `json:"monthEndWatched"`
	// HalveAfter is how many more days of watching halve AtRisk; 0 when nothing is
	// at risk.
	HalveAfter int `json:"halveAfterDays"`
	// Rare lists what was seen on one day only, the least busy first, capped.
	Rare []RareDependency `json:"rare"`
	// Words is the advice in one sentence.
	Words string `json:"words"`
}

// RareDependency was seen on a single day.
type RareDependency struct {
	From     string              `json:"from"`
	To       string              `json:"to"`
	Service  Service             `json:"service"`
	Day      flow.Time           `json:"day"`      // midnight UTC
	MonthEnd bool                `json:"monthEnd"` // the last two days of a month or the first: probably monthly
	Example  topology.Dependency `json:"example"`
}
