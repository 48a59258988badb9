package httpapi

import (
	"net/http"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/httpapi/view"
	"github.com/bulkhead/bulkhead/topology"
)

// mapRequest is what every map route takes: a window and a grouping.
func (s *server) mapRequest(r *http.Request) (*params, *view.Index, []string, error) {
	p := &params{r: r}
	w, err := s.window(p)
	if err != nil {
		return nil, nil, nil, err
	}
	group := p.list("group")
	if len(group) == 1 && group[0] == topology.LabelApp {
		group = nil
	}
	if len(group) > 4 {
		return nil, nil, nil, Errorf(CodeInvalid, "group: at most 4 label keys")
	}
	x, err := s.index(r, w)
	return p, x, group, err
}

// matrixBoxes is how many rows a matrix has at most: a screen has few thousand
// pixels.
const matrixBoxes = 2000

// getMap answers with what to draw.
func (s *server) getMap(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	q := view.Query{
		Group: group, Expand: p.set("expand"), Focus: p.text("focus"), Draw: s.Draw,
		Infra:    view.Infra(p.oneOf("infra", "fold", "show", "hide")),
		NewSince: p.time("newSince", x.Map.Until),
	}
	if p.oneOf("as", "drawing", "matrix") == "matrix" {
		q.Matrix, q.Draw = true, max(q.Draw, matrixBoxes)
	}
	draft, err := s.draft(p)
	if err != nil {
		return err
	}
	if draft != nil {
		q.Verdicts = draft.outcomes(x.Map)
	}
	if err := s.shade(p, x, draft, &q); err != nil {
		return err
	}
	return reply(w, r, x.Build(q))
}

// getNode answers with the panel of one box.
func (s *server) getNode(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	d, ok := x.Detail(p.text("id"), group)
	if p.err != nil {
		return p.err
	}
	if !ok {
		return Errorf(CodeNotFound, "nothing on the map has the id %q", p.text("id"))
	}
	return reply(w, r, d)
}

// getLink answers with the panel of one link.
func (s *server) getLink(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	draft, err := s.draft(p)
	if err != nil {
		return err
	}
	d, ok := x.Link(p.text("from"), p.text("to"), group, draft.judge(x.Map))
	if p.err != nil {
		return p.err
	}
	if !ok {
		return Errorf(CodeNotFound, "%q was not seen using %q", p.text("from"), p.text("to"))
	}
	return reply(w, r, d)
}

// getSearch finds boxes by name, address or label.
func (s *server) getSearch(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	limit := p.number("limit", 1, 100, 20)
	hits := x.Search(p.text("q"), group, limit)
	if p.err != nil {
		return p.err
	}
	return reply(w, r, map[string]any{"hits": hits})
}

// getProposals lists labels waiting for a person's word, most certain first.
func (s *server) getProposals(w http.ResponseWriter, r *http.Request) error {
	p, x, _, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	limit, skip := p.number("limit", 1, 1000, 200), p.number("skip", 0, 1<<30, 0)
	key := p.text("key")
	if p.err != nil {
		return p.err
	}
	list, total := x.ListProposals(key, skip, limit)
	return reply(w, r, map[string]any{"proposals": list, "total": total})
}

// getProposalGroups adds proposals up by label: what a person reviews.
func (s *server) getProposalGroups(w http.ResponseWriter, r *http.Request) error {
	p, x, _, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	sure := p.number("sure", 0, 100, 90)
	groups := x.GroupProposals(p.text("key"), float64(sure)/100)
	if p.err != nil {
		return p.err
	}
	return reply(w, r, map[string]any{"groups": groups})
}

// maxDecisions bounds how many labels one request decides about.
const maxDecisions = 200_000

// bulk accepts or refuses all proposals of one label.
type bulk struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Sure   int    `json:"sure"` // at least this confidence, 0..100
	Accept bool   `json:"accept"`
}

// postLabels accepts or refuses proposals, one by one or all of a label.
func (s *server) postLabels(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Decisions []LabelDecision `json:"decisions"`
		All       []bulk          `json:"all"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	if len(in.All) > 0 {
		x, err := s.index(r, Window{})
		if err != nil {
			return err
		}
		for _, b := range in.All {
			for _, p := range x.ProposalsOf(b.Key, b.Value, float64(b.Sure)/100) {
				in.Decisions = append(in.Decisions, LabelDecision{p.Node, p.Key, p.Value, b.Accept})
			}
		}
	}
	if len(in.Decisions) == 0 || len(in.Decisions) > maxDecisions {
		return Errorf(CodeInvalid, "want 1 to %d decisions, got %d", maxDecisions, len(in.Decisions))
	}
	if err := s.backend.DecideLabels(r.Context(), author(r), in.Decisions); err != nil {
		return err
	}
	s.advices.forget()
	return reply(w, r, map[string]int{"decided": len(in.Decisions)})
}

// flowRow is one record as the flows panel shows it.
type flowRow struct {
	First      flow.Time    `json:"first"`
	Last       flow.Time    `json:"last"`
	Client     string       `json:"client"` // address and port
	Server     string       `json:"server"`
	Service    flow.Service `json:"service"`
	Outcome    flow.Outcome `json:"outcome"`
	Packets    [2]uint64    `json:"packets"` // sent by client, by server
	Bytes      [2]uint64    `json:"bytes"`
	Evidence   string       `json:"evidence"`
	Confidence uint8        `json:"confidence"`
	Sensor     string       `json:"sensor"`
	Source     string       `json:"source"`
	Via        string       `json:"via,omitempty"` // networks and tunnels it was seen in
}

func rowOf(r *flow.Record) flowRow {
	return flowRow{
		First: r.First, Last: r.Last, Service: r.Key.Service(), Outcome: r.Outcome,
		Client: endpoint(r.Key.Client, r.Key.ClientPort, r.Key.Proto), Server: endpoint(r.Key.Server, r.Key.ServerPort, r.Key.Proto),
		Packets: [2]uint64{r.ClientPackets, r.ServerPackets}, Bytes: [2]uint64{r.ClientBytes, r.ServerBytes},
		Evidence: r.Evidence.String(), Confidence: r.Confidence, Sensor: r.Sensor, Source: r.Source.String(), Via: r.Via(),
	}
}

// getFlows lists the newest raw records between two boxes.
func (s *server) getFlows(w http.ResponseWriter, r *http.Request) error {
	p, x, group, err := s.mapRequest(r)
	if err != nil {
		return err
	}
	win, err := s.window(p)
	if err != nil {
		return err
	}
	q := FlowQuery{Window: win, Limit: p.number("limit", 1, 1000, 100)}
	if v := p.text("service"); v != "" {
		svc, err := flow.ParseService(v)
		if err != nil {
			return Errorf(CodeInvalid, "%v", err)
		}
		q.Service = &svc
	}
	q.Client, q.Server = x.Nodes(p.text("from"), group), x.Nodes(p.text("to"), group)
	if p.err == nil && len(q.Client) == 0 && len(q.Server) == 0 {
		p.err = Errorf(CodeInvalid, "from or to must name something on the map")
	}
	if p.err != nil {
		return p.err
	}
	records, err := s.backend.Flows(r.Context(), q)
	if err != nil {
		return err
	}
	rows := make([]flowRow, len(records))
	for i := range records {
		rows[i] = rowOf(&records[i])
	}
	return reply(w, r, map[string]any{"flows": rows})
}
