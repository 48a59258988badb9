package fleet

import (
	"strings"
	"unicode/utf8"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// maxText bounds names in reported rows, in bytes.
const maxText = 253

// Clean drops rows that mean nothing, whoever made them, and cuts texts to a bound;
// it returns how many rows it dropped.
func (b *Batch) Clean() (dropped int) {
	n := b.Rows()
	b.Records = keep(b.Records, func(r *flow.Record) bool {
		r.ClientProcess, r.ServerProcess = text(r.ClientProcess), text(r.ServerProcess)
		k := &r.Key
		return k.Client.IsValid() && k.Server.IsValid() && k.Client.Zone() == "" && k.Server.Zone() == "" &&
			r.First > 0 && r.Last >= r.First && r.ID != 0
	})
	b.Violations = keep(b.Violations, func(v *policy.Violation) bool {
		v.Policy, v.Rule, v.Hash, v.Process = text(v.Policy), text(v.Rule), text(v.Hash), text(v.Process)
		return v.Client.Addr.IsValid() && v.Server.Addr.IsValid() && v.Time > 0 &&
			(v.Outcome == policy.Blocked || v.Outcome == policy.WouldBlock)
	})
	return n - b.Rows()
}

func keep[T any](list []T, good func(*T) bool) []T {
	out := list[:0]
	for i := range list {
		if good(&list[i]) {
			out = append(out, list[i])
		}
	}
	return out
}

func text(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "�")
	}
	return s
}
