package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/recommender"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// decisionBook holds what people answered to decision cards, by policy.Decision.ID.
type decisionBook map[string]decisionAnswer

type decisionAnswer = httpapi.Decided

// ListDocuments implements httpapi.Documents.
func (b *backend) ListDocuments(ctx context.Context, kind string) ([]httpapi.Document, error) {
	docs, err := b.s.store.Documents(ctx, kind)
	if err != nil {
		return nil, err
	}
	out := make([]httpapi.Document, 0, len(docs))
	for _, d := range docs {
		if !d.Deleted {
			shown := documentOf(d)
			shown.Body = ""
			out = append(out, shown)
		}
	}
	return out, nil
}

func documentOf(d store.Document) httpapi.Document {
	return httpapi.Document{Kind: d.Kind, Name: d.Name, Version: d.Version, Author: d.Author,
		Reason: d.Reason, Time: d.Time, Hash: d.Hash, Body: string(d.Content)}
}

// Document implements httpapi.Documents.
func (b *backend) Document(ctx context.Context, kind, name string, version uint64) (*httpapi.Document, error) {
	d, err := b.s.store.LoadDocument(ctx, kind, name, version)
	if errors.Is(err, store.ErrNoDocument) || err == nil && d.Deleted {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "there is no %s called %s", kind, name)
	}
	if err != nil {
		return nil, err
	}
	out := documentOf(d)
	return &out, nil
}

// SaveDocument implements httpapi.Documents: what would not parse is refused.
func (b *backend) SaveDocument(ctx context.Context, d httpapi.Document) (uint64, error) {
	if d.Kind != docPolicy && d.Kind != docInventory {
		return 0, httpapi.Errorf(httpapi.CodeInvalid, "documents of kind %q are not saved through the API", d.Kind)
	}
	if err := checkDocument(d); err != nil {
		return 0, httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
	}
	version, err := b.s.store.SaveDocument(ctx, store.Document{Kind: d.Kind, Name: d.Name, Base: d.Version,
		Author: d.Author, Reason: d.Reason, Content: []byte(d.Body)})
	if errors.Is(err, store.ErrStale) {
		return 0, httpapi.Errorf(httpapi.CodeConflict, "%v", err)
	}
	if err != nil {
		return 0, err
	}
	b.decided()
	if err := b.s.published(ctx, d.Kind, []byte(d.Body), version); err != nil {
		return 0, err
	}
	d.Version, d.Body = version, ""
	return version, b.hub.Publish(httpapi.Event{Kind: httpapi.EventDocument, Data: d})
}

// checkDocument reports a body that the program could not read back.
func checkDocument(d httpapi.Document) error {
	body := []byte(d.Body)
	switch d.Kind {
	case docPolicy:
		_, err := policy.Parse(body, d.Name)
		return err
	case docInventory:
		return checkInventory(body)
	case docLabels:
		return checkJSON[labelBook](body)
	case docMapping:
		return checkJSON[mapper.Decisions](body)
	case docDecisions:
		return checkJSON[decisionBook](body)
	}
	return fmt.Errorf("documents of kind %q are not saved by hand", d.Kind)
}

// DecideLabels implements httpapi.Documents.
func (b *backend) DecideLabels(ctx context.Context, author string, decisions []httpapi.LabelDecision) error {
	m, err := b.Map(ctx, httpapi.Window{})
	if err != nil {
		return err
	}
	known := make(map[string]bool, len(m.Graph.Nodes))
	for i := range m.Graph.Nodes {
		known[m.Graph.Nodes[i].ID] = m.Graph.Nodes[i].Inside()
	}
	for _, d := range decisions {
		if !known[d.Node] {
			return httpapi.Errorf(httpapi.CodeInvalid, "%q is not a workload of the map", d.Node)
		}
	}
	if err := b.s.decideLabels(ctx, author, decisions); err != nil {
		return err
	}
	b.decided()
	return b.refresh(ctx)
}

// decideLabels writes accepted and refused labels into the label book.
func (s *session) decideLabels(ctx context.Context, author string, decisions []httpapi.LabelDecision) error {
	var book labelBook
	base, err := s.load(ctx, docLabels, docOnly, &book)
	if err != nil {
		return err
	}
	accepted := 0
	for _, d := range decisions {
		if d.Accept {
			accepted++
			if book.Labels == nil {
				book.Labels = map[string]topology.Labels{}
			}
			book.Labels[d.Node] = book.Labels[d.Node].Merge(topology.Labels{d.Key: d.Value})
			continue
		}
		if book.Refused == nil {
			book.Refused = map[string]map[string]string{}
		}
		if book.Refused[d.Node] == nil {
			book.Refused[d.Node] = map[string]string{}
		}
		book.Refused[d.Node][d.Key] = d.Value
	}
	reason := fmt.Sprintf("%d labels accepted, %d refused", accepted, len(decisions)-accepted)
	return s.save(ctx, docLabels, docOnly, base, author, reason, book)
}

// Decide implements httpapi.Documents.
func (b *backend) Decide(ctx context.Context, author string, d httpapi.Decided) error {
	return b.s.decide(ctx, author, d)
}

// decide records what a person says to a decision card.
func (s *session) decide(ctx context.Context, author string, d httpapi.Decided) error {
	book := decisionBook{}
	base, err := s.load(ctx, docDecisions, docOnly, &book)
	if err != nil {
		return err
	}
	book[d.ID] = d
	return s.save(ctx, docDecisions, docOnly, base, author, d.Answer+" "+d.ID, book)
}

func decideCmd(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use: "decide ID allow|deny|watch", Short: "Answer a decision that recommend lists", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[1] {
			case policy.AnswerAllow, policy.AnswerDeny, policy.AnswerWatch:
			default:
				return usagef("decide: %q is none of allow, deny, watch", args[1])
			}
			return a.with(cmd.Context(), func(s *session) error {
				rec, _, err := s.recommend(cmd.Context(), &window{}, recommender.Options{Level: policy.ServiceLevel})
				if err != nil {
					return err
				}
				for i := range rec.Decisions {
					if rec.Decisions[i].ID == args[0] {
						return s.decide(cmd.Context(), author(), httpapi.Decided{ID: args[0], Answer: args[1], Reason: reason})
					}
				}
				return usagef("decide: no decision has the id %q; `bulkhead recommend` lists them", args[0])
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}
