package topology

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Groups returns a digest of who is who on the map: nodes with their effective
// labels, roles, applications and infrastructure, without any counter. Two maps
// with the same digest differ only in how much traffic they saw.
func (m *Map) Groups() string {
	h := sha256.New()
	for i := range m.Graph.Nodes {
		fmt.Fprintf(h, "%q %v\n", m.Graph.Nodes[i].ID, m.Labels[i])
	}
	for _, r := range m.Roles {
		fmt.Fprintf(h, "role %q %q %d %v\n", r.ID, r.Name, r.App, r.Members)
	}
	for _, a := range m.Applications {
		fmt.Fprintf(h, "app %q %q %q %v %v\n", a.ID, a.Name, a.Env, a.Priority, a.Members)
	}
	for _, f := range m.Infrastructure {
		fmt.Fprintf(h, "infra %d %q\n", f.Node, f.Kind)
	}
	return hex.EncodeToString(h.Sum(nil))
}
