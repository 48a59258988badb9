package inventory

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// labelKeys maps the tag and label keys people use to ours; others keep their own.
var labelKeys = map[string]string{
	"app": topology.LabelApp, "application": topology.LabelApp, "app.kubernetes.io/part-of": topology.LabelApp,
	"app.kubernetes.io/name": topology.LabelRole, "role": topology.LabelRole, "app.kubernetes.io/component": topology.LabelRole,
	"env": topology.LabelEnv, "environment": topology.LabelEnv, "stage": topology.LabelEnv,
	"loc": topology.LabelLoc, "location": topology.LabelLoc, "region": topology.LabelLoc, "site": topology.LabelLoc,
}

// tagLabels turns tags into labels. Keys are lower case; where two tags mean one
// key, the first in the order of their names wins.
func tagLabels(tags map[string]string) topology.Labels {
	l := topology.Labels{}
	for _, k := range topology.Labels(tags).Keys() {
		if k == "Name" || tags[k] == "" {
			continue
		}
		key := labelKey(k)
		if _, taken := l[key]; !taken && key != "" {
			l[key] = tags[k]
		}
	}
	return l
}

// labelKey is a tag's key as a policy can ask for it: ours where people mean one
// of those, else in lower case with a dash for what names may not hold.
func labelKey(tag string) string {
	key := strings.ToLower(strings.TrimSpace(tag))
	if ours, ok := labelKeys[key]; ok {
		return ours
	}
	key = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune("._/-", r) {
			return r
		}
		return '-'
	}, key)
	return strings.TrimLeft(key, "._/-")
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for k := range m {
		names = append(names, k)
	}
	slices.Sort(names)
	return names
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// add appends a workload that has addresses; one without is nobody yet.
func add(inv *topology.Inventory, w topology.Workload, addrs []string, file string) error {
	for _, s := range addrs {
		if s == "" {
			continue
		}
		a, err := addr(s, file, w.ID)
		if err != nil {
			return err
		}
		w.Addresses = append(w.Addresses, a)
	}
	if len(w.Addresses) > 0 {
		inv.Workloads = append(inv.Workloads, w)
	}
	return nil
}

// readAWS reads `aws ec2 describe-instances`.
func readAWS(data []byte, file string) (*topology.Inventory, error) {
	var list struct {
		Reservations []struct {
			Instances []struct {
				InstanceID        string `json:"InstanceId"`
				Placement         struct{ AvailabilityZone string }
				Tags              []struct{ Key, Value string }
				NetworkInterfaces []struct {
					PrivateIPAddresses []struct {
						PrivateIPAddress string `json:"PrivateIpAddress"`
					} `json:"PrivateIpAddresses"`
					IPv6Addresses []struct {
						IPv6Address string `json:"Ipv6Address"`
					} `json:"Ipv6Addresses"`
				}
			}
		}
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	var inv topology.Inventory
	for _, r := range list.Reservations {
		for _, in := range r.Instances {
			tags := map[string]string{}
			for _, t := range in.Tags {
				tags[t.Key] = t.Value
			}
			w := topology.Workload{ID: in.InstanceID, Name: tags["Name"],
				Labels: topology.Labels{topology.LabelLoc: in.Placement.AvailabilityZone}.Merge(tagLabels(tags))}
			var addrs []string
			for _, n := range in.NetworkInterfaces {
				for _, p := range n.PrivateIPAddresses {
					addrs = append(addrs, p.PrivateIPAddress)
				}
				for _, p := range n.IPv6Addresses {
					addrs = append(addrs, p.IPv6Address)
				}
			}
			if err := add(&inv, w, addrs, file); err != nil {
				return nil, err
			}
		}
	}
	return &inv, nil
}

// readAzure reads `az vm list -d -o json`.
func readAzure(data []byte, file string) (*topology.Inventory, error) {
	var list []struct {
		VMID       string `json:"vmId"`
		Name       string
		Location   string
		PrivateIPs string `json:"privateIps"` // separated by commas
		Tags       map[string]string
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	if len(list) > 0 && !bytes.Contains(data, []byte(`"privateIps"`)) {
		return nil, fmt.Errorf("%s: no privateIps: write it with az vm list -d, which asks for addresses", file)
	}
	var inv topology.Inventory
	for _, vm := range list {
		w := topology.Workload{ID: vm.VMID, Name: vm.Name, Labels: topology.Labels{topology.LabelLoc: vm.Location}.Merge(tagLabels(vm.Tags))}
		if err := add(&inv, w, strings.Split(vm.PrivateIPs, ","), file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}

// readGoogle reads `gcloud compute instances list --format=json`.
func readGoogle(data []byte, file string) (*topology.Inventory, error) {
	var list []struct {
		ID, Name, Zone    string
		Labels            map[string]string
		NetworkInterfaces []struct {
			NetworkIP   string `json:"networkIP"`
			IPv6Address string `json:"ipv6Address"`
		} `json:"networkInterfaces"`
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	var inv topology.Inventory
	for _, in := range list {
		w := topology.Workload{ID: in.ID, Name: in.Name,
			Labels: topology.Labels{topology.LabelLoc: in.Zone[strings.LastIndexByte(in.Zone, '/')+1:]}.Merge(tagLabels(in.Labels))}
		var addrs []string
		for _, n := range in.NetworkInterfaces {
			addrs = append(addrs, n.NetworkIP, n.IPv6Address)
		}
		if err := add(&inv, w, addrs, file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}
