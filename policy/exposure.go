package policy

// Exposure is the blast radius of a whole estate: how far a compromise of any one
// workload spreads over the dependencies that are open.
type Exposure struct {
	Inside    int     `json:"inside"`    // workloads
	Mean      float64 `json:"mean"`      // share of the others a workload reaches on average, 0..1
	Worst     float64 `json:"worst"`     // the largest share
	WorstNode string  `json:"worstNode"` // id of who has it; the first by id
	// Reach is how many inside nodes each node reaches, itself not counted; 0 for
	// nodes outside. By the graph's node order.
	Reach []int32 `json:"-"`
}

// Tightening is what going from one recommendation to a tighter one would close,
// and what the tighter one stands on.
type Tightening struct {
	From        Level           `json:"from"`
	To          Level           `json:"to"`
	RulesBefore int             `json:"rulesBefore"`
	RulesAfter  int             `json:"rulesAfter"`
	Closes      []Change        `json:"closes"`
	Tighter     *Recommendation `json:"tighter"`
}
