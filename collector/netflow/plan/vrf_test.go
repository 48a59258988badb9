package plan_test

import (
	"testing"

	"github.com/bulkhead/bulkhead/collector/netflow/plan"
)

// ingressVRFID (IE 234) may be shorter than its four bytes (RFC 7011 §6.2).
func TestVRF(t *testing.T) {
	for _, body := range [][]byte{{10, 0, 0, 1, 7}, {10, 0, 0, 1, 0, 0, 0, 7}} {
		p, err := plan.Compile(10, []plan.Field{{ID: 8, Length: 4}, {ID: 234, Length: uint16(len(body) - 4)}})
		if err != nil {
			t.Fatal(err)
		}
		rows, _ := p.Decode(body, &plan.Context{Version: 10}, make([]plan.Row, 0, 1))
		if len(rows) != 1 || rows[0].VRF != 7 {
			t.Errorf("%+v", rows)
		}
	}
}
