package export

import (
	"encoding/json"
	"io"
	"time"

	"github.com/bulkhead/bulkhead/policy"
	"github.com/bulkhead/bulkhead/topology"
)

// manifest says what a delivery was made of: which policy set, when, whom the
// labels meant, and what each format cannot say.
type manifest struct {
	Hash     string              `json:"hash"`
	At       time.Time           `json:"at"`
	Policies []manifestPolicy    `json:"policies"`
	Always   []policy.Exception  `json:"alwaysAllowed"`
	Stateful string              `json:"stateful"`
	Members  []topology.Member   `json:"members"`
	Losses   map[string][]string `json:"losses"` // by format
}

type manifestPolicy struct {
	Name  string       `json:"name"`
	Stage policy.Stage `json:"stage"`
	Rules int          `json:"rules"`
}

func writeManifest(w io.Writer, in *Input) ([]string, error) {
	m := manifest{Hash: in.Set.Hash(), At: in.At, Always: in.Set.AlwaysAllowed, Stateful: policy.Stateful, Members: in.members(), Losses: map[string][]string{}}
	for _, p := range in.Set.Policies {
		m.Policies = append(m.Policies, manifestPolicy{p.Name, p.Stage, len(p.Rules)})
	}
	for _, f := range Formats() {
		if !f.Enforces {
			continue
		}
		live := *in
		live.Set = in.Set.Live()
		losses, err := f.write(io.Discard, &live)
		if err != nil {
			return nil, err
		}
		m.Losses[f.Name] = losses
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return nil, enc.Encode(m)
}
