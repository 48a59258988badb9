package inventory_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bulkhead/bulkhead/internal/inventory"
	"github.com/bulkhead/bulkhead/topology"
)

var equate = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty(),
	cmpopts.IgnoreFields(topology.Workload{}, "Origin")}

func held(addrs ...string) []topology.Address {
	var out []topology.Address
	for _, a := range addrs {
		out = append(out, topology.Address{Addr: netip.MustParseAddr(a)})
	}
	return out
}

func day(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }

const dhcpd = `
lease 10.0.0.9 {
  starts 0 2026/11/01 00:00:00;
  ends 1 2026/11/03 00:00:00;
  binding state free;
  hardware ethernet 02:00:00:00:00:01;
  client-hostname "till1";
}
lease 10.0.0.9 {
  starts 0 2026/11/02 00:00:00;
  ends 1 2026/11/04 00:00:00;
  hardware ethernet 02:00:00:00:00:02;
}
`

func TestRead(t *testing.T) {
	for _, c := range []struct {
		file, text string
		want       []topology.Workload
	}{
		{"cmdb.csv", "\ufeffHostname,IP,env,From\nweb1,10.0.0.1;10.0.0.2,prod,\ndb1,10.0.0.3,,2026-11-02\ndb1,fd00::3,prod,\n", []topology.Workload{
			{ID: "web1", Name: "web1", Addresses: held("10.0.0.1", "10.0.0.2"), Labels: topology.Labels{"env": "prod"}},
			{ID: "db1", Name: "db1", Labels: topology.Labels{"env": "prod"},
				Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.3"), From: day(2)}, {Addr: netip.MustParseAddr("fd00::3")}}}}},
		{"/etc/hosts", "127.0.0.1 localhost\n10.0.0.1 web1 www # front\nfd00::1 web1\nff02::1 all\n", []topology.Workload{
			{ID: "web1", Name: "web1", Addresses: held("10.0.0.1", "fd00::1")}}},
		{"dhcpd.leases", dhcpd, []topology.Workload{
			{ID: "02:00:00:00:00:01", Name: "till1", Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.9"), From: day(1), To: day(2)}}},
			{ID: "02:00:00:00:00:02", Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.9"), From: day(2), To: day(4)}}}}},
		{"dnsmasq.leases", "0 02:00:00:00:00:0A 10.0.0.7 till7 *\n", []topology.Workload{
			{ID: "02:00:00:00:00:0a", Name: "till7", Addresses: held("10.0.0.7")}}},
		{"pods.json", `{"apiVersion":"v1","kind":"List","items":[
			{"kind":"Pod","metadata":{"name":"web-1","namespace":"shop","labels":{"app.kubernetes.io/name":"web","app":"shop"}},"spec":{},"status":{"podIPs":[{"ip":"10.2.0.1"},{"ip":"fd00::2"}]}},
			{"kind":"Pod","metadata":{"name":"agent","namespace":"kube"},"spec":{"hostNetwork":true},"status":{"podIPs":[{"ip":"10.1.0.1"}]}},
			{"kind":"Node","metadata":{"name":"n1"},"status":{"addresses":[{"type":"InternalIP","address":"10.1.0.1"},{"type":"Hostname","address":"n1"}]}},
			{"kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"clusterIPs":["10.3.0.1"],"selector":{"app":"shop"}},"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.9"}]}}},
			{"kind":"Pod","metadata":{"name":"job","namespace":"shop","labels":{"app":"shop"}},"status":{"phase":"Succeeded","podIPs":[{"ip":"10.2.0.1"}]}},
			{"kind":"Service","metadata":{"name":"db","namespace":"shop"},"spec":{"clusterIPs":["None"]}}]}`, []topology.Workload{
			{ID: "pod/shop/web-1", Name: "web-1", Addresses: held("10.2.0.1", "fd00::2"), Labels: topology.Labels{"role": "web", "app": "shop", "namespace": "shop"}},
			{ID: "node//n1", Name: "n1", Addresses: held("10.1.0.1")},
			{ID: "service/shop/web", Name: "web", Kind: topology.KindVIP, Backends: []string{"pod/shop/web-1"}, Addresses: held("10.3.0.1", "192.0.2.9"), Labels: topology.Labels{"namespace": "shop"}}}},
		{"ec2.json", `{"Reservations":[{"Instances":[{"InstanceId":"i-1","Placement":{"AvailabilityZone":"eu-1a"},"Tags":[{"Key":"Name","Value":"db"},{"Key":"Environment","Value":"prod"}],
			"NetworkInterfaces":[{"PrivateIpAddresses":[{"PrivateIpAddress":"10.4.0.1"}],"Ipv6Addresses":[{"Ipv6Address":"fd00::4"}]}]}]}]}`, []topology.Workload{
			{ID: "i-1", Name: "db", Addresses: held("10.4.0.1", "fd00::4"), Labels: topology.Labels{"env": "prod", "loc": "eu-1a"}}}},
		{"vms.json", `[{"vmId":"7","name":"app","location":"west","privateIps":"10.5.0.1,10.5.0.2","tags":{"role":"app"}}]`, []topology.Workload{
			{ID: "7", Name: "app", Addresses: held("10.5.0.1", "10.5.0.2"), Labels: topology.Labels{"role": "app", "loc": "west"}}}},
		{"gce.json", `[{"id":"9","name":"web","zone":"https://x/zones/eu-b","labels":{"app":"shop"},"networkInterfaces":[{"networkIP":"10.6.0.1"}]}]`, []topology.Workload{
			{ID: "9", Name: "web", Addresses: held("10.6.0.1"), Labels: topology.Labels{"app": "shop", "loc": "eu-b"}}}},
		{"all.yaml", "workloads: [{id: a, addresses: [{addr: 10.0.0.1}]}]", []topology.Workload{{ID: "a", Addresses: held("10.0.0.1")}}},
	} {
		inv, err := inventory.Read([]byte(c.text), c.file, "")
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if diff := cmp.Diff(c.want, inv.Workloads, equate); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.file, diff)
		}
		again := inventory.Merge(inv, inv)
		if diff := cmp.Diff(inv.Workloads, again.Workloads, equate); diff != "" {
			t.Errorf("%s: merging it into itself changed it (-want +got):\n%s", c.file, diff)
		}
	}
}

func TestReadNamesTheRow(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"a.csv", "name,ip\nweb,10.0.0.1\ndb,10.0.0.300\n", `a.csv:3: db: "10.0.0.300" is no address`},
		{"a.csv", "name,ip\nweb\n", "a.csv:2: 1 fields, the heading has 2"},
		{"a.csv", "ip,env\n10.0.0.1,prod\n", "a.csv:1: no column id or name"},
		{"a.csv", "name,name\n", `a.csv:1: two columns are called "name"`},
		{"a.csv", "name,ip,from\nweb,10.0.0.1,soon\n", "a.csv:2: from:"},
		{"a.csv", "name,ip\na,10.0.0.1\nb,10.0.0.1\n", `a.csv: inventory: 10.0.0.1 is held by "a" and "b"`},
		{"x.hosts", "10.0.0.1\n", "x.hosts:1: want an address and a name"},
		{"d.leases", "soon aa 10.0.0.1 x *\n", "d.leases:1: expiry"},
		{"dhcpd.leases", "lease 10.0.0.1 {\n starts 0 yesterday noon;\n}\n", "dhcpd.leases:2:"},
		{"e.json", `{"Reservations": 3}`, "e.json: json:"},
	} {
		_, err := inventory.Read([]byte(c.text), c.file, "")
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s…", c.file, err, c.want)
		}
	}
	if _, err := inventory.Read(nil, "x", "kubernets"); err == nil || !strings.Contains(err.Error(), `did you mean "kubernetes"`) {
		t.Errorf("unknown format: got %v", err)
	}
}

func TestMergeKeepsWhatPeopleSaid(t *testing.T) {
	base := &topology.Inventory{Workloads: []topology.Workload{{ID: "web", Labels: topology.Labels{"env": "prod"}, Addresses: held("10.0.0.1")}}}
	add := &topology.Inventory{Workloads: []topology.Workload{{ID: "web", Name: "web1", Labels: topology.Labels{"env": "dev", "loc": "x"}, Addresses: held("10.0.0.1", "10.0.0.2")}, {ID: "db"}}}
	want := []topology.Workload{{ID: "web", Name: "web1", Labels: topology.Labels{"env": "prod", "loc": "x"}, Addresses: held("10.0.0.1", "10.0.0.2")}, {ID: "db"}}
	if diff := cmp.Diff(want, inventory.Merge(base, add).Workloads, equate); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(base.Workloads[0].Addresses) != 1 || base.Workloads[0].Labels["loc"] != "" {
		t.Errorf("the base was changed: %+v", base.Workloads[0])
	}
}

// A lease file read again after a renewal and after an address was handed on goes on
// where it was: nothing overlaps, nothing is listed twice.
func TestMergeGoesOnWithLeases(t *testing.T) {
	read := func(text string) *topology.Inventory {
		t.Helper()
		inv, err := inventory.Read([]byte(text), "dnsmasq.leases", "")
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	first := read("1793491200 02:00:00:00:00:01 10.0.0.7 a *\n1793491200 02:00:00:00:00:02 10.0.0.8 b *\n")  // until 1 November
	second := read("1793664000 02:00:00:00:00:01 10.0.0.7 a *\n1793664000 02:00:00:00:00:03 10.0.0.8 c *\n") // until 3 November
	got := inventory.Merge(first, second)
	want := []topology.Workload{
		{ID: "02:00:00:00:00:01", Name: "a", Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.7"), To: day(3)}}},
		{ID: "02:00:00:00:00:02", Name: "b", Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.8"), To: day(1)}}},
		{ID: "02:00:00:00:00:03", Name: "c", Addresses: []topology.Address{{Addr: netip.MustParseAddr("10.0.0.8"), From: day(1), To: day(3)}}},
	}
	if diff := cmp.Diff(want, got.Workloads, equate); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := topology.NewIndex(got); err != nil {
		t.Error(err)
	}
	if again := inventory.Diff(got, inventory.Merge(got, second)); len(again) > 0 {
		t.Errorf("merged once more: %q", again)
	}
}

func TestRules(t *testing.T) {
	rules, err := inventory.ReadRules([]byte(`rules:
- {name: 'pos-(?P<site>\d+)-\d+', labels: {role: pos, loc: 'store-${site}'}}
- {subnet: 10.1.0.0/16, labels: {env: prod, role: other}}
`), "rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	inv := &topology.Inventory{Workloads: []topology.Workload{
		{ID: "pos-12-3", Addresses: held("10.1.0.1")}, {ID: "pos-12-3-old"},
		{ID: "x", Addresses: held("10.1.0.2"), Labels: topology.Labels{"role": "mine"}}}}
	if n := rules.Apply(inv); n != 2 {
		t.Errorf("%d workloads changed, want 2", n)
	}
	want := []topology.Labels{{"role": "pos", "loc": "store-12", "env": "prod"}, nil, {"role": "mine", "env": "prod"}}
	for i, w := range inv.Workloads {
		if diff := cmp.Diff(want[i], w.Labels, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", w.ID, diff)
		}
	}
	for _, bad := range []string{"rules: [{labels: {a: b}}]", "rules: [{name: x}]", "rules: [{name: '(', labels: {a: b}}]", "rules: [{nam: x}]"} {
		if _, err := inventory.ReadRules([]byte(bad), "r.yaml"); err == nil || !strings.HasPrefix(err.Error(), "r.yaml") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("a.csv", "name,ip\nweb,10.0.0.1\n")
	f.Add("dhcpd.leases", dhcpd)
	f.Add("x.json", `[{"networkInterfaces":[{}],"zone":""}]`)
	f.Add("hosts", "10.0.0.1 a\n")
	f.Fuzz(func(t *testing.T, file, text string) {
		inv, err := inventory.Read([]byte(text), file, "")
		if (err == nil) == (inv == nil) {
			t.Errorf("error %v with inventory %v", err, inv)
		}
	})
}
