package scenario

import (
	"fmt"
	"net/netip"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/testdata/scenarios"
)

// Spec is a scenario file: an estate described by roles, counts and the services
// roles use of each other.
type Spec struct {
	APIVersion string        `yaml:"apiVersion"`
	Kind       string        `yaml:"kind"`
	Name       string        `yaml:"name"`
	About      string        `yaml:"about"`
	Domain     string        `yaml:"domain"`
	Naming     string        `yaml:"naming"` // of hosts: "" after application and role, "serial" by RoleSpec.Host and a running number
	Sites      []SiteSpec    `yaml:"sites"`
	Outside    []OutsideSpec `yaml:"outside"`
	Apps       []AppSpec     `yaml:"applications"`
	Flows      []FlowSpec    `yaml:"flows"`
	Reuse      []ReuseSpec   `yaml:"reuse"`
}

// SiteSpec is a place with addresses. Each application (or each copy of the site)
// gets blocks of its own.
type SiteSpec struct {
	Name   string       `yaml:"name"`
	Prefix netip.Prefix `yaml:"prefix"` // IPv4
	Block  int          `yaml:"block"`  // prefix length of one block
	Per    int          `yaml:"per"`    // a copy of the site per so many workloads; 0: one site
	Env    string       `yaml:"env"`    // label of the workloads in it unless their application has one
}

// OutsideSpec is a set of addresses that no workload of the estate holds.
type OutsideSpec struct {
	Name     string         `yaml:"name"`
	Prefixes []netip.Prefix `yaml:"prefixes"`
	Hosts    int            `yaml:"hosts"`   // addresses in use, spread over Prefixes
	Per      int            `yaml:"per"`     // multiplies Hosts per so many workloads; 0: no growth
	Domains  []string       `yaml:"domains"` // names its addresses go by
	// Kind is "network" (the inventory names it), "internet" (it does not),
	// "unclaimed" (inside, but the inventory forgot it), "ghost" (nothing is there
	// any more) or "group" (multicast and broadcast).
	Kind string `yaml:"kind"`
}

// AppSpec is an application: roles that belong together in one environment.
type AppSpec struct {
	Name  string     `yaml:"name"`
	Names []string   `yaml:"names"` // of the copies; beyond the list they are numbered
	Per   int        `yaml:"per"`   // a copy per so many workloads; 0: one
	Above int        `yaml:"above"` // only in estates of at least so many workloads
	Env   string     `yaml:"env"`
	Site  string     `yaml:"site"`
	IPv6  bool       `yaml:"ipv6"` // dual stack: prefers IPv6 with peers that have it
	Roles []RoleSpec `yaml:"roles"`
	Flows []FlowSpec `yaml:"flows"` // role names refer to the same copy
}

// RoleSpec is a number of alike workloads.
type RoleSpec struct {
	Name  string   `yaml:"name"`
	Count int      `yaml:"count"` // per copy of the application, or per site copy when Site has copies
	Per   int      `yaml:"per"`   // multiplies Count per so many workloads; 0: no growth
	Site  string   `yaml:"site"`  // "" for the application's
	Tags  []string `yaml:"tags"`  // flow lines may name "@tag"
	Kind  string   `yaml:"kind"`  // of shared infrastructure; "" for none
	Host  string   `yaml:"host"`  // host name prefix; "" for app-role
	Fill  bool     `yaml:"fill"`  // takes Count shares of what is missing to the wanted number of workloads
}

// ReuseSpec hands an address over in the middle of the window: the last workload
// of From leaves for good, and the last of To arrives two hours later with the
// address that became free.
type ReuseSpec struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// FlowSpec is one line of traffic: who uses which services of whom, how often.
type FlowSpec struct {
	From     []string `yaml:"from"` // role, app/role, @tag, !role to leave out, net:outside
	To       []string `yaml:"to"`
	Services []string `yaml:"services"` // "tcp/443", "tcp/rpc" and "tcp/ftp-data" for ports that vary
	Rate     float64  `yaml:"rate"`     // flows a day on one link
	Schedule string   `yaml:"schedule"` // see schedules; "" for steady
	Pick     int      `yaml:"pick"`     // how many of To each client uses; 0: all
	Split    bool     `yaml:"split"`    // each of To is used by one of From only
	Within   string   `yaml:"within"`   // "site": only servers of the client's own site copy
	Clients  int      `yaml:"clients"`  // at most so many of From take part; 0: all
	Share    float64  `yaml:"share"`    // of From that takes part; 0: all
	Profile  string   `yaml:"profile"`  // see profiles; "" chosen by service
	Outcome  string   `yaml:"outcome"`  // "", "refused", "unanswered"
	Scan     bool     `yaml:"scan"`     // sweep: what is not served is refused or unanswered
	Day      int      `yaml:"day"`      // for schedules once and sweep: day of the window, negative from its end
	Name     string   `yaml:"name"`     // TLS or HTTP server name; "" for the server's own
	// Concern and Why mark traffic that least privilege must not allow silently.
	Concern string `yaml:"concern"`
	Why     string `yaml:"why"`
}

// Retail returns the retail chain.
func Retail() (*Spec, error) { return Load("retail.yaml") }

// Hospital returns the hospital, which names its machines by number.
func Hospital() (*Spec, error) { return Load("hospital.yaml") }

// Plant returns the factory, for which nothing is to be tuned.
func Plant() (*Spec, error) { return Load("plant.yaml") }

// Load parses one of the embedded scenario files.
func Load(name string) (*Spec, error) {
	b, err := scenarios.Files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	return ParseSpec(b, name)
}

// ParseSpec reads a scenario file; unknown keys and references to what is not
// there are errors.
func ParseSpec(b []byte, name string) (*Spec, error) {
	var s Spec
	if err := strictyaml.Decode(b, name, &s); err != nil {
		return nil, fmt.Errorf("scenario: %w", err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("scenario %s: %w", name, err)
	}
	return &s, nil
}
