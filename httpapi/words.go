package httpapi

import (
	"strconv"
	"strings"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/policy"
)

// selectorText is "role=web app=shop env=prod|staging", or "every workload".
func selectorText(s policy.Selector) string {
	if len(s) == 0 {
		return "every workload"
	}
	parts := make([]string, 0, len(s))
	for _, r := range s {
		switch {
		case len(r.In) > 0:
			parts = append(parts, r.Key+"="+strings.Join(r.In, "|"))
		case len(r.Not) > 0:
			parts = append(parts, r.Key+"≠"+strings.Join(r.Not, "|"))
		default:
			parts = append(parts, "has "+r.Key)
		}
		if len(r.In) > 0 && len(r.Not) > 0 {
			parts = append(parts, r.Key+"≠"+strings.Join(r.Not, "|"))
		}
	}
	return strings.Join(parts, " ")
}

func peersText(peers []policy.Peer) []string {
	out := make([]string, len(peers))
	for i, p := range peers {
		switch {
		case p.Any:
			out[i] = "anyone"
		case p.Network != "":
			out[i] = "network " + p.Network
		case p.Prefix.IsValid():
			out[i] = p.Prefix.String()
		case p.Domain != "":
			out[i] = p.Domain
		default:
			out[i] = selectorText(p.Selector)
		}
	}
	return out
}

// servicesText gives each service as documents write it: its name, "tcp/443",
// "udp/1024-2048", or "every service".
func servicesText(services []policy.Service) []string {
	out := make([]string, len(services))
	for i, s := range services {
		out[i] = serviceText(s)
	}
	return out
}

func serviceText(s policy.Service) string {
	one := flow.Service{Proto: s.Proto, Port: s.From}
	switch {
	case s.Proto == 0:
		return "every service"
	case s.From == s.To:
		return one.String()
	case s.From == 0 && s.To == 65535:
		return flow.ProtoName(s.Proto)
	case flow.HasPorts(s.Proto):
		return one.String() + "-" + strconv.Itoa(int(s.To))
	case s.From>>8 == s.To>>8 && s.From&0xff == 0 && s.To&0xff == 0xff:
		return flow.ProtoName(s.Proto) + "/" + strconv.Itoa(int(s.From>>8))
	}
	return one.String() + "-" + strconv.Itoa(int(s.To>>8)) + "/" + strconv.Itoa(int(s.To&0xff))
}
