package main

import (
	"testing"

	"github.com/bulkhead/bulkhead/internal/scenario"
)

// The figures of docs/truth.md may not fall below these without notice.
func TestGroupingHoldsTheLine(t *testing.T) {
	hospital, err := scenario.Hospital()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		options     scenario.Options
		apps, roles float64
	}{
		{"retail", scenario.Options{}, 0.95, 0.95},
		{"retail without names", scenario.Options{Noise: scenario.Noise{NoNames: true}}, 0.9, 0.85},
		{"hospital", scenario.Options{Spec: hospital}, 0.95, 0.9},
		{"hospital without names", scenario.Options{Spec: hospital, Noise: scenario.Noise{NoNames: true}}, 0.95, 0.9},
	} {
		x, err := mapEstate(c.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := x.applications(x.m.AppOf).ARI(); got < c.apps {
			t.Errorf("%s: applications ARI %.3f, was at least %.3f", c.name, got, c.apps)
		}
		if got := x.roles().ARI(); got < c.roles {
			t.Errorf("%s: roles ARI %.3f, was at least %.3f", c.name, got, c.roles)
		}
		infra, _ := x.infrastructure()
		if infra.Precision() < 0.85 || infra.Recall() < 0.85 {
			t.Errorf("%s: infrastructure precision %.3f, recall %.3f", c.name, infra.Precision(), infra.Recall())
		}
	}
}
