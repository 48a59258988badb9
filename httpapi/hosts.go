package httpapi

import (
	"context"
	"net/http"
	"time"
)

// HostSource knows the agents and gateways that joined this controller.
type HostSource interface {
	// Controller says whether this server runs a controller, so that hosts can join.
	Controller() bool
	// Hosts lists them by name.
	Hosts(ctx context.Context) ([]Host, error)
	// ConfirmHost confirms the change that waits on a host; none waiting is
	// CodeConflict.
	ConfirmHost(ctx context.Context, author, name string) error
}

// Host is an agent or gateway, and how it stands to what it shall enforce.
type Host struct {
	Name    string            `json:"name"`
	Role    string            `json:"role"` // "host" or "gateway"
	State   string            `json:"state"`
	Problem string            `json:"problem"` // "" for none
	Version string            `json:"version"` // of the program there
	Labels  map[string]string `json:"labels"`
	Addrs   []string          `json:"addrs"`
	// Workloads it enforces for, by id.
	Workloads   []string  `json:"workloads"`
	Joined      time.Time `json:"joined"`
	Heartbeat   time.Time `json:"lastHeartbeat,omitzero"` // zero: none yet
	Certificate time.Time `json:"certificateExpires,omitzero"`
	// Wanted and Held are the bundle it shall have and the one it confirmed, 0 for
	// none; Pending is applied and falls back at Deadline unless it is confirmed.
	Wanted   uint64    `json:"wanted"`
	Held     uint64    `json:"held"`
	Pending  uint64    `json:"pending"`
	Deadline time.Time `json:"deadline,omitzero"`
	Queued   uint64    `json:"queued"` // rows that wait to be delivered
	Lost     uint64    `json:"lost"`   // rows given up
	// ClockSkew is how far the host's clock is ahead, in seconds.
	ClockSkew float64 `json:"clockSkew"`
}

func (s *server) getHosts(w http.ResponseWriter, r *http.Request) error {
	if s.Hosts == nil {
		return Errorf(CodeUnsupported, "this server knows no hosts")
	}
	list, err := s.Hosts.Hosts(r.Context())
	if err != nil {
		return err
	}
	return reply(w, r, map[string]any{"controller": s.Hosts.Controller(), "hosts": orEmpty(list)})
}

// postHostConfirm is an operator's word that a change that waits on a host stays.
func (s *server) postHostConfirm(w http.ResponseWriter, r *http.Request) error {
	if s.Hosts == nil {
		return Errorf(CodeUnsupported, "this server knows no hosts")
	}
	name := pathParam(r, "name")
	if err := s.Hosts.ConfirmHost(r.Context(), author(r), name); err != nil {
		return err
	}
	return reply(w, r, map[string]string{"confirmed": name})
}
