package inventory

import (
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
		key := strings.ToLower(k)
		if ours, ok := labelKeys[key]; ok {
			key = ours
		}
		if _, taken := l[key]; !taken {
			l[key] = tags[k]
		}
	}
	return l
}

// readKubernetes reads `kubectl get pods,nodes,services -A -o json`. Pods on the
// host's network have no address of their own and are passed over; a service's
// cluster address is a workload labelled as a virtual address.
func readKubernetes(data []byte, file string) (*topology.Inventory, error) {
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct {
				Name, Namespace string
				Labels          map[string]string
			}
			Spec struct {
				HostNetwork bool
				ClusterIPs  []string
			}
			Status struct {
				PodIPs    []struct{ IP string }
				Addresses []struct{ Type, Address string }
			}
		}
	}
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	var inv topology.Inventory
	for _, it := range list.Items {
		w := topology.Workload{ID: strings.ToLower(it.Kind) + "/" + it.Metadata.Namespace + "/" + it.Metadata.Name,
			Name: it.Metadata.Name, Labels: tagLabels(it.Metadata.Labels)}
		var addrs []string
		switch it.Kind {
		case "Pod":
			for _, p := range it.Status.PodIPs {
				if !it.Spec.HostNetwork {
					addrs = append(addrs, p.IP)
				}
			}
		case "Node":
			for _, a := range it.Status.Addresses {
				if a.Type == "InternalIP" || a.Type == "ExternalIP" {
					addrs = append(addrs, a.Address)
				}
			}
		case "Service":
			w.Labels["kind"] = "virtual-address"
			for _, ip := range it.Spec.ClusterIPs {
				if ip != "None" {
					addrs = append(addrs, ip)
				}
			}
		}
		if it.Metadata.Namespace != "" {
			w.Labels["namespace"] = it.Metadata.Namespace
		}
		if err := add(&inv, w, addrs, file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}

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
