package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// applyFlags are those of every command that shows a difference before it applies
// it.
func applyFlags(cmd *cobra.Command, dryRun, yes *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "show what would change, change nothing")
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "apply without asking; scripts are never asked")
}

// confirmed says whether what was shown is to be applied: on a terminal a person
// is asked.
func (a *app) confirmed(dryRun, yes bool) (bool, error) {
	if dryRun {
		return false, nil
	}
	f, ok := a.in.(*os.File)
	if yes || !ok || !term.IsTerminal(int(f.Fd())) {
		return true, nil
	}
	fmt.Fprint(a.err, "apply? [y/N] ")
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	if err != nil && answer == "" {
		return false, fmt.Errorf("read the answer: %w", err)
	}
	if answer = strings.ToLower(strings.TrimSpace(answer)); answer == "y" || answer == "yes" {
		return true, nil
	}
	a.say("nothing was changed")
	return false, nil
}

// restoring says what restoring a version would change, and on which newest
// version.
func (s *session) restoring(ctx context.Context, ref docRef, version uint64) ([]string, uint64, error) {
	old, err := s.version(ctx, ref, version)
	if err != nil {
		return nil, 0, err
	}
	if old.Deleted {
		return nil, 0, usagef("history: version %d of %s removed it; choose one that has content", version, ref)
	}
	versions, err := s.versions(ctx, ref)
	if err != nil {
		return nil, 0, err
	}
	now := versions[0]
	if !now.Deleted {
		if now, err = s.version(ctx, ref, now.Version); err != nil {
			return nil, 0, err
		}
	}
	lines, err := diffDocuments(ref.kind, now, old)
	if err != nil {
		return nil, 0, err
	}
	if len(lines) == 0 && !bytes.Equal(now.Content, old.Content) {
		lines = []string{"~ order and spelling only"}
	}
	return lines, now.Version, nil
}

// restore writes a version of a document as a new one on top of base. It refuses
// what the program could not read any more.
func (s *session) restore(ctx context.Context, author string, ref docRef, version, base uint64, reason string) (uint64, error) {
	old, err := s.version(ctx, ref, version)
	if err != nil {
		return 0, err
	}
	if !restorable(ref.kind) || old.Deleted {
		return 0, usagef("history: %s version %d cannot be restored: %s", ref, version, notRestorable(ref.kind, old.Deleted))
	}
	if err := checkDocument(httpapi.Document{Kind: ref.kind, Name: ref.name, Body: string(old.Content)}); err != nil {
		return 0, fmt.Errorf("restore %s version %d: %w", ref, version, err)
	}
	why := fmt.Sprintf("version %d restored", version)
	if reason != "" {
		why += ": " + reason
	}
	saved, err := s.store.SaveDocument(ctx, store.Document{Kind: ref.kind, Name: ref.name, Base: base, Author: author, Reason: why, Content: old.Content})
	if err != nil {
		return 0, err
	}
	return saved, s.published(ctx, ref.kind, old.Content, saved)
}

// published makes a saved inventory the one that queries by hand see.
func (s *session) published(ctx context.Context, kind string, content []byte, version uint64) error {
	if kind != docInventory {
		return nil
	}
	var inv topology.Inventory
	if err := json.Unmarshal(content, &inv); err != nil {
		return fmt.Errorf("read inventory version %d: %w", version, err)
	}
	return s.store.PublishInventory(ctx, &inv, version)
}

func notRestorable(kind string, deleted bool) string {
	if deleted {
		return "that version removed it"
	}
	return fmt.Sprintf("documents of kind %q are the program's own", kind)
}

// History implements the API's list of versions, newest first, without bodies.
func (b *backend) History(ctx context.Context, kind, name string) ([]httpapi.Document, error) {
	versions, err := b.s.store.History(ctx, kind, name)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		return nil, httpapi.Errorf(httpapi.CodeNotFound, "there is no %s called %s", kind, name)
	}
	out := make([]httpapi.Document, 0, len(versions))
	for _, d := range versions {
		shown := documentOf(d)
		shown.Body = ""
		out = append(out, shown)
	}
	return out, nil
}

// DiffDocument says in lines what changed between two versions; from 0 is the
// version before to, to 0 the newest.
func (b *backend) DiffDocument(ctx context.Context, kind, name string, from, to uint64) ([]string, error) {
	lines, err := b.s.diffVersions(ctx, docRef{kind, name}, from, to)
	if lines == nil {
		lines = []string{}
	}
	return lines, apiError(err)
}

// RestoreDocument writes an old version as a new one on top of base.
func (b *backend) RestoreDocument(ctx context.Context, author, kind, name string, version, base uint64, reason string) (uint64, error) {
	saved, err := b.s.restore(ctx, author, docRef{kind, name}, version, base, reason)
	if err != nil {
		return 0, apiError(err)
	}
	b.decided()
	return saved, b.hub.Publish(httpapi.Event{Kind: httpapi.EventDocument, Data: httpapi.Document{Kind: kind, Name: name, Version: saved, Author: author, Reason: reason}})
}

// apiError gives the API's codes to what the commands report.
func apiError(err error) error {
	var usage usageError
	switch {
	case errors.Is(err, store.ErrStale):
		return httpapi.Errorf(httpapi.CodeConflict, "%v", err)
	case errors.Is(err, store.ErrNoDocument):
		return httpapi.Errorf(httpapi.CodeNotFound, "%v", err)
	case errors.As(err, &usage):
		return httpapi.Errorf(httpapi.CodeInvalid, "%v", err)
	}
	return err
}
