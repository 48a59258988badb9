package lab

// Payments is the retail chain's payment segment with who uses it, each segment
// behind the router: stores with tills and a file server, the data centre, the
// payment segment, administrators, shoppers, and the air-conditioning vendor who
// was let through to more than the building management.
//
// nginx stands in for what speaks on the ports of file sharing, remote desktops
// and administration: what is told apart here are addresses and ports.
func Payments() *Topology {
	t := &Topology{
		Segments: []string{"stores", "datacentre", "payment", "office", "vendor-vpn", "shoppers"},
		Resolver: "ns",
		Hosts: []HostSpec{
			{Name: "till1", Segment: "stores", Labels: labels("pos", "store-operations")},
			{Name: "till2", Segment: "stores", Labels: labels("pos", "store-operations")},
			{Name: "files", Segment: "stores", Services: []Service{Nginx(445)}, Labels: labels("store-files", "store-operations")},
			{Name: "web", Segment: "datacentre", Services: []Service{Nginx(80)}, Labels: labels("web", "shop")},
			{Name: "cache", Segment: "datacentre", Services: []Service{Redis()}, Labels: labels("cache", "shop")},
			{Name: "bms", Segment: "datacentre", Services: []Service{Nginx(443)}, Labels: labels("bms", "building-management")},
			{Name: "jump", Segment: "datacentre", Services: []Service{Nginx(3389)}, Labels: labels("jump", "jump")},
			{Name: "settlement", Segment: "datacentre", Labels: labels("settlement", "payments")},
			{Name: "ns", Segment: "datacentre", Services: []Service{Dnsmasq()}, Labels: labels("resolver", "resolver")},
			{Name: "gateway", Segment: "payment", Services: []Service{Nginx(9443)}, Labels: labels("gateway", "payments")},
			{Name: "switch", Segment: "payment", Services: []Service{Nginx(8583, 22)}, Labels: labels("switch", "payments")},
			{Name: "paydb", Segment: "payment", Services: []Service{Postgres()}, Labels: labels("db", "payments")},
			{Name: "admin", Segment: "office", Labels: labels("admin-workstation", "offices")},
			{Name: "vendor", Segment: "vendor-vpn", Outside: true},
			{Name: "shopper", Segment: "shoppers", Outside: true},
		},
	}
	for _, till := range []string{"till1", "till2"} {
		t.Calls = append(t.Calls, Get(till, "gateway", 9443), Get(till, "files", 445))
	}
	t.Calls = append(t.Calls,
		GetAddr("shopper", "web", 80), Remember("web", "cache"), Get("web", "gateway", 9443),
		Get("gateway", "switch", 8583), Query("switch", "paydb"),
		Get("admin", "jump", 3389), Get("jump", "switch", 22),
		GetAddr("vendor", "bms", 443), TooMuch(),
		Get("files", "jump", 3389)) // the remote desktop somebody keeps open
	return t
}

// TooMuch is what the vendor should not be able to do.
func TooMuch() Call { return GetAddr("vendor", "files", 445) }

// MonthEnd is what nobody sees but once a month: settlement reads the payment
// database.
func MonthEnd() Call { return Query("settlement", "paydb") }
