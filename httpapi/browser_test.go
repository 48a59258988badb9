package httpapi_test

import (
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/bulkhead/bulkhead/httpapi"
	"github.com/bulkhead/bulkhead/httpapi/fake"
	"github.com/bulkhead/bulkhead/internal/testenv"
	"github.com/bulkhead/bulkhead/topology"
)

// serve starts a server over b for the length of the test.
func serve(t *testing.T, b *fake.Backend) string {
	t.Helper()
	srv := httptest.NewServer(httpapi.New(b, b.Options(quiet())))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A new user's way through the built dashboard, in a real browser: ui/e2e/tour.mjs
// says what it does. Screenshots go to $BULKHEAD_SHOTS, or to a folder that stays when
// the test fails.
func TestDashboardInChromium(t *testing.T) {
	testenv.Need(t, "node", "chromium", "ui")
	out := testenv.Shots(t)
	full, empty, broken := fake.New(last), fake.New(last), fake.New(last)
	hostile(full.Estate)
	empty.Estate = &topology.Map{}
	broken.Err = httpapi.Errorf(httpapi.CodeNotReady, "the store is away")
	cmd := exec.Command("node", "e2e/tour.mjs", serve(t, full), serve(t, empty), serve(t, broken), out)
	cmd.Dir = filepath.Join(testenv.Root(), "ui")
	got, err := cmd.CombinedOutput()
	t.Logf("%s", got)
	if err != nil {
		t.Errorf("the tour ended early: %v; screenshots in %s", err, out)
	}
}

// hostile gives one workload a name that would run as script where text becomes
// markup, and makes another one an address that nobody claims.
func hostile(m *topology.Map) {
	for i := range m.Graph.Nodes {
		switch m.Graph.Nodes[i].ID {
		case "inventory-db-prod-001":
			m.Graph.Nodes[i].Name = `"><img src=x onerror=window.hacked=1>`
		case "office-desktop-prod-120":
			m.Graph.Nodes[i].Kind = topology.NodeAddress
		}
	}
}
