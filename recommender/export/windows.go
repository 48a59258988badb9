package export

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// writeWindows writes PowerShell for Windows Defender Firewall (NetSecurity
// module, New-NetFirewallRule). One file fits every protected host: each rule
// names the local addresses it is for. Block rules win over allow rules there,
// which is override-deny; deny is the inbound default. Rules of policies that are
// not in enforce are written disabled.
func writeWindows(w io.Writer, in *Input) ([]string, error) {
	f := &windows{resolved: resolve(in)}
	f.lose("Windows Firewall has no monitoring: rules of policies that are not in enforce are disabled")
	f.lose("Windows Firewall rules are about the host they are on; run the script on every member listed")
	for _, p := range f.pools() {
		f.pool(p)
	}
	f.defaults()
	var b bytes.Buffer
	b.WriteString(f.header("# ", "Windows Firewall rules of a Bulkhead policy set"))
	b.WriteString("$ErrorActionPreference = 'Stop'\n")
	b.WriteString("Get-NetFirewallRule -Group 'Bulkhead' -ErrorAction SilentlyContinue | Remove-NetFirewallRule\n\n")
	b.Write(f.out.Bytes())
	_, err := w.Write(bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n")))
	return f.losses, err
}

type windows struct {
	*resolved
	out bytes.Buffer
}

func (f *windows) pool(p pool) {
	own := f.poolAddresses(p)
	for _, x := range f.in.Set.AlwaysAllowed {
		if x.Name == policy.ExceptionLoopback {
			continue // the firewall never filters it
		}
		for _, way := range []policy.Direction{policy.Inbound, policy.Outbound} {
			if x.Direction == policy.BothWays || x.Direction == way {
				f.rule("always-"+x.Name, "always allowed", way, "Allow", true, own, addresses{any: len(x.Networks) == 0, prefixes: x.Networks}, x.Services)
			}
		}
	}
	if len(f.in.Set.BreakGlass) > 0 {
		f.rule("break-glass", "break-glass networks", policy.Inbound, "Allow", true, own, addresses{prefixes: f.in.Set.BreakGlass}, nil)
	}
	for _, r := range f.inOrder(p.policies) {
		for _, way := range []policy.Direction{policy.Inbound, policy.Outbound} {
			f.one(r, way, own)
		}
	}
}

func (f *windows) one(r orderedRule, way policy.Direction, own addresses) {
	action := "Allow"
	switch {
	case r.Action == policy.OverrideDeny:
		action = "Block"
	case r.Action == policy.Deny && (way == policy.Inbound || r.Egress == policy.EgressRestrict):
		return // denied by default
	case r.Action == policy.Deny:
		f.lose("%s/%s: a block wins over every allow in Windows Firewall: narrower than the policy where a rule allows some of it", r.Policy.Name, r.Rule.Name)
		action = "Block"
	case way == policy.Outbound && r.Egress == policy.EgressAllow:
		return // open anyway
	}
	self, peer := f.side(r.Policy, r.Rule, r.To), f.side(r.Policy, r.Rule, r.From)
	if way == policy.Outbound {
		self, peer = peer, self
	}
	f.rule(r.Policy.Name+"/"+r.Rule.Name, r.Rule.Description, way, action, r.Stage == policy.Enforce, intersect(own, self), peer, r.Services)
}

// defaults blocks what no rule allows, where a policy in enforce protects the host.
func (f *windows) defaults() {
	var in, out addresses
	for _, p := range f.pools() {
		own := f.poolAddresses(p)
		for _, q := range p.policies {
			if q.Stage != policy.Enforce {
				continue
			}
			in.prefixes = append(in.prefixes, own.prefixes...)
			if q.Egress == policy.EgressRestrict {
				out.prefixes = append(out.prefixes, own.prefixes...)
			}
		}
	}
	f.out.WriteString("# deny by default, only on hosts that a policy in enforce protects\n")
	f.out.WriteString("$own = (Get-NetIPAddress).IPAddress\n")
	fmt.Fprintf(&f.out, "if ($own | Where-Object { @(%s) -contains $_ }) { Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block }\n", hostList(in))
	fmt.Fprintf(&f.out, "if ($own | Where-Object { @(%s) -contains $_ }) { Set-NetFirewallProfile -All -DefaultOutboundAction Block }\n", hostList(out))
}

func hostList(a addresses) string {
	var list []string
	for _, p := range a.prefixes {
		list = append(list, powerString(p.Addr().String()))
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}

// rule writes one New-NetFirewallRule per protocol.
func (f *windows) rule(name, description string, way policy.Direction, action string, enabled bool, own, peer addresses, services []policy.Service) {
	if own.empty() || peer.empty() {
		return
	}
	direction := map[policy.Direction]string{policy.Inbound: "Inbound", policy.Outbound: "Outbound"}[way]
	for i, part := range f.protocols(name, services) {
		local, remote := "", ""
		if !own.any {
			local = " -LocalAddress " + powerList(own.prefixes)
		}
		if !peer.any {
			remote = " -RemoteAddress " + powerList(peer.prefixes)
		}
		ports := ""
		if part.ports != "" {
			ports = map[policy.Direction]string{policy.Inbound: " -LocalPort ", policy.Outbound: " -RemotePort "}[way] + part.ports
		}
		id := fmt.Sprintf("Bulkhead-%s-%s-%d-%s", direction, name, i, shortHash(local+remote))
		fmt.Fprintf(&f.out, "New-NetFirewallRule -Name %s -DisplayName %s -Group 'Bulkhead' -Description %s -Direction %s -Action %s -Enabled %s -Profile Any%s%s%s%s | Out-Null\n",
			powerString(id), powerString("Bulkhead "+name), powerString(cmp.Or(description, name)), direction, action, map[bool]string{true: "True", false: "False"}[enabled], part.protocol, ports, local, remote)
	}
}

// windowsPart is one protocol of a rule.
type windowsPart struct{ protocol, ports string }

func (f *windows) protocols(name string, services []policy.Service) (out []windowsPart) {
	if len(services) == 0 {
		return []windowsPart{{" -Protocol Any", ""}}
	}
	ports, types := map[uint8][]string{}, map[uint8][]string{}
	for _, s := range services {
		switch {
		case s.Proto == 0:
			return []windowsPart{{" -Protocol Any", ""}}
		case s.Proto == flow.ICMP || s.Proto == flow.ICMPv6:
			types[s.Proto] = append(types[s.Proto], windowsICMP(s)...)
		case (s.Proto == flow.TCP || s.Proto == flow.UDP) && (s.From > 0 || s.To < 65535):
			ports[s.Proto] = append(ports[s.Proto], powerString(portRange(s, "-")))
		default:
			if flow.HasPorts(s.Proto) && (s.From > 0 || s.To < 65535) {
				f.lose("%s: Windows Firewall knows ports of TCP and UDP only; %s is left out", name, s)
				continue
			}
			out = append(out, windowsPart{fmt.Sprintf(" -Protocol %d", s.Proto), ""})
		}
	}
	for _, proto := range []uint8{flow.TCP, flow.UDP} {
		if len(ports[proto]) > 0 {
			out = append(out, windowsPart{" -Protocol " + protocolName(proto), "@(" + strings.Join(ports[proto], ", ") + ")"})
		}
	}
	for _, proto := range []uint8{flow.ICMP, flow.ICMPv6} {
		if len(types[proto]) > 0 {
			word := map[uint8]string{flow.ICMP: "ICMPv4", flow.ICMPv6: "ICMPv6"}[proto]
			out = append(out, windowsPart{" -Protocol " + word + " -IcmpType @(" + strings.Join(types[proto], ", ") + ")", ""})
		}
	}
	return out
}

func windowsICMP(s policy.Service) (out []string) {
	switch {
	case s.From == 0 && s.To == 65535:
		return []string{"'Any'"}
	case s.From == s.To:
		return []string{fmt.Sprintf("'%d:%d'", s.From>>8, s.From&0xff)}
	}
	for kind := s.From >> 8; kind <= s.To>>8; kind++ {
		out = append(out, fmt.Sprintf("'%d'", kind))
	}
	return out
}

func powerList(prefixes []netip.Prefix) string {
	list := make([]string, len(prefixes))
	for i, p := range prefixes {
		list[i] = powerString(p.String())
		if p.IsSingleIP() {
			list[i] = powerString(p.Addr().String())
		}
	}
	return "@(" + strings.Join(list, ", ") + ")"
}

// powerString is a single-quoted PowerShell string, in which nothing is expanded
// and a quote is doubled (about_Quoting_Rules). PowerShell takes the typographic
// quotes for quotes too.
func powerString(s string) string {
	return "'" + strings.NewReplacer("'", "''", "‘", "''", "’", "''", "‚", "''", "‛", "''").Replace(printable(s)) + "'"
}
