package httpapi

import (
	"net/http"
	"strings"

	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/topology"
)

// getIdentity answers with the addresses, names and programs of one workload over
// time.
func (s *server) getIdentity(w http.ResponseWriter, r *http.Request) error {
	if s.Identities == nil {
		return Errorf(CodeUnsupported, "this server keeps no history of workloads")
	}
	p, x, _, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	id := view.NodeID(p.text("id"))
	n, ok := x.Node(id)
	if p.err != nil {
		return p.err
	}
	if !ok {
		return Errorf(CodeNotFound, "no workload on the map has the id %q", id)
	}
	out, err := s.Identities.Identity(r.Context(), &x.Map.Graph.Nodes[n])
	if err != nil {
		return err
	}
	return reply(w, r, out)
}

// listed is a workload of the inventory as a table shows it.
type listed struct {
	ID        string          `json:"id"`
	Name      string          `json:"name,omitempty"`
	Labels    topology.Labels `json:"labels"`
	Addresses []Holding       `json:"addresses"`
	Origin    string          `json:"origin,omitempty"`
	Seen      bool            `json:"seen"` // on the map
}

// unclaimed is an address inside that no workload claims.
type unclaimed struct {
	view.Ref
	Labels topology.Labels `json:"labels"` // proposed
	Names  []string        `json:"names"`
}

const inventoryPage = 500

// getInventory lists the workloads, named networks, and addresses that nobody
// claims; with q, those that contain a text.
func (s *server) getInventory(w http.ResponseWriter, r *http.Request) error {
	if s.Inventory == nil {
		return Errorf(CodeUnsupported, "this server keeps no inventory")
	}
	p := &params{r: r}
	q, skip := strings.ToLower(p.text("q")), p.number("skip", 0, 1<<30, 0)
	if p.err != nil {
		return p.err
	}
	inv, version, err := s.Inventory.Inventory(r.Context())
	if err != nil {
		return err
	}
	x, err := s.index(r, Window{})
	if err != nil { // an inventory can be read before there is traffic
		x = view.NewIndex(&topology.Map{})
	}
	out := struct {
		Version   uint64             `json:"version"`
		Formats   []string           `json:"formats"`
		Workloads []listed           `json:"workloads"`
		Matching  int                `json:"matching"` // workloads that q lets through
		Total     int                `json:"total"`
		Seen      int                `json:"seen"` // of all workloads
		Networks  []topology.Network `json:"networks"`
		Unclaimed []unclaimed        `json:"unclaimed"` // at most 500
		Unknown   int                `json:"unclaimedTotal"`
	}{version, s.Inventory.InventoryFormats(), []listed{}, 0, len(inv.Workloads), 0, orEmpty(inv.Networks), []unclaimed{}, 0}
	for i := range inv.Workloads {
		wl := &inv.Workloads[i]
		_, seen := x.Node(wl.ID)
		if seen {
			out.Seen++
		}
		if !listedMatches(wl, q) {
			continue
		}
		if out.Matching++; out.Matching > skip && len(out.Workloads) < inventoryPage {
			out.Workloads = append(out.Workloads, listed{wl.ID, wl.Name, topology.Labels{}.Merge(wl.Labels), holdings(wl), wl.Origin, seen})
		}
	}
	out.Unclaimed, out.Unknown = unclaimedOf(x, q)
	return reply(w, r, out)
}

func listedMatches(w *topology.Workload, q string) bool {
	if q == "" || strings.Contains(strings.ToLower(w.ID+" "+w.Name+" "+w.Labels.String()), q) {
		return true
	}
	for _, a := range w.Addresses {
		if strings.HasPrefix(a.Addr.String(), q) {
			return true
		}
	}
	return false
}

func holdings(w *topology.Workload) []Holding {
	out := make([]Holding, 0, len(w.Addresses))
	for _, a := range w.Addresses {
		out = append(out, Holding{a.Addr, a.Scope, a.From, a.To})
	}
	return out
}

func unclaimedOf(x *view.Index, q string) (out []unclaimed, total int) {
	out = []unclaimed{}
	for i := range x.Map.Graph.Nodes {
		n := &x.Map.Graph.Nodes[i]
		if n.Kind != topology.NodeAddress || q != "" && !strings.Contains(strings.ToLower(n.ID+" "+strings.Join(n.Names, " ")), q) {
			continue
		}
		if total++; len(out) < inventoryPage {
			labels := topology.Labels{}
			if i < len(x.Map.Labels) {
				labels = labels.Merge(x.Map.Labels[i])
			}
			out = append(out, unclaimed{x.Ref(int32(i)), labels, orEmpty(n.Names)})
		}
	}
	return out, total
}

// postInventoryPlan says what an import would change.
func (s *server) postInventoryPlan(w http.ResponseWriter, r *http.Request) error {
	if s.Inventory == nil {
		return Errorf(CodeUnsupported, "this server keeps no inventory")
	}
	var in InventoryImport
	if err := decode(w, r, &in); err != nil {
		return err
	}
	plan, err := s.Inventory.PlanInventory(r.Context(), in)
	if err != nil {
		return err
	}
	return reply(w, r, plan)
}

// postInventory imports what was planned.
func (s *server) postInventory(w http.ResponseWriter, r *http.Request) error {
	if s.Inventory == nil {
		return Errorf(CodeUnsupported, "this server keeps no inventory")
	}
	var in struct {
		InventoryImport
		Base uint64 `json:"base"` // version the plan was compared with
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	version, err := s.Inventory.ImportInventory(r.Context(), author(r), in.InventoryImport, in.Base)
	if err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, map[string]uint64{"version": version})
}

// getHygiene lists what is wrong with labels and inventory.
func (s *server) getHygiene(w http.ResponseWriter, r *http.Request) error {
	if s.Inventory == nil {
		return Errorf(CodeUnsupported, "this server keeps no inventory")
	}
	issues, err := s.Inventory.Hygiene(r.Context())
	if err != nil {
		return err
	}
	return reply(w, r, map[string]any{"issues": orEmpty(issues)})
}
