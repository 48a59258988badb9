package filter_test

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/net/bpf"

	"github.com/bulkhead/bulkhead/collector/capture/filter"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// packets are what the expressions are tried on, by name.
func packets(t *testing.T) map[string][]byte {
	t.Helper()
	four := func(proto layers.IPProtocol, options int, l ...gopacket.SerializableLayer) []byte {
		ip := &layers.IPv4{Version: 4, TTL: 9, Protocol: proto, SrcIP: addr("10.1.2.3"), DstIP: addr("192.0.2.9")}
		if options > 0 {
			ip.Options = []layers.IPv4Option{{OptionType: 1}, {OptionType: 1}, {OptionType: 1}, {OptionType: 0}}
		}
		return serialize(t, layers.EthernetTypeIPv4, append([]gopacket.SerializableLayer{ip}, l...)...)
	}
	six := func(proto layers.IPProtocol, l ...gopacket.SerializableLayer) []byte {
		ip := &layers.IPv6{Version: 6, HopLimit: 9, NextHeader: proto, SrcIP: addr("2001:db8::1"), DstIP: addr("2001:db8:1::2")}
		return serialize(t, layers.EthernetTypeIPv6, append([]gopacket.SerializableLayer{ip}, l...)...)
	}
	fragment := four(layers.IPProtocolUDP, 0, &layers.UDP{SrcPort: 53, DstPort: 53})
	fragment[14+7] = 1 // an offset
	return map[string][]byte{
		"https":    four(layers.IPProtocolTCP, 0, &layers.TCP{SrcPort: 40000, DstPort: 443}),
		"options":  four(layers.IPProtocolTCP, 1, &layers.TCP{SrcPort: 40000, DstPort: 443}),
		"dns":      four(layers.IPProtocolUDP, 0, &layers.UDP{SrcPort: 53, DstPort: 3333}),
		"fragment": fragment,
		"ping":     four(layers.IPProtocolICMPv4, 0, &layers.ICMPv4{TypeCode: 0x800}),
		"six":      six(layers.IPProtocolTCP, &layers.TCP{SrcPort: 40000, DstPort: 22}),
		"ping6":    six(layers.IPProtocolICMPv6, &layers.ICMPv6{TypeCode: 0x8000}, gopacket.Payload(make([]byte, 8))),
		"arp":      serialize(t, layers.EthernetTypeARP, gopacket.Payload(make([]byte, 46))),
	}
}

func serialize(t *testing.T, kind layers.EthernetType, l ...gopacket.SerializableLayer) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	eth := &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: kind}
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, append([]gopacket.SerializableLayer{eth}, l...)...); err != nil {
		t.Fatal(err)
	}
	return append([]byte{}, b.Bytes()...)
}

func addr(s string) []byte { return netip.MustParseAddr(s).AsSlice() }

var expressions = []struct{ text, want string }{
	{"tcp", "https options six"},
	{"ip", "dns fragment https options ping"},
	{"ip6", "ping6 six"},
	{"arp", "arp"},
	{"icmp or icmp6", "ping ping6"},
	{"not ip", "arp ping6 six"},
	{"port 443", "https options"},
	{"tcp port 443 or 22", "https options six"},
	{"tcp dst port 40000", ""},
	{"src port 53", "dns"},
	{"udp portrange 50-60", "dns"},
	{"host 10.1.2.3", "dns fragment https options ping"},
	{"dst host 10.1.2.3", ""},
	{"net 10.0.0.0/8 and tcp", "https options"},
	{"src net 192.0.2.0/24", ""},
	{"dst net 192.0.2.8/29", "dns fragment https options ping"},
	{"host 2001:db8::1", "ping6 six"},
	{"net 2001:db8:1::/48", "ping6 six"},
	{"not (port 443 or port 53) and ip", "fragment ping"},
	{"!arp&&!(icmp||icmp6)", "dns fragment https options six"},
	{"proto 58", "ping6"},
}

func TestExpressionsMatchWhatTheyShould(t *testing.T) {
	for _, tt := range expressions {
		raw, err := filter.Compile(tt.text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if got := matching(t, raw); got != tt.want {
			t.Errorf("%q takes %q, want %q", tt.text, got, tt.want)
		}
	}
}

func matching(t *testing.T, raw []bpf.RawInstruction) string {
	t.Helper()
	program, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("cannot disassemble %v", raw)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	all := packets(t)
	for _, name := range []string{"arp", "dns", "fragment", "https", "options", "ping", "ping6", "six"} {
		n, err := vm.Run(all[name])
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			got = append(got, name)
		}
	}
	return strings.Join(got, " ")
}

// libpcap compiles the same expressions to programs that take the same packets.
func TestExpressionsAgreeWithTcpdump(t *testing.T) {
	testenv.Need(t, "tcpdump", "root")
	for _, tt := range expressions {
		out, err := exec.Command("tcpdump", "-ddd", "-i", "lo", tt.text).Output()
		if err != nil {
			t.Errorf("tcpdump -ddd %q: %v", tt.text, err)
			continue
		}
		raw, err := filter.Load(string(out))
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		if got := matching(t, raw); got != tt.want {
			t.Errorf("tcpdump's %q takes %q, ours %q", tt.text, got, tt.want)
		}
	}
}

func TestErrorsNameTheWord(t *testing.T) {
	for text, want := range map[string]string{
		"hots 10.0.0.1":    `"hots"`,
		"host example":     `host "example"`,
		"port 99999":       `port "99999"`,
		"tcp and":          "missing at the end",
		"(tcp":             "missing )",
		"tcp udp":          `"udp" is left over`,
		"portrange 9-8":    `portrange "9-8"`,
		"greater 100":      `"greater"`,
		"net 10.0.0.1/250": "want a prefix",
	} {
		if _, err := filter.Compile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %s", text, err, want)
		}
	}
	for _, text := range []string{"", "x", "2\n1 0 0 0", "1\n1 0 0"} {
		if _, err := filter.Load(text); err == nil {
			t.Errorf("Load(%q) accepted", text)
		}
	}
}

// FuzzCompile: no panic, and a program or an error.
func FuzzCompile(f *testing.F) {
	for _, tt := range expressions {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := filter.Compile(text)
		if err != nil && raw != nil {
			t.Error("a program and an error")
		}
		if len(raw) > 0 {
			if program, ok := bpf.Disassemble(raw); ok && !strings.Contains(text, "vlan") {
				if _, err := bpf.NewVM(program); err != nil {
					t.Errorf("%q: %v", text, err)
				}
			}
		}
	})
}
