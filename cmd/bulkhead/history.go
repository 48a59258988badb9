package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/store"
)

const historyHelp = `Everything people decide is kept in versions with author, time and reason:
inventory, labels, mapping (infrastructure and groups), decisions, policies.

A document is named KIND, or KIND/NAME where there are several: policy/payments.
Nothing is ever removed: restoring writes the old version as a new one.`

func historyCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use: "history [DOCUMENT]", Short: "Versions of what people decided: list, show, compare, restore", Long: historyHelp, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				if len(args) == 0 {
					return s.listDocuments(cmd.Context())
				}
				return s.listVersions(cmd.Context(), parseDocRef(args[0]))
			})
		},
	}
	cmd.AddCommand(historyShow(a), historyDiff(a), historyRestore(a))
	return cmd
}

// docRef names a document.
type docRef struct{ kind, name string }

// parseDocRef reads "KIND" or "KIND/NAME".
func parseDocRef(s string) docRef {
	kind, name, named := strings.Cut(s, "/")
	if !named {
		name = docOnly
	}
	return docRef{kind, name}
}

func (r docRef) String() string {
	if r.name == docOnly {
		return r.kind
	}
	return r.kind + "/" + r.name
}

// listDocuments lists what people decided; captures known by their hash and maps
// made of traffic are the program's own notes.
func (s *session) listDocuments(ctx context.Context) error {
	docs, err := s.store.Documents(ctx, "")
	if err != nil {
		return err
	}
	shown := make([]store.Document, 0, len(docs))
	for _, d := range docs {
		if d.Kind != docImport && d.Kind != docMap {
			shown = append(shown, d)
		}
	}
	return s.app.printVersions(shown, true)
}

func (s *session) listVersions(ctx context.Context, ref docRef) error {
	versions, err := s.versions(ctx, ref)
	if err != nil {
		return err
	}
	return s.app.printVersions(versions, false)
}

// versions are those of a document, newest first; no document is the user's
// mistake, and the message names those there are.
func (s *session) versions(ctx context.Context, ref docRef) ([]store.Document, error) {
	versions, err := s.store.History(ctx, ref.kind, ref.name)
	if err != nil || len(versions) > 0 {
		return versions, err
	}
	docs, err := s.store.Documents(ctx, "")
	if err != nil {
		return nil, err
	}
	var known []string
	for _, d := range docs {
		known = append(known, docRef{d.Kind, d.Name}.String())
	}
	return nil, usagef("history: there is no document %s%s; `bulkhead history` lists them", ref, strictyaml.Suggest(ref.String(), known))
}

// docVersion is a version as it is printed.
type docVersion struct {
	Document string    `json:"document"`
	Version  uint64    `json:"version"`
	Base     uint64    `json:"base"`
	Author   string    `json:"author"`
	Time     time.Time `json:"time"`
	Reason   string    `json:"reason"`
	Hash     string    `json:"hash"`
	Removed  bool      `json:"removed,omitempty"`
}

func (a *app) printVersions(docs []store.Document, named bool) error {
	list, rows := make([]docVersion, 0, len(docs)), make([][]string, 0, len(docs))
	head := []string{"DOCUMENT", "VERSION", "TIME", "AUTHOR", "REASON"}
	for _, d := range docs {
		v := docVersion{docRef{d.Kind, d.Name}.String(), d.Version, d.Base, d.Author, d.Time, d.Reason, d.Hash, d.Deleted}
		list = append(list, v)
		reason := d.Reason
		if d.Deleted {
			reason = "removed: " + reason
		}
		rows = append(rows, []string{v.Document, fmt.Sprint(v.Version), v.Time.Format(time.DateTime), v.Author, reason})
	}
	if a.json {
		return a.printJSON(list)
	}
	if !named {
		head = head[1:]
		for i := range rows {
			rows[i] = rows[i][1:]
		}
	}
	return table(a.out, head, rows)
}

// version loads a version of a document; 0 is the newest that was not removed.
func (s *session) version(ctx context.Context, ref docRef, version uint64) (store.Document, error) {
	d, err := s.store.LoadDocument(ctx, ref.kind, ref.name, version)
	if errors.Is(err, store.ErrNoDocument) {
		if _, err := s.versions(ctx, ref); err != nil {
			return d, err
		}
		if version == 0 {
			return d, usagef("history: %s was removed; `bulkhead history %s` lists its versions", ref, ref)
		}
		return d, usagef("history: %s has no version %d; `bulkhead history %s` lists them", ref, version, ref)
	}
	return d, err
}

func historyShow(a *app) *cobra.Command {
	var version uint64
	cmd := &cobra.Command{
		Use: "show DOCUMENT", Short: "Print a version of a document as YAML", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				d, err := s.version(cmd.Context(), parseDocRef(args[0]), version)
				if err != nil {
					return err
				}
				return a.printContent(d.Content)
			})
		},
	}
	cmd.Flags().Uint64Var(&version, "version", 0, "which; 0 is the newest")
	return cmd
}

// printContent prints a stored document, JSON or YAML, as what was asked for.
func (a *app) printContent(content []byte) error {
	var v any
	isJSON := json.Unmarshal(content, &v) == nil
	switch {
	case isJSON && a.json:
		return a.printJSON(v)
	case isJSON:
		return yaml.NewEncoder(a.out).Encode(v)
	case a.json:
		return a.printJSON(string(content))
	}
	_, err := a.out.Write(content)
	return err
}

func historyDiff(a *app) *cobra.Command {
	var from, to uint64
	cmd := &cobra.Command{
		Use: "diff DOCUMENT", Short: "Say what one version changed; exit code 3 when they differ", Args: cobra.ExactArgs(1),
		Long: "Without --from the version before; without --to the newest.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *session) error {
				lines, err := s.diffVersions(cmd.Context(), parseDocRef(args[0]), from, to)
				if err != nil {
					return err
				}
				if a.json {
					err = a.printJSON(lines)
				} else {
					a.printLines(lines)
				}
				if err == nil && len(lines) > 0 {
					return errFinding
				}
				return err
			})
		},
	}
	cmd.Flags().Uint64Var(&from, "from", 0, "version to compare with; 0 is the one before")
	cmd.Flags().Uint64Var(&to, "to", 0, "version to look at; 0 is the newest")
	return cmd
}

func (a *app) printLines(lines []string) {
	for _, l := range lines {
		fmt.Fprintln(a.out, printable(l))
	}
}

// diffVersions says what changed from one version of a document to another; from
// 0 is the version that `to` was made from, to 0 the newest.
func (s *session) diffVersions(ctx context.Context, ref docRef, from, to uint64) ([]string, error) {
	after, err := s.version(ctx, ref, to)
	if err != nil {
		return nil, err
	}
	before := store.Document{Kind: ref.kind, Name: ref.name, Deleted: true}
	if from == 0 {
		from = after.Version - 1
	}
	if from != 0 {
		if before, err = s.version(ctx, ref, from); err != nil {
			return nil, err
		}
	}
	return diffDocuments(ref.kind, before, after)
}

func historyRestore(a *app) *cobra.Command {
	var base uint64
	var reason string
	var dryRun, yes bool
	cmd := &cobra.Command{
		Use: "restore DOCUMENT VERSION", Short: "Write an old version of a document as its newest", Args: cobra.ExactArgs(2),
		Long: "Prints what the restoring changes. --base says which version you looked at: if somebody has\nsaved another since, nothing is written.",
		RunE: func(cmd *cobra.Command, args []string) error {
			version, err := parseVersion(args[1])
			if err != nil {
				return err
			}
			ref := parseDocRef(args[0])
			return a.with(cmd.Context(), func(s *session) error {
				lines, newest, err := s.restoring(cmd.Context(), ref, version)
				if err != nil {
					return err
				}
				if base == 0 {
					base = newest
				}
				a.printLines(lines)
				if len(lines) == 0 {
					a.say("%s is as it was in version %d: nothing to restore", ref, version)
					return nil
				}
				if ok, err := a.confirmed(dryRun, yes); !ok {
					return err
				}
				saved, err := s.restore(cmd.Context(), author(), ref, version, base, reason)
				if err != nil {
					return err
				}
				a.say("%s is at version %d, which says what version %d said", ref, saved, version)
				return nil
			})
		},
	}
	cmd.Flags().Uint64Var(&base, "base", 0, "refuse unless this is still the newest version; 0: the one just read")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	applyFlags(cmd, &dryRun, &yes)
	return cmd
}

func parseVersion(s string) (uint64, error) {
	var v uint64
	if n, err := fmt.Sscanf(s, "%d", &v); n != 1 || err != nil || v == 0 || fmt.Sprint(v) != s {
		return 0, usagef("history: %q is no version; they count from 1", s)
	}
	return v, nil
}
