package topology

import "fmt"

// UnmarshalText is the inverse of MarshalText.
func (k *NodeKind) UnmarshalText(b []byte) error {
	for i, v := range nodeKinds {
		if v == string(b) {
			*k = NodeKind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown node kind %q", b)
}

// UnmarshalText is the inverse of MarshalText.
func (p *Priority) UnmarshalText(b []byte) error {
	for i, v := range priorities {
		if v == string(b) {
			*p = Priority(i)
			return nil
		}
	}
	return fmt.Errorf("unknown priority %q", b)
}
