package inventory_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Files as the tools write them, quirks included, become the inventory beside them,
// and importing them again adds nothing.
func TestReadGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	if err != nil || len(files) < 12 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		if strings.HasSuffix(f, ".golden") || strings.HasSuffix(f, ".md") {
			continue
		}
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		inv, err := inventory.Read(data, f, "")
		if err != nil {
			t.Error(err)
			continue
		}
		got := strings.Join(inventory.Diff(&topology.Inventory{}, inv), "\n") + "\n"
		if *update {
			if err := os.WriteFile(f+".golden", []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(f + ".golden")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", f, diff)
		}
		if again := inventory.Diff(inv, inventory.Merge(inv, inv)); len(again) > 0 {
			t.Errorf("%s imported again changes %q", f, again)
		}
	}
}

// A file of another tool is refused with what to do, never half read.
func TestReadSaysWhatToDo(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"vms.json", `[{"vmId":"1","name":"a"}]`, "az vm list -d"},
		{"hosts.ini", "[web]\nweb1 ansible_host=10.0.0.1\n", "ansible-inventory --list"},
		{"x.json", `[{"a":1}]`, "--format"},
		{"a.csv", "name,ip\nw\xe9b,10.0.0.1\n", "UTF-8"},
		{"a.csv", "name,ip,scope\nweb,10.0.0.1,vlan9999\n", "a.csv:2: scope"},
		{"a.csv", "name,ip,kind\nweb,10.0.0.1,router\n", `unknown kind "router"`},
		{"k.csv", "address,hwaddr,expire,valid_lifetime,hostname,state\n10.0.0.1,aa,soon,1,x,0\n", "k.csv:2: expire"},
		{"k.csv", "address,client_id,expire,valid_lifetime,hostname,state\n10.0.0.1,zz,1,1,x,0\n", `k.csv:2: client "zz"`},
		{"dhcpd.leases", "lease 10.0.0.1 {\n client-hostname \"x;\n}\n", "dhcpd.leases:2: a string is not closed"},
		{"dhcpd.leases", "lease 10.0.0.1 {\n", "the last lease is not closed"},
		{"dhcpd.leases", "lease 10.0.0.300 {\n}\n", `dhcpd.leases:1: lease: "10.0.0.300" is no address`},
	} {
		inv, err := inventory.Read([]byte(c.text), c.file, "")
		if err == nil || !strings.Contains(err.Error(), c.want) || inv != nil {
			t.Errorf("%s: got %v, want …%s…", c.file, err, c.want)
		}
	}
}
