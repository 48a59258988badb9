package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/store"
)

func TestDocumentsAreVersioned(t *testing.T) {
	s := open(t)
	at := time.Date(2026, 3, 2, 10, 0, 0, 123456789, time.UTC)
	first := store.Document{Kind: "policy", Name: "it's `pay`\\ments", Author: "ann", Time: at, Reason: "start", Content: []byte("a\x00b\n")}
	v, err := s.SaveDocument(t.Context(), first)
	if err != nil || v != 1 {
		t.Fatalf("version %d, %v; want 1", v, err)
	}
	second := first
	second.Base, second.Content, second.Author = 1, []byte("two"), "bob"
	if v, err = s.SaveDocument(t.Context(), second); err != nil || v != 2 {
		t.Fatalf("version %d, %v; want 2", v, err)
	}
	if _, err = s.SaveDocument(t.Context(), second); !errors.Is(err, store.ErrStale) {
		t.Errorf("a save on an old version: got %v, want ErrStale", err)
	}
	got, err := s.LoadDocument(t.Context(), first.Kind, first.Name, 1)
	if d := cmp.Diff(first.Content, got.Content); d != "" || err != nil || !got.Time.Equal(at) || got.Author != "ann" || len(got.Hash) != 64 {
		t.Errorf("loaded %+v, %v", got, err)
	}
	if got, err = s.LoadDocument(t.Context(), first.Kind, first.Name, 0); err != nil || got.Version != 2 || string(got.Content) != "two" {
		t.Errorf("latest is %+v, %v", got, err)
	}
	history, err := s.History(t.Context(), first.Kind, first.Name)
	if err != nil || len(history) != 2 || history[0].Version != 2 || history[1].Author != "ann" {
		t.Errorf("history %+v, %v", history, err)
	}
}

func TestRemovedDocumentsAreNotListed(t *testing.T) {
	s := open(t)
	for _, name := range []string{"a", "b"} {
		if _, err := s.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.SaveDocument(t.Context(), store.Document{Kind: "policy", Name: "a", Base: 1, Deleted: true}); err != nil {
		t.Fatal(err)
	}
	list, err := s.Documents(t.Context(), "policy")
	if err != nil || len(list) != 1 || list[0].Name != "b" {
		t.Errorf("documents %+v, %v; want b only", list, err)
	}
	if _, err := s.LoadDocument(t.Context(), "policy", "a", 0); !errors.Is(err, store.ErrNoDocument) {
		t.Errorf("got %v, want ErrNoDocument", err)
	}
	if _, err := s.LoadDocument(t.Context(), "policy", "nobody", 0); !errors.Is(err, store.ErrNoDocument) {
		t.Errorf("got %v, want ErrNoDocument", err)
	}
}

// Of many people saving on the same version exactly one wins, and everybody is
// told the truth.
func TestConcurrentSavesHaveOneWinner(t *testing.T) {
	s := open(t)
	for round := range 10 {
		var wg sync.WaitGroup
		results := make([]error, 8)
		for i := range results {
			wg.Add(1)
			go func() {
				defer wg.Done()
				_, results[i] = s.SaveDocument(t.Context(), store.Document{
					Kind: "policy", Name: "contended", Base: uint64(round), Author: fmt.Sprint(i), Content: []byte(fmt.Sprint(i))})
			}()
		}
		wg.Wait()
		winner := -1
		for i, err := range results {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: both %d and %d won", round, winner, i)
			case err == nil:
				winner = i
			case !errors.Is(err, store.ErrStale):
				t.Fatalf("round %d: %v", round, err)
			}
		}
		d, err := s.LoadDocument(t.Context(), "policy", "contended", 0)
		if err != nil || winner < 0 || d.Author != fmt.Sprint(winner) || d.Version != uint64(round+1) {
			t.Fatalf("round %d: winner %d, stored %+v, %v", round, winner, d, err)
		}
	}
}
