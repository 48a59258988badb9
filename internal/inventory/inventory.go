// Package inventory reads who is there from what people already have: YAML, CSV,
// hosts files, DHCP leases, and what kubectl and the cloud providers' tools print.
// Every reader either returns all of a file or an error that says which row or
// object is wrong and why; nothing is half read.
//
// Sources: RFC 4180 (CSV), hosts(5), dhcpd.leases(5), dnsmasq(8), Kea's memfile
// backend, the Kubernetes API's List of Pods, Nodes and Services, EC2
// DescribeInstances, Azure "az vm list -d", Google "gcloud compute instances list",
// "govc vm.info -json", RVTools' vInfo, "ansible-inventory --list".
package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"sort"
	"strings"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
	"github.com/bulkhead/bulkhead/topology"
)

// formats by name. Read picks one by the file's name and content when none is
// named.
var formats = map[string]func(data []byte, file string) (*topology.Inventory, error){
	"yaml":       readYAML,
	"csv":        readCSV,
	"hosts":      readHosts,
	"dhcpd":      readDHCPD,
	"dnsmasq":    readDnsmasq,
	"kubernetes": readKubernetes,
	"aws":        readAWS,
	"azure":      readAzure,
	"google":     readGoogle,
	"kea":        readKea,
	"govc":       readGovc,
	"ansible":    readAnsible,
}

// Formats lists what Read understands, sorted.
func Formats() []string {
	names := make([]string, 0, len(formats))
	for n := range formats {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// Read reads a file in a format; "" guesses it. The inventory returned is
// consistent in itself.
func Read(data []byte, file, format string) (*topology.Inventory, error) {
	if format == "" {
		format = guess(data, file)
	}
	read, ok := formats[format]
	if format == "" {
		return nil, fmt.Errorf("%s: is JSON of no inventory known here; say which with --format: %s", file, strings.Join(Formats(), ", "))
	}
	if !ok {
		return nil, fmt.Errorf("%s: unknown inventory format %q%s", file, format, strictyaml.Suggest(format, Formats()))
	}
	inv, err := read(data, file)
	if err != nil {
		return nil, err
	}
	for i := range inv.Workloads {
		if w := &inv.Workloads[i]; w.Origin == "" {
			w.Origin = format + ":" + filepath.Base(file)
		}
	}
	if _, err := topology.NewIndex(inv); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return inv, nil
}

// guess tells formats apart by what only they contain.
func guess(data []byte, file string) string {
	base := strings.ToLower(filepath.Base(file))
	trimmed := bytes.TrimSpace(data)
	switch {
	case isKea(data):
		return "kea"
	case strings.HasSuffix(base, ".csv"):
		return "csv"
	case base == "hosts" || strings.HasSuffix(base, ".hosts"):
		return "hosts"
	case bytes.Contains(data, []byte("\nlease ")) || bytes.HasPrefix(data, []byte("lease ")) || bytes.Contains(data, []byte("\nia-na ")):
		return "dhcpd"
	case strings.Contains(base, "dnsmasq") || strings.HasSuffix(base, ".leases"):
		return "dnsmasq"
	case bytes.Contains(data, []byte("ansible_host=")):
		return "ansible"
	case len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '['):
		return guessJSON(trimmed)
	}
	return "yaml"
}

func guessJSON(data []byte) string {
	for _, mark := range []struct{ word, format string }{
		{`"Reservations"`, "aws"}, {`"networkInterfaces"`, "google"}, {`"vmId"`, "azure"}, {`"_meta"`, "ansible"},
		{`"virtualMachines"`, "govc"}, {`"VirtualMachines"`, "govc"}, {`"apiVersion"`, "kubernetes"},
	} {
		if bytes.Contains(data, []byte(mark.word)) {
			return mark.format
		}
	}
	if data[0] == '[' {
		return ""
	}
	return "yaml" // JSON is YAML
}

func readYAML(data []byte, file string) (*topology.Inventory, error) {
	var inv topology.Inventory
	if err := strictyaml.Decode(data, file, &inv); err != nil {
		return nil, err
	}
	return &inv, nil
}

// decodeJSON names the byte at which a document stops being JSON of that shape.
func decodeJSON(data []byte, file string, into any) error {
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// addr parses an address of an object; what is no address is an error that names
// the object.
func addr(s, file, object string) (topology.Address, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		return topology.Address{}, fmt.Errorf("%s: %s: %q is no address", file, object, s)
	}
	return topology.Address{Addr: a.Unmap()}, nil
}
