package main

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bulkhead/bulkhead/collector/netflow/netflowtest"
	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/store"
	"github.com/bulkhead/bulkhead/store/engine"
)

// A sensor on another machine writes to a server it was given the address of, as a
// user that may insert and read nothing; whoever may read sees its flows and its
// counters at the same server.
func TestRemoteSensorMayOnlyInsert(t *testing.T) {
	testenv.Need(t, "engine")
	const password = "no secret at all"
	server, stop, err := engine.Start(t.Context(), engine.Options{Dir: t.TempDir(),
		Users: []engine.User{{Name: "branch", Password: password, Grants: store.SensorGrants("bulkhead")}}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	u, err := url.Parse(server.DSN())
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/bulkhead"
	owner := u.String()
	bulkhead(t, "--data-dir", t.TempDir(), "--clickhouse", owner, "status") // makes the tables
	u.User = url.UserPassword("branch", password)
	s := startSensor(t, "--data-dir", t.TempDir(), "--clickhouse", u.String())
	rows, _ := s.send(netflowtest.Records(500, 1, flow.TimeOf(time.Now().Add(-time.Minute))), nil)
	s.stop()
	if !strings.Contains(s.err.String(), "may insert only") {
		t.Errorf("the sensor does not say what it cannot do:\n%s", &s.err)
	}
	out, _ := bulkhead(t, "--data-dir", t.TempDir(), "--clickhouse", owner, "status")
	if !strings.Contains(out, "records: 500") || !strings.Contains(out, "export records") || rows != 1000 {
		t.Errorf("status at the server:\n%s", out)
	}
	for _, verb := range []string{"status", "map"} {
		root := newRoot(strings.NewReader(""), &lines{}, &lines{})
		root.SetArgs([]string{"--data-dir", t.TempDir(), "--clickhouse", u.String(), verb})
		if err := root.ExecuteContext(t.Context()); store.ErrorCode(err) != accessDenied {
			t.Errorf("%s as the sensor's user: %v, want access denied", verb, err)
		}
	}
}
