package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead/bulkhead/flow"
	"github.com/bulkhead/bulkhead/internal/testenv"
)

// system is one application whose services and calls somebody wrote down or
// recorded.
type system struct {
	name  string
	calls []call
	left  int // flows or clauses with an end that is no service of it, left out
}

// call is one service using another.
type call struct {
	client, server string
	service        flow.Service
}

// loadSystems reads every described system of the corpus: the data-flow diagrams
// of microsecend (the receiver of a flow is taken to be the server, which the
// diagrams do not say), the minimal policies of np-guard-topology, the human
// policies of online-boutique, and the calls of nezha-online-boutique. The same
// shop under two names is two systems.
func loadSystems() ([]system, error) {
	var out []system
	for _, source := range []struct {
		glob string
		load loader
	}{
		{"microsecend/*/*.json", loadDiagram},
		{"np-guard-topology/*/expected_netpol_output.*", loadPolicies},
		{"online-boutique/allowed-edges.csv", loadAllowed},
		{"nezha-online-boutique/edges.csv", loadCalls},
	} {
		systems, err := loadFrom(filepath.Join(testenv.Corpus(), source.glob), source.load)
		if err != nil {
			return nil, err
		}
		out = append(out, systems...)
	}
	return out, nil
}

// loader reads the calls of a file, and how many it leaves out because one end is
// no service of the system: an external party, or anyone.
type loader func(path string) (calls []call, left int, err error)

// loadFrom reads the files of a pattern, one system for each folder: of a second
// file with calls in the same folder nothing is taken.
func loadFrom(pattern string, load loader) ([]system, error) {
	paths, err := filepath.Glob(pattern)
	if err != nil {
		return nil, err
	}
	slices.Sort(paths)
	var out []system
	seen := map[string]bool{}
	for _, p := range paths {
		calls, left, err := load(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		name := filepath.Base(filepath.Dir(p))
		if len(calls) > 0 && !seen[name] {
			seen[name] = true
			out = append(out, system{name, calls, left})
		}
	}
	return out, nil
}

func loadDiagram(path string) (calls []call, left int, err error) {
	var d struct {
		Services []struct {
			Name   string         `json:"name"`
			Values map[string]any `json:"tagged_values"`
		} `json:"services"`
		Flows []struct{ Sender, Receiver string } `json:"information_flows"`
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, 0, err
	}
	port := map[string]uint16{}
	for k, s := range d.Services {
		port[s.Name] = uint16(20000 + k)
		if p, ok := s.Values["Port"].(float64); ok {
			port[s.Name] = uint16(p)
		}
	}
	for _, f := range d.Flows {
		p, known := port[f.Receiver]
		if _, ok := port[f.Sender]; !ok || !known {
			left++
		} else {
			calls = append(calls, call{f.Sender, f.Receiver, flow.Service{Proto: flow.TCP, Port: p}})
		}
	}
	return calls, left, nil
}

func loadPolicies(path string) (calls []call, left int, err error) {
	type selector struct {
		Pod struct {
			Labels map[string]string `yaml:"matchLabels"`
		} `yaml:"podSelector"`
	}
	var list struct {
		Items []struct {
			Spec struct {
				Selector struct {
					Labels map[string]string `yaml:"matchLabels"`
				} `yaml:"podSelector"`
				Ingress []struct {
					Ports []struct {
						Port any
					}
					From []selector
				}
			}
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	if err := yaml.Unmarshal(b, &list); err != nil { // JSON is YAML
		return nil, 0, err
	}
	for _, item := range list.Items {
		for _, in := range item.Spec.Ingress {
			if len(in.From) == 0 {
				left++
			}
			for _, from := range in.From {
				for _, p := range in.Ports {
					n, err := strconv.ParseUint(fmt.Sprint(p.Port), 10, 16)
					if err != nil || len(from.Pod.Labels) == 0 {
						left++
						continue
					}
					calls = append(calls, call{podName(from.Pod.Labels), podName(item.Spec.Selector.Labels), flow.Service{Proto: flow.TCP, Port: uint16(n)}})
				}
			}
		}
	}
	return calls, left, nil
}

func podName(labels map[string]string) string {
	var parts []string
	for k, v := range labels {
		parts = append(parts, k+"="+v)
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}

func readCSV(path string) ([][]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[1:], nil
}

func loadAllowed(path string) (calls []call, left int, err error) {
	rows, err := readCSV(path)
	for _, r := range rows {
		if p, err := strconv.ParseUint(r[4], 10, 16); err == nil {
			calls = append(calls, call{r[1], r[2], flow.Service{Proto: flow.TCP, Port: uint16(p)}})
		}
	}
	return calls, 0, err
}

func loadCalls(path string) (calls []call, left int, err error) {
	rows, err := readCSV(path)
	port := map[string]uint16{}
	for _, r := range rows {
		if port[r[1]] == 0 {
			port[r[1]] = uint16(30000 + len(port))
		}
		calls = append(calls, call{r[0], r[1], flow.Service{Proto: flow.TCP, Port: port[r[1]]}})
	}
	return calls, 0, err
}
