package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/topology"
)

// decideMapping changes what people decided about the map: infrastructure and
// groups. change edits the decisions in place.
func (s *session) decideMapping(ctx context.Context, author, reason string, change func(*mapper.Decisions) error) error {
	var d mapper.Decisions
	base, err := s.load(ctx, docMapping, docOnly, &d)
	if err != nil {
		return err
	}
	if err := change(&d); err != nil {
		return err
	}
	return s.save(ctx, docMapping, docOnly, base, author, reason, d)
}

// decideInfrastructure accepts, refuses and modifies findings.
func (s *session) decideInfrastructure(ctx context.Context, author string, m *topology.Map, list []topology.InfrastructureDecision) error {
	for _, d := range list {
		if err := checkInfrastructure(m, d); err != nil {
			return err
		}
	}
	return s.decideMapping(ctx, author, infrastructureReason(list), func(book *mapper.Decisions) error {
		for _, d := range list {
			book.Infrastructure = replaceDecision(book.Infrastructure, d)
		}
		return nil
	})
}

func checkInfrastructure(m *topology.Map, d topology.InfrastructureDecision) error {
	if !insideNodes(m)[d.Node] {
		return usagef("%q is not a workload of the map", d.Node)
	}
	if d.Kind != "" && !slices.Contains(mapper.Kinds(), d.Kind) {
		return usagef("%q is no kind of infrastructure%s; there are %s", d.Kind, strictyaml.Suggest(d.Kind, mapper.Kinds()), strings.Join(mapper.Kinds(), ", "))
	}
	return nil
}

func insideNodes(m *topology.Map) map[string]bool {
	inside := make(map[string]bool, len(m.Graph.Nodes))
	for i := range m.Graph.Nodes {
		inside[m.Graph.Nodes[i].ID] = m.Graph.Nodes[i].Inside()
	}
	return inside
}

// replaceDecision puts a decision in the place of those about the same node that
// it contradicts: one kind is refused beside others that are.
func replaceDecision(list []topology.InfrastructureDecision, d topology.InfrastructureDecision) []topology.InfrastructureDecision {
	list = slices.DeleteFunc(list, func(o topology.InfrastructureDecision) bool {
		return o.Node == d.Node && (d.Accept || o.Accept || d.Kind == "" || o.Kind == "" || o.Kind == d.Kind)
	})
	list = append(list, d)
	slices.SortStableFunc(list, func(a, b topology.InfrastructureDecision) int {
		return strings.Compare(a.Node+"\x00"+a.Kind, b.Node+"\x00"+b.Kind)
	})
	return list
}

// infrastructureReason is what the history says of decisions.
func infrastructureReason(list []topology.InfrastructureDecision) string {
	var words []string
	for _, d := range list[:min(len(list), 3)] {
		w := "refused: " + strings.TrimSpace(d.Node+" "+d.Kind)
		if d.Accept {
			w = "accepted: " + strings.TrimSpace(d.Node+" "+d.Kind)
		}
		if d.Reason != "" {
			w += " (" + d.Reason + ")"
		}
		words = append(words, w)
	}
	if n := len(list) - len(words); n > 0 {
		words = append(words, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(words, ", ")
}

// forgetInfrastructure withdraws what was decided about a node.
func (s *session) forgetInfrastructure(ctx context.Context, author, node string) error {
	return s.decideMapping(ctx, author, "withdrawn: what was decided about "+node, func(book *mapper.Decisions) error {
		n := len(book.Infrastructure)
		book.Infrastructure = slices.DeleteFunc(book.Infrastructure, func(d topology.InfrastructureDecision) bool { return d.Node == node })
		if len(book.Infrastructure) == n {
			return usagef("nothing was decided about %s", node)
		}
		return nil
	})
}

// decideGroup pins, unpins and names an application.
func (s *session) decideGroup(ctx context.Context, author string, m *topology.Map, d topology.GroupDecision) error {
	app, err := applicationByID(m, d.Application)
	if err != nil {
		return err
	}
	if d.Name != "" && labelledApp(m, app) {
		return usagef("%s is named by the labels of its workloads; change those: bulkhead labels set WORKLOAD app=%s", mapper.AppTitle(app), d.Name)
	}
	if !d.Pin && d.Name != "" {
		return usagef("a group that is not pinned is named by its traffic; pin it to name it")
	}
	verb := "let go: "
	if d.Pin {
		verb = "accepted: "
	}
	reason := verb + mapper.AppTitle(app)
	if d.Name != "" {
		reason += " as " + d.Name
	}
	if d.Reason != "" {
		reason += " (" + d.Reason + ")"
	}
	return s.decideMapping(ctx, author, reason, func(book *mapper.Decisions) error {
		unpin(book, m, app)
		if d.Pin {
			pin(book, m, app, d.Name)
		}
		return nil
	})
}

func applicationByID(m *topology.Map, id string) (*topology.Application, error) {
	for a := range m.Applications {
		if m.Applications[a].ID == id {
			return &m.Applications[a], nil
		}
	}
	return nil, usagef("the map has no application with the id %q", id)
}

// labelledApp reports that the operator's labels name most of an application.
func labelledApp(m *topology.Map, app *topology.Application) bool {
	n := 0
	for _, i := range app.Members {
		if m.Graph.Nodes[i].Labels[topology.LabelApp] != "" {
			n++
		}
	}
	return 2*n > len(app.Members)
}

// pin holds an application's members and roles together under their identities,
// and their names.
func pin(book *mapper.Decisions, m *topology.Map, app *topology.Application, name string) {
	for _, into := range []*map[string]string{&book.Pins, &book.RolePins, &book.Names} {
		if *into == nil {
			*into = map[string]string{}
		}
	}
	book.Names[app.ID] = app.Name
	if name != "" {
		book.Names[app.ID] = name
	}
	for _, i := range app.Members {
		id, role := m.Graph.Nodes[i].ID, &m.Roles[m.RoleOf[i]]
		book.Pins[id], book.RolePins[id], book.Names[role.ID] = app.ID, role.ID, role.Name
	}
}

// unpin lets go whoever was held in an application, on the map or not.
func unpin(book *mapper.Decisions, m *topology.Map, app *topology.Application) {
	delete(book.Names, app.ID)
	drop := func(id string) {
		delete(book.Names, book.RolePins[id])
		delete(book.RolePins, id)
		delete(book.Pins, id)
	}
	for id, held := range book.Pins {
		if held == app.ID {
			drop(id)
		}
	}
	for _, i := range app.Members {
		drop(m.Graph.Nodes[i].ID)
	}
}

// DecideInfrastructure accepts, refuses and modifies findings for the API.
func (b *backend) DecideInfrastructure(ctx context.Context, author string, list []topology.InfrastructureDecision) error {
	m, err := b.Map(ctx, httpapi.Window{})
	if err != nil {
		return err
	}
	return b.redraw(ctx, b.s.decideInfrastructure(ctx, author, m, list))
}

// DecideGroup pins, unpins and names an application for the API.
func (b *backend) DecideGroup(ctx context.Context, author string, d topology.GroupDecision) error {
	m, err := b.Map(ctx, httpapi.Window{})
	if err != nil {
		return err
	}
	return b.redraw(ctx, b.s.decideGroup(ctx, author, m, d))
}

// redraw makes the map anew after a decision that was saved.
func (b *backend) redraw(ctx context.Context, err error) error {
	if err != nil {
		return apiError(err)
	}
	b.decided()
	return b.refresh(ctx)
}
