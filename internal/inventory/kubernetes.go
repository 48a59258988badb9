package inventory

import (
	"strings"

	"github.com/bulkhead/bulkhead/topology"
)

// kubernetesObject is what is read of a Pod, Node or Service.
type kubernetesObject struct {
	Kind     string
	Metadata struct {
		Name, Namespace string
		Labels          map[string]string
	}
	Spec struct {
		HostNetwork bool
		ClusterIPs  []string
		ExternalIPs []string
		Selector    map[string]string
	}
	Status struct {
		Phase        string
		PodIPs       []struct{ IP string }
		Addresses    []struct{ Type, Address string }
		LoadBalancer struct{ Ingress []struct{ IP string } }
	}
}

// readKubernetes reads `kubectl get pods,nodes,services -A -o json`. Pods on the
// host's network have no address of their own and ended pods none any more: both
// are passed over. A service is a virtual address before the pods it selects.
func readKubernetes(data []byte, file string) (*topology.Inventory, error) {
	var list struct{ Items []kubernetesObject }
	if err := decodeJSON(data, file, &list); err != nil {
		return nil, err
	}
	var inv topology.Inventory
	for i := range list.Items {
		o := &list.Items[i]
		w := topology.Workload{ID: o.id(), Name: o.Metadata.Name, Labels: tagLabels(o.Metadata.Labels)}
		if o.Kind == "Service" {
			w.Kind, w.Backends = topology.KindVIP, o.selected(list.Items)
		}
		if o.Metadata.Namespace != "" {
			w.Labels["namespace"] = o.Metadata.Namespace
		}
		if err := add(&inv, w, own(o.addresses()), file); err != nil {
			return nil, err
		}
	}
	return &inv, nil
}

func (o *kubernetesObject) id() string {
	return strings.ToLower(o.Kind) + "/" + o.Metadata.Namespace + "/" + o.Metadata.Name
}

func (o *kubernetesObject) addresses() []string {
	var addrs []string
	switch o.Kind {
	case "Pod":
		for _, p := range o.Status.PodIPs {
			if o.running() {
				addrs = append(addrs, p.IP)
			}
		}
	case "Node":
		for _, a := range o.Status.Addresses {
			if a.Type == "InternalIP" || a.Type == "ExternalIP" {
				addrs = append(addrs, a.Address)
			}
		}
	case "Service":
		for _, ip := range append(o.Spec.ClusterIPs, o.Spec.ExternalIPs...) {
			if ip != "None" {
				addrs = append(addrs, ip)
			}
		}
		for _, in := range o.Status.LoadBalancer.Ingress {
			addrs = append(addrs, in.IP)
		}
	}
	return addrs
}

// running reports a pod that has addresses of its own: those of ended ones are
// given to others.
func (o *kubernetesObject) running() bool {
	return !o.Spec.HostNetwork && o.Status.Phase != "Succeeded" && o.Status.Phase != "Failed"
}

// selected lists the pods a service passes connections on to.
func (o *kubernetesObject) selected(all []kubernetesObject) []string {
	var ids []string
	for i := range all {
		p := &all[i]
		if p.Kind != "Pod" || p.Metadata.Namespace != o.Metadata.Namespace || len(o.Spec.Selector) == 0 || !p.running() || len(p.Status.PodIPs) == 0 {
			continue
		}
		matches := true
		for k, v := range o.Spec.Selector {
			matches = matches && p.Metadata.Labels[k] == v
		}
		if matches {
			ids = append(ids, p.id())
		}
	}
	return ids
}
