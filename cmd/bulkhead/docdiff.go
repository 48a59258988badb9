package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/mapper"
	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/topology"
)

// docDiffs say, per kind of document, what changed from one content to another.
// Kinds that are not listed are compared line by line.
var docDiffs = map[string]func(old, new []byte) ([]string, error){
	docInventory: diffJSON(inventory.Diff),
	docLabels:    diffJSON(diffLabels),
	docMapping:   diffJSON(diffMapping),
	docDecisions: diffJSON(diffDecisions),
	docPolicy:    diffPolicies,
}

// restorable reports kinds that hold what people decided.
func restorable(kind string) bool { return docDiffs[kind] != nil }

// diffDocuments says in lines what changed between two versions; one that removed
// the document has no content.
func diffDocuments(kind string, old, new store.Document) ([]string, error) {
	if old.Deleted {
		old.Content = nil
	}
	if new.Deleted {
		new.Content = nil
	}
	diff := docDiffs[kind]
	if diff == nil {
		return lineDiff(string(old.Content), string(new.Content)), nil
	}
	lines, err := diff(old.Content, new.Content)
	if err != nil {
		return nil, fmt.Errorf("compare versions %d and %d of %s %s: %w", old.Version, new.Version, kind, new.Name, err)
	}
	return lines, nil
}

// diffJSON compares documents that are kept as JSON; nothing is an empty one.
func diffJSON[T any](diff func(old, new *T) []string) func(old, new []byte) ([]string, error) {
	return func(old, new []byte) ([]string, error) {
		var before, after T
		if err := readJSON(old, &before); err != nil {
			return nil, err
		}
		if err := readJSON(new, &after); err != nil {
			return nil, err
		}
		return diff(&before, &after), nil
	}
}

// readJSON decodes content; nothing leaves v as it is.
func readJSON(content []byte, v any) error {
	if len(content) == 0 {
		return nil
	}
	return json.Unmarshal(content, v)
}

// diffKeyed compares two maps whose values have words.
func diffKeyed[V any](old, new map[string]V, words func(key string, v V) string) []string {
	keys := slices.Sorted(maps.Keys(old))
	for k := range new {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	var lines []string
	for _, k := range slices.Compact(keys) {
		before, was := old[k]
		after, is := new[k]
		switch {
		case !was:
			lines = append(lines, "+ "+words(k, after))
		case !is:
			lines = append(lines, "- "+words(k, before))
		case words(k, before) != words(k, after):
			lines = append(lines, "- "+words(k, before), "+ "+words(k, after))
		}
	}
	return lines
}

func diffLabels(old, new *labelBook) []string {
	lines := diffKeyed(flatLabels(old.Labels), flatLabels(new.Labels), func(k, v string) string { return k + "=" + v })
	return append(lines, diffKeyed(flatLabels(old.Refused), flatLabels(new.Refused), func(k, v string) string { return k + "=" + v + " refused" })...)
}

// flatLabels is "WORKLOAD KEY" → value.
func flatLabels[L ~map[string]string](of map[string]L) map[string]string {
	flat := map[string]string{}
	for id, labels := range of {
		for k, v := range labels {
			flat[id+" "+k] = v
		}
	}
	return flat
}

func diffMapping(old, new *mapper.Decisions) []string {
	lines := diffKeyed(infrastructureWords(old), infrastructureWords(new), func(_, v string) string { return v })
	lines = append(lines, diffKeyed(old.Pins, new.Pins, func(node, pin string) string { return node + " held in " + pin })...)
	lines = append(lines, diffKeyed(old.RolePins, new.RolePins, func(node, pin string) string { return node + " held in " + pin })...)
	return append(lines, diffKeyed(old.Names, new.Names, func(pin, name string) string { return pin + " called " + name })...)
}

func infrastructureWords(d *mapper.Decisions) map[string]string {
	words := map[string]string{}
	for _, i := range d.Infrastructure {
		verb := "is no"
		if i.Accept {
			verb = "is"
		}
		words[i.Node+" "+i.Kind] = fmt.Sprintf("%s %s %s", i.Node, verb, cmp.Or(i.Kind, "shared infrastructure"))
	}
	return words
}

func diffDecisions(old, new *decisionBook) []string {
	return diffKeyed(*old, *new, func(id string, d decisionAnswer) string {
		if d.Reason != "" {
			return id + ": " + d.Answer + " (" + d.Reason + ")"
		}
		return id + ": " + d.Answer
	})
}

// diffPolicies says who can newly reach what and who no longer; where the words of
// a policy change and their meaning does not, which lines.
func diffPolicies(old, new []byte) ([]string, error) {
	before, err := readSet(old)
	if err != nil {
		return nil, err
	}
	after, err := readSet(new)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, c := range policy.Diff(before, after, nil) {
		lines = append(lines, c.String())
	}
	if len(lines) == 0 {
		lines = lineDiff(string(policy.Format(before)), string(policy.Format(after)))
	}
	return lines, nil
}

func readSet(content []byte) (*policy.Set, error) {
	if len(content) == 0 {
		return &policy.Set{}, nil
	}
	return policy.Parse(content, "policy")
}

// lineDiff is the shortest list of lines to take out ("- ") and put in ("+ ")
// that makes b of a, by the longest common subsequence. Beyond maxLineCells it
// says only how many lines there were and are.
func lineDiff(a, b string) []string {
	x, y := splitLines(a), splitLines(b)
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	if len(x)*len(y) > maxLineCells {
		return []string{fmt.Sprintf("~ %d lines replaced by %d", len(x), len(y))}
	}
	common := make([][]int32, len(x)+1) // of x[i:] and y[j:]
	for i := range common {
		common[i] = make([]int32, len(y)+1)
	}
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+x[i])
			i++
		default:
			out = append(out, "+ "+y[j])
			j++
		}
	}
	return out
}

const maxLineCells = 4_000_000

func splitLines(s string) []string {
	s = strings.TrimSuffix(s, "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

// checkJSON reports content that is not of type T.
func checkJSON[T any](content []byte) error {
	var v T
	return json.Unmarshal(content, &v)
}

// checkInventory reports content that is no consistent inventory.
func checkInventory(content []byte) error {
	var inv topology.Inventory
	if err := json.Unmarshal(content, &inv); err != nil {
		return err
	}
	_, err := topology.NewIndex(&inv)
	return err
}
