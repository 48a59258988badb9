package lab

import (
	"net"
	"strconv"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/topology"
)

// Shop is the small web shop most tests use: web servers, a database, a cache and
// a resolver behind the router, clients and a vendor in front.
func Shop() *Topology {
	t := &Topology{
		Segments: []string{"users", "servers"}, Tap: "servers", Resolver: "ns",
		Hosts: []HostSpec{
			{Name: "alice", Segment: "users", Labels: labels("workstation", "office")},
			{Name: "bob", Segment: "users", Labels: labels("workstation", "office")},
			{Name: "vendor", Segment: "users", Labels: labels("vendor", "vendor")},
			{Name: "web1", Segment: "servers", Services: []Service{Nginx(80, 8080)}, Labels: labels("web", "shop")},
			{Name: "web2", Segment: "servers", Services: []Service{Nginx(80, 8080)}, Labels: labels("web", "shop")},
			{Name: "db", Segment: "servers", Services: []Service{Postgres()}, Labels: labels("db", "shop")},
			{Name: "cache", Segment: "servers", Services: []Service{Redis()}, Labels: labels("cache", "shop")},
			{Name: "ns", Segment: "servers", Services: []Service{Dnsmasq()}, Labels: labels("resolver", "infrastructure")},
		},
	}
	for _, user := range []string{"alice", "bob"} {
		t.Calls = append(t.Calls, Get(user, "web1", 80), Get(user, "web2", 80))
	}
	t.Calls = append(t.Calls, Get6("alice", "web1", 8080))
	for _, web := range []string{"web1", "web2"} {
		t.Calls = append(t.Calls, Query(web, "db"), Remember(web, "cache"), Dig(web, "ns"), DigTCP(web, "ns"))
	}
	t.Calls = append(t.Calls, Get("vendor", "web1", 80), Query("vendor", "db"), Refuse("vendor", "cache", 22), Ping("bob", "web1"))
	return t
}

func labels(role, app string) topology.Labels {
	return topology.Labels{topology.LabelRole: role, topology.LabelApp: app, topology.LabelEnv: "prod"}
}

// Get fetches a page by name over IPv4.
func Get(from, to string, port uint16) Call { return get(from, to, port, "-4") }

// Get6 fetches a page by name over IPv6.
func Get6(from, to string, port uint16) Call {
	c := get(from, to, port, "-6")
	c.IPv6 = true
	return c
}

// GetAddr fetches a page by address: outside hosts know no internal names.
func GetAddr(from, to string, port uint16) Call {
	c := get(from, to, port, "-4")
	c.Resolves = false
	c.Command = func(_ *Lab, h *Host) []string { return curl("-4", h.Addr.String(), port) }
	return c
}

func get(from, to string, port uint16, family string) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: flow.TCP, Port: port}, Resolves: true, Command: func(_ *Lab, h *Host) []string {
		return curl(family, h.FQDN, port)
	}}
}

func curl(family, host string, port uint16) []string {
	return []string{"curl", "-fsS", family, "--connect-timeout", "5", "--max-time", "20", "http://" + net.JoinHostPort(host, strconv.Itoa(int(port))) + "/"}
}

// Query asks a database for a thousand rows.
func Query(from, to string) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: flow.TCP, Port: 5432}, Command: func(_ *Lab, h *Host) []string {
		return []string{"psql", "-d", "hostaddr=" + h.Addr.String() + " host=" + h.FQDN + " user=postgres sslmode=disable connect_timeout=10",
			"-qAtc", "select generate_series(1, 1000)"}
	}}
}

// Remember writes to and reads from a cache.
func Remember(from, to string) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: flow.TCP, Port: 6379}, Command: func(_ *Lab, h *Host) []string {
		return []string{"redis-cli", "-h", h.Addr.String(), "-r", "5", "incr", "visits"}
	}}
}

// Dig asks a resolver over UDP.
func Dig(from, to string) Call { return dig(from, to, flow.UDP, "+notcp") }

// DigTCP asks a resolver over TCP.
func DigTCP(from, to string) Call { return dig(from, to, flow.TCP, "+tcp") }

func dig(from, to string, proto uint8, how string) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: proto, Port: 53}, Command: func(_ *Lab, h *Host) []string {
		return []string{"dig", "+short", "+tries=1", "+time=5", how, "@" + h.Addr.String(), h.FQDN}
	}}
}

// Ping sends three echo requests.
func Ping(from, to string) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: flow.ICMP, Port: 8 << 8}, Command: func(_ *Lab, h *Host) []string {
		return []string{"ping", "-n", "-c", "3", "-i", "0.2", "-W", "5", h.Addr.String()}
	}}
}

// Refuse tries a port nobody listens on.
func Refuse(from, to string, port uint16) Call {
	return Call{From: from, To: to, Service: flow.Service{Proto: flow.TCP, Port: port}, Refused: true, Command: func(_ *Lab, h *Host) []string {
		return []string{"curl", "-sS", "--max-time", "5", "http://" + net.JoinHostPort(h.Addr.String(), strconv.Itoa(int(port))) + "/"}
	}}
}
