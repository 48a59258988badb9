package view

import (
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// Kind says what a box stands for.
type Kind string

const (
	KindApplication    Kind = "application"
	KindGroup          Kind = "group" // nodes with the same values of the labels grouped by
	KindRole           Kind = "role"
	KindWorkload       Kind = "workload"
	KindAddress        Kind = "address" // inside, claimed by no workload
	KindNetwork        Kind = "network"
	KindInternet       Kind = "internet"
	KindMulticast      Kind = "multicast"
	KindNAT            Kind = "nat"            // a pool of address translation: many machines behind it
	KindVIP            Kind = "vip"            // a virtual address before its backends
	KindDomains        Kind = "domains"        // all outside names together
	KindInfrastructure Kind = "infrastructure" // all nodes with one kind of shared service
	KindUngrouped      Kind = "ungrouped"      // inside, in no application
	KindAlike          Kind = "alike"          // groups that look the same from outside
	KindMore           Kind = "more"           // what the budget left no room for
)

// Infra says what to do with shared infrastructure.
type Infra string

const (
	InfraFold Infra = "fold" // boxes without links: the default
	InfraShow Infra = "show" // boxes with links
	InfraHide Infra = "hide"
)

// Query says what to draw. The zero value is every application, folded.
type Query struct {
	Group    []string        // label keys; empty groups by application
	Expand   map[string]bool // ids of boxes to open
	Infra    Infra           // "" means InfraFold
	Focus    string          // id of a box or node: only it and what it talks to
	NewSince flow.Time       // links first seen after it are marked; 0: none
	Draw     int             // most boxes; 0: 500
	// Matrix asks for boxes and links as rows, columns and cells: nothing is placed
	// or folded because it looks alike, and there may be many more links.
	Matrix bool
	// Verdicts says of every dependency of the map what a set would do with it;
	// nil when none is asked about.
	Verdicts []policy.Outcome
	// Exposed shades boxes by how far a compromise of them spreads, Ready by how
	// ready the policy that protects a node is (nil for none); nil: neither.
	Exposed *Exposed
	Ready   func(n int32) *policy.Readiness
}

// View is what is drawn. Parent, From and To are indexes into Boxes.
type View struct {
	Since flow.Time `json:"since"`
	Until flow.Time `json:"until"`
	Zones []Zone    `json:"zones"`
	Boxes []Box     `json:"boxes"` // parents before children
	Links []Link    `json:"links"` // busiest last, so that they are painted on top
	Size  Size      `json:"size"`
	Count Count     `json:"count"`
	// Keys are the label keys that nodes have, for grouping by.
	Keys []string `json:"keys"`
	// Exposure is the blast radius of the estate, when Query.Exposed was given.
	Exposure *ExposurePair `json:"exposure,omitempty"`
}

// Size is in the units of Box.X: CSS pixels at zoom 1.
type Size struct {
	W float64 `json:"w"`
	H float64 `json:"h"`
}

// Count says how much of the estate is drawn.
type Count struct {
	Shown        int    `json:"shown"`        // boxes that are not opened
	Nodes        int    `json:"nodes"`        // nodes of the map in all
	Inside       int    `json:"inside"`       // of them workloads and addresses
	Deps         int    `json:"dependencies"` // dependencies in all
	Links        int    `json:"links"`        // links that the view has, drawn or not
	Folded       int    `json:"folded"`       // dependencies not drawn because infrastructure is folded
	Flows        uint64 `json:"flows"`
	Applications int    `json:"applications"`
	Crowded      bool   `json:"crowded"` // the budget forced boxes together
	New          int    `json:"new"`     // dependencies first seen after Query.NewSince
	Blocked      int    `json:"blocked"` // dependencies that Query.Verdicts forbids
}

// Zone is a region of the drawing: an environment, the outside, infrastructure.
type Zone struct {
	ID   string `json:"id"` // "outside", "env:prod", "infrastructure"
	Name string `json:"name"`
	Place
}

// Place is where something is drawn: top left corner and size.
type Place struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
	W float64 `json:"w"`
	H float64 `json:"h"`
}

// Box is one thing drawn.
type Box struct {
	ID       string            `json:"id"`
	Kind     Kind              `json:"kind"`
	Name     string            `json:"name"`
	Note     string            `json:"note,omitempty"`   // a second line
	Parent   int32             `json:"parent"`           // -1 at the top
	Zone     string            `json:"zone,omitempty"`   // Zone.ID, top boxes only
	Env      string            `json:"env,omitempty"`    // of an application
	Nodes    int               `json:"nodes"`            // how many it stands for
	Parts    []Part            `json:"parts,omitempty"`  // what is inside a closed one
	Priority topology.Priority `json:"priority"`         // of the most important node
	Infra    string            `json:"infra,omitempty"`  // topology.Finding.Kind
	Opens    bool              `json:"opens,omitempty"`  // has something inside to show
	Open     bool              `json:"open,omitempty"`   // and does
	Self     uint64            `json:"self,omitempty"`   // flows within the box
	Review   int               `json:"review,omitempty"` // label proposals waiting
	New      int               `json:"new,omitempty"`    // dependencies new since Query.NewSince
	Spread   *Spread           `json:"spread,omitempty"`
	Waiting  *Waiting          `json:"waiting,omitempty"`
	Place
}

// Part is one group inside a closed box.
type Part struct {
	Name  string `json:"name"`
	Nodes int    `json:"nodes"`
}

// Link is all dependencies of the nodes in one box on those in another.
type Link struct {
	From       int32        `json:"from"` // the client side
	To         int32        `json:"to"`
	Services   []ServiceUse `json:"services"` // busiest first, at most 3
	Kinds      int          `json:"kinds"`    // distinct services
	Deps       int          `json:"dependencies"`
	Flows      uint64       `json:"flows"`
	Bytes      uint64       `json:"bytes"`
	Last       flow.Time    `json:"last"`
	Confidence uint8        `json:"confidence"` // lowest of its dependencies, 0..100
	New        int          `json:"new,omitempty"`
	Blocked    int          `json:"blocked,omitempty"` // dependencies that Query.Verdicts forbids
}

// ServiceUse is how much one service is used.
type ServiceUse struct {
	Service flow.Service `json:"service"`
	Flows   uint64       `json:"flows"`
}
