package config

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/internal/strictyaml"
)

// Exporter is what the operator says about the exporters of a prefix. In the file
// it is a mapping, or the prefix alone.
type Exporter struct {
	// Prefix is a CIDR prefix or an address.
	Prefix string `yaml:"prefix"`
	// Name is what records and the status page call it; empty: its address.
	Name string `yaml:"name"`
	// Sampling is 1-in-N and overrules what the exporter says; 0: believe it.
	Sampling uint32 `yaml:"sampling"`
	// Scope puts its addresses into a space of their own: a number from 1 to 4095,
	// or vlan, vni, vrf or domain for a space per VLAN, virtual network, VRF or
	// observation domain. Empty: as scopeVLAN and scopeVNI say.
	Scope string `yaml:"scope"`
	// Initiator is "source" when the source of its records is always who opened the
	// connection, "destination" for the opposite; empty: as the records say.
	Initiator string `yaml:"initiator"`
}

// UnmarshalYAML takes a prefix alone for an exporter of which nothing else is
// known.
func (e *Exporter) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		return n.Decode(&e.Prefix)
	}
	type plain Exporter // without this method
	return strictyaml.DecodeNode(n, "", (*plain)(e))
}

// MaxScope is the largest number an operator may give an address space; VLANs,
// virtual networks, VRFs and domains have the numbers above.
const MaxScope = 4095

// ScopeWords are the values of Exporter.Scope that are no numbers.
var ScopeWords = []string{"vlan", "vni", "vrf", "domain"}

// InitiatorWords are the values of Exporter.Initiator.
var InitiatorWords = []string{"source", "destination"}

// Check reports the first value that cannot work.
func (e *Exporter) Check() error {
	if e.Prefix == "" {
		return fmt.Errorf("prefix: missing")
	}
	if _, err := Prefixes([]string{e.Prefix}); err != nil {
		return err
	}
	if !oneOf(e.Scope, ScopeWords) {
		if n, err := strconv.Atoi(e.Scope); err != nil || n < 1 || n > MaxScope {
			return fmt.Errorf("%s: scope: %q is neither a number from 1 to %d nor one of %v", e.Prefix, e.Scope, MaxScope, ScopeWords)
		}
	}
	if !oneOf(e.Initiator, InitiatorWords) {
		return fmt.Errorf("%s: initiator: %q is none of %v", e.Prefix, e.Initiator, InitiatorWords)
	}
	return nil
}

// oneOf reports whether word is empty or in list.
func oneOf(word string, list []string) bool {
	for _, w := range list {
		if w == word {
			return true
		}
	}
	return word == ""
}

// checkExporters reports the first entry of the list that cannot work, and a
// prefix that is there twice: which of two would count?
func checkExporters(list []Exporter) error {
	seen := map[string]bool{}
	for i := range list {
		if err := list[i].Check(); err != nil {
			return fmt.Errorf("collector.exporters: %w", err)
		}
		p, err := Prefixes([]string{list[i].Prefix})
		if err != nil {
			return err
		}
		if key := p[0].String(); seen[key] {
			return fmt.Errorf("collector.exporters: %s is there twice", key)
		} else {
			seen[key] = true
		}
	}
	return nil
}
