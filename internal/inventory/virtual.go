package inventory

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// readGovc reads `govc vm.info -json '*'` of VMware vSphere; both the spelling of
// govc before 0.31 ("VirtualMachines") and after.
func readGovc(data []byte, file string) (*topology.Inventory, error) {
	var list struct {
		VirtualMachines []struct {
			Name   string
			Config struct {
				Name         string
				InstanceUUID string `json:"instanceUuid"`
			}
			Guest struct {
				HostName  string
				IPAddress string `json:"ipAddress"`
				Net       []struct {
					IPAddress []string `json:"ipAddress"`
				}
			}
		}
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	var inv topology.Inventory
	for _, vm := range list.VirtualMachines {
		name := cmp.Or(vm.Name, vm.Config.Name)
		w := topology.Workload{ID: cmp.Or(vm.Config.InstanceUUID, name), Name: cmp.Or(vm.Guest.HostName, name)}
		addrs := []string{vm.Guest.IPAddress}
		for _, n := range vm.Guest.Net {
			addrs = append(addrs, n.IPAddress...)
		}
		if err := add(&inv, w, own(addrs), file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}

// own leaves out what every machine has: link-local addresses, loopback, and
// addresses listed twice.
func own(addrs []string) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range addrs {
		a, err := netip.ParseAddr(s)
		if seen[s] || err == nil && (a.IsLinkLocalUnicast() || a.IsLoopback()) {
			continue
		}
		seen[s] = true
		out = append(out, s)
	}
	return out
}

// readAnsible reads `ansible-inventory --list`. A host's address is ansible_host
// where that is one, else what facts say; variables that people use as labels are
// labels, and a group that is named after one (env_prod) too.
func readAnsible(data []byte, file string) (*topology.Inventory, error) {
	var list struct {
		Meta struct {
			HostVars map[string]map[string]any `json:"hostvars"`
		} `json:"_meta"`
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, fmt.Errorf("%w; write it with ansible-inventory --list", err)
	}
	groups := map[string]struct{ Hosts []string }{}
	var raw map[string]any
	if err := decodeJSON(data, file, &raw); err != nil {
		return nil, err
	}
	for name, v := range raw {
		if g, ok := v.(map[string]any); ok && name != "_meta" {
			groups[name] = struct{ Hosts []string }{texts(g["hosts"])}
		}
	}
	var inv topology.Inventory
	for _, host := range sortedNames(list.Meta.HostVars) {
		vars := list.Meta.HostVars[host]
		tags := map[string]string{}
		for k, v := range vars {
			if s, ok := v.(string); ok && labelKeys[strings.ToLower(k)] != "" {
				tags[k] = s
			}
		}
		for name, g := range groups {
			key, value, ok := strings.Cut(name, "_")
			if ok && labelKeys[strings.ToLower(key)] != "" && contains(g.Hosts, host) {
				tags[key] = value
			}
		}
		w := topology.Workload{ID: host, Name: host, Labels: tagLabels(tags)}
		if err := add(&inv, w, ansibleAddrs(host, vars), file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}

func ansibleAddrs(host string, vars map[string]any) []string {
	var out []string
	for _, v := range []any{vars["ansible_host"], fact(vars, "ansible_default_ipv4"), fact(vars, "ansible_default_ipv6"), host} {
		if s, ok := v.(string); ok {
			if _, err := netip.ParseAddr(s); err == nil {
				out = append(out, s)
			}
		}
	}
	return own(out)
}

func fact(vars map[string]any, name string) any {
	f, _ := vars[name].(map[string]any)
	return f["address"]
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
