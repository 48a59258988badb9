package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/store"
)

func TestDiffDocumentsSaysWhatChanged(t *testing.T) {
	policy := func(service string) string {
		return "apiVersion: bulkhead/v1\nkind: Policy\nmetadata: {name: db}\nspec:\n  scope: {role: db}\n  stage: enforce\n  rules:\n" +
			"  - {name: web, from: [{role: web}], to: [{role: db}], services: [" + service + "]}\n"
	}
	for _, c := range []struct {
		kind, old, new string
		want           []string
	}{
		{docLabels, `{"labels":{"a":{"env":"dev"}},"refused":{"a":{"role":"x"}}}`, `{"labels":{"a":{"env":"prod"},"b":{"app":"shop"}}}`,
			[]string{"- a env=dev", "+ a env=prod", "+ b app=shop", "- a role=x refused"}},
		{docMapping, "", `{"infrastructure":[{"node":"dc01","accept":false},{"node":"n","kind":"ntp","accept":true}],"pins":{"web":"app-1"},"names":{"app-1":"shop"}}`,
			[]string{"+ dc01 is no shared infrastructure", "+ n is ntp", "+ web held in app-1", "+ app-1 called shop"}},
		{docDecisions, `{"d1":{"id":"d1","answer":"allow"}}`, `{"d1":{"id":"d1","answer":"deny","reason":"old"}}`,
			[]string{"- d1: allow", "+ d1: deny (old)"}},
		{"notes", "a\nb\nc\nd\n", "a\nc\nx\nd\n", []string{"- b", "+ x"}},
		{docInventory, `{"workloads":[{"id":"a"}]}`, "", []string{"- a []"}},
		{docPolicy, policy("tcp/5432"), policy("tcp/5432"), nil},
	} {
		got, err := diffDocuments(c.kind, store.Document{Content: []byte(c.old)}, store.Document{Content: []byte(c.new)})
		if err != nil {
			t.Errorf("%s: %v", c.kind, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.kind, diff)
		}
	}
	got, err := diffDocuments(docPolicy, store.Document{Content: []byte(policy("tcp/5432"))}, store.Document{Content: []byte(policy("tcp/22"))})
	if err != nil || len(got) < 2 {
		t.Errorf("a service exchanged for another: got %q, %v; want what opens and what closes", got, err)
	}
	if _, err := diffDocuments(docLabels, store.Document{Content: []byte("[]")}, store.Document{}); err == nil {
		t.Error("content of another shape was compared")
	}
}

func FuzzLineDiff(f *testing.F) {
	f.Add("a\nb", "b\nc")
	f.Fuzz(func(t *testing.T, a, b string) {
		plus, minus := 0, 0
		for _, l := range lineDiff(a, b) {
			switch l[0] {
			case '+':
				plus++
			case '-':
				minus++
			default:
				t.Skip()
			}
		}
		if got := len(splitLines(a)) - minus + plus; got != len(splitLines(b)) {
			t.Errorf("%d lines less %d and more %d are not %d", len(splitLines(a)), minus, plus, len(splitLines(b)))
		}
	})
}
